#include "engine/cli/settings.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

namespace volley::cli {
namespace {

class SettingsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "settings-XXXXXX";
    const int fd = mkstemp(pattern.data());
    ASSERT_GE(fd, 0);
    close(fd);
    path_ = pattern;
  }
  void TearDown() override { std::remove(path_.c_str()); }

  Result<Settings> load(const std::string& text) {
    std::ofstream(path_) << text;
    return load_settings(path_);
  }
  void expect_refused(const std::string& text, const std::string& where, const std::string& what) {
    auto settings = load(text);
    ASSERT_FALSE(settings.ok()) << text;
    EXPECT_EQ(settings.error().code, Errc::kConfig);
    EXPECT_NE(settings.error().message.find(path_ + where), std::string::npos) << settings.error().message;
    EXPECT_NE(settings.error().message.find(what), std::string::npos) << settings.error().message;
  }
  std::string path_;
};

TEST_F(SettingsTest, ReadsEverything) {
  auto settings = load(R"(hostname = "mail.example.com"
loops = 3
senders = ["example.com", "app@example.org"]
[dns]
servers = ["192.0.2.53", "192.0.2.54:5353"]
allow_private = true
[smtp]
port = 2525
source_ip = "192.0.2.1"
[http]
listen = "127.0.0.1:8025"
token_file = "token"
[queue]
url = "redis://192.0.2.9/1"
durability = "memory"
[dkim."example.com"]
selector = "s1"
key_file = "k.pem"
[dkim."example.org".rsa]
selector = "r"
key_file = "r.pem"
[dkim."example.org".ed]
selector = "e"
key_file = "e.pem"
[site."google"]
connections = 5
rate = "20/s"
tls = "required"
[transactional]
first_delay = "10s"
give_up_after = "15m"
)");
  ASSERT_TRUE(settings.ok()) << settings.error().message;
  EXPECT_EQ(settings->hostname, "mail.example.com");
  EXPECT_EQ(settings->loops, 3u);
  EXPECT_EQ(settings->senders.size(), 2u);
  ASSERT_EQ(settings->dns.servers.size(), 2u);
  EXPECT_TRUE(settings->dns.allow_private);
  EXPECT_EQ(settings->smtp_port, 2525);
  EXPECT_TRUE(settings->memory_durability);
  ASSERT_EQ(settings->dkim.size(), 3u);
  ASSERT_EQ(settings->sites.size(), 1u);
  EXPECT_EQ(settings->sites[0].match, "google");
  EXPECT_DOUBLE_EQ(*settings->sites[0].rate, 20);
  EXPECT_EQ(settings->transactional.first_delay, std::chrono::seconds(10));
  EXPECT_FALSE(settings->transactional.max_delay);
  EXPECT_EQ(settings->transactional.give_up_after, std::chrono::minutes(15));
}

TEST_F(SettingsTest, NamesLineAndRemedy) {
  expect_refused("hostname = \"localhost\"\n", ":1", "fully qualified");
  expect_refused("\ncolour = \"red\"\n", ":2", "colour");
  expect_refused("[smtp]\nport = 70000\n", ":2", "65535");
  expect_refused("[site.\"x\"]\nconnections = 0\n", ":2", "at least 1");
  expect_refused("[dkim.\"example.com\"]\nselector = \"s\"\n", ":1", "keygen");
  expect_refused("[transactional]\ngive_up_after = \"0s\"\n", ":2", "more than zero");
  expect_refused("[transactional]\nfirst_delay = \"1h\"\nmax_delay = \"1m\"\n", ":3", "first_delay");
  expect_refused("[dns]\nservers = [\"resolver\"]\n", ":2", "resolver");
}

TEST_F(SettingsTest, AMissingNamedFileIsNoInput) {
  auto settings = load_settings(path_ + ".absent");
  ASSERT_FALSE(settings.ok());
  EXPECT_EQ(settings.error().code, Errc::kNoInput);
}

}  // namespace
}  // namespace volley::cli
