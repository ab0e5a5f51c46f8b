#include "engine/cli/settings.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <sys/stat.h>

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
  void TearDown() override {
    std::remove(path_.c_str());
    std::remove(secret_path().c_str());
  }

  std::string secret_path() const { return path_ + ".secret"; }
  void keep_secret(const std::string& text, mode_t mode = 0600) {
    std::ofstream(secret_path()) << text;
    ASSERT_EQ(chmod(secret_path().c_str(), mode), 0);
  }

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
  // Every error that is about a key's value names the key.
  void expect_key(const std::string& text, const std::string& key) {
    auto settings = load(text);
    ASSERT_FALSE(settings.ok()) << text;
    EXPECT_NE(settings.error().message.find(": " + key + ": "), std::string::npos)
        << settings.error().message;
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
idle_timeout = "30s"
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
messages_per_connection = 50
recipients = 10
daily = 20000
rate = "20/s"
tls = "verified"
chunking = "always"
[tls]
ca_file = "ca.pem"
mta_sts = false
dane = false
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
  EXPECT_EQ(settings->idle_timeout, std::chrono::seconds(30));
  EXPECT_TRUE(settings->memory_durability);
  ASSERT_EQ(settings->dkim.size(), 3u);
  ASSERT_EQ(settings->sites.size(), 1u);
  EXPECT_EQ(settings->sites[0].match, "google");
  EXPECT_DOUBLE_EQ(*settings->sites[0].rate, 20);
  EXPECT_EQ(settings->sites[0].connections, 5);
  EXPECT_EQ(settings->sites[0].messages_per_connection, 50);
  EXPECT_EQ(settings->sites[0].recipients, 10);
  EXPECT_EQ(settings->sites[0].daily, 20000);
  EXPECT_EQ(settings->sites[0].tls, "verified");
  EXPECT_EQ(settings->sites[0].chunking, "always");
  EXPECT_EQ(settings->ca_file, testing::TempDir() + "ca.pem");
  EXPECT_FALSE(settings->mta_sts);
  EXPECT_FALSE(settings->dane);
  EXPECT_FALSE(settings->relay);
  EXPECT_EQ(settings->transactional.first_delay, std::chrono::seconds(10));
  EXPECT_FALSE(settings->transactional.max_delay);
  EXPECT_EQ(settings->transactional.give_up_after, std::chrono::minutes(15));
}

TEST_F(SettingsTest, NamesLineAndRemedy) {
  expect_refused("hostname = \"localhost\"\n", ":1", "fully qualified");
  expect_refused("\ncolour = \"red\"\n", ":2", "colour");
  expect_refused("[smtp]\nport = 70000\n", ":2", "65535");
  expect_refused("[smtp]\nidle_timeout = \"6m\"\n", ":2", "1s to 5m");
  expect_refused("[site.\"gmx\"]\nconnections = 0\n", ":2", "at least 1");
  expect_refused("[dkim.\"example.com\"]\nselector = \"s\"\n", ":1", "keygen");
  expect_refused("[transactional]\ngive_up_after = \"0s\"\n", ":2", "more than zero");
  expect_refused("[transactional]\nfirst_delay = \"1h\"\nmax_delay = \"1m\"\n", ":3", "first_delay");
  expect_refused("[dns]\nservers = [\"resolver\"]\n", ":2", "resolver");
}

TEST_F(SettingsTest, RetentionIsAnHourAtLeast) {
  EXPECT_FALSE(load("")->retain.has_value());
  EXPECT_EQ(*load("[privacy]\nretain = \"30d\"\n")->retain, std::chrono::hours(720));
  const auto wrong = load("[privacy]\nretain = \"59m\"\n");
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().code, Errc::kConfig);
}

TEST_F(SettingsTest, SiteWordsAndCountsAreChecked) {
  expect_refused("[site.\"gmx\"]\ntls = \"implicit\"\n", ":2", "verified");
  expect_refused("[site.\"gmx\"]\nchunking = \"sometimes\"\n", ":2", "always");
  expect_refused("[site.\"gmx\"]\nrecipients = 0\n", ":2", "at least 1");
  expect_refused("[site.\"gmx\"]\ndaily = 0\n", ":2", "at least 1");
  expect_refused("[site.\"gmx\"]\nmessages_per_connection = 0\n", ":2", "at least 1");
  expect_refused("[site.\"gmx\"]\nconnections = 4294967297\n", ":2", "at most");
  expect_refused("[site.\"gmx\"]\nuser = \"me\"\n", ":2", "user");
  expect_refused("[tls]\nmta_sts = \"no\"\n", ":2", "mta_sts");
}

TEST_F(SettingsTest, ErrorsNameTheirKey) {
  for (const char* key : {"connections", "messages_per_connection", "recipients", "daily"}) {
    expect_key("[site.\"gmx\"]\n" + std::string(key) + " = 0\n", key);
    expect_key("[relay]\nhost = \"mx.example.com\"\n" + std::string(key) + " = 0\n", key);
  }
  expect_key("[site.\"gmx\"]\ntls = \"maybe\"\n", "tls");
  expect_key("[site.\"gmx\"]\nchunking = \"maybe\"\n", "chunking");
  expect_key("[relay]\nhost = \"mx.example.com\"\ntls = \"maybe\"\n", "tls");
  expect_key("[relay]\nhost = \"mx.example.com\"\ntoken_file = \"t\"\n", "token_file");
  expect_key("[relay]\nhost = \"mx.example.com\"\npassword_file = \"t\"\n", "password_file");
  expect_key("[relay]\nport = 25\n", "host");
  expect_key("[smtp]\nport = 0\n", "port");
  expect_key("[smtp]\nsource_ip = \"here\"\n", "source_ip");
  expect_key("loops = 0\n", "loops");
  expect_key("log_level = \"loud\"\n", "log_level");
  expect_key("[transactional]\nmax_delay = \"0s\"\n", "max_delay");
  expect_key("[queue]\ndurability = \"none\"\n", "durability");
  expect_key("[dkim.\"example.com\"]\nselector = \"s\"\n", "key_file");
}

TEST_F(SettingsTest, ASiteThatCannotBeIsRefused) {
  const auto refused = [&](const std::string& name, const std::string& what) {
    expect_refused("\n[site.\"" + name + "\"]\nconnections = 1\n", ":2:", what);
    expect_refused("\n[site.\"" + name + "\"]\nconnections = 1\n",
                   ":2:", "[site.\"" + name + "\"]");
  };
  refused("*", "[site.\"default\"]");
  refused("", "google");
  refused("gogle", "did you mean \"google\"?");
  refused("defualt", "did you mean \"default\"?");
  refused("nobody", "a provider (barracuda, ");
  refused("relay", "[relay]");
  refused("*.example.net", "\".example.net\"");
  refused(".", "MX suffix");
  refused(".example..net", "MX suffix");
  refused("[::1]", "without [ ]");
  refused("exa mple.com", "is no domain");
  expect_refused("[site.\"google\"]\nconnections = 1\n[site.\"Google\"]\nconnections = 1\n",
                 ":3:", "twice");
}

TEST_F(SettingsTest, SiteNamesAreBroughtToTheFormThatIsCompared) {
  for (const auto& [written, match] : std::vector<std::pair<std::string, std::string>>{
           {"Google", "google"},
           {"mail.ru", "mail.ru"},
           {"Example.COM", "example.com"},
           {"default", "default"},
           {".Example.net", ".example.net"},
           {"b\u00fccher.example", "xn--bcher-kva.example"},
           {"127.0.0.1", "127.0.0.1"},
           {"2001:DB8:0::1", "2001:db8::1"}}) {
    auto settings = load("[site.\"" + written + "\"]\nconnections = 1\n");
    ASSERT_TRUE(settings.ok()) << settings.error().message;
    EXPECT_EQ(settings->sites.at(0).match, match);
  }
}

TEST_F(SettingsTest, DnssecIsBelievedOfThisMachineOnly) {
  const auto trust = [&](const std::string& text) {
    auto settings = load(text);
    EXPECT_TRUE(settings.ok()) << settings.error().message;
    return settings->dns.trust_ad;
  };
  EXPECT_FALSE(trust(""));
  EXPECT_FALSE(trust("[dns]\nipv6 = true\n"));
  EXPECT_TRUE(trust("[dns]\nservers = [\"127.0.0.1\", \"[::1]:53\"]\n"));
  EXPECT_FALSE(trust("[dns]\nservers = [\"127.0.0.1\", \"192.0.2.53\"]\n"));
  EXPECT_TRUE(trust("[dns]\nservers = [\"192.0.2.53\"]\ndnssec = true\n"));
  EXPECT_FALSE(trust("[dns]\nservers = [\"127.0.0.1\"]\ndnssec = false\n"));
}

TEST_F(SettingsTest, ReadsARelay) {
  auto settings = load(R"([relay]
host = "SMTP.example.com"
user = "me@example.com"
password_file = "secret"
mechanisms = ["PLAIN", "scram-sha-256"]
rate = "14/s"
daily = 50000
connections = 8
messages_per_connection = 200
recipients = 1
)");
  ASSERT_TRUE(settings.ok()) << settings.error().message;
  ASSERT_TRUE(settings->relay);
  const RelaySetting& relay = *settings->relay;
  EXPECT_EQ(relay.host, "smtp.example.com");
  EXPECT_EQ(relay.port, 587);
  EXPECT_EQ(relay.address(), "smtp.example.com:587");
  EXPECT_FALSE(relay.implicit_tls);
  EXPECT_EQ(relay.user, "me@example.com");
  EXPECT_EQ(relay.password_file, testing::TempDir() + "secret");
  EXPECT_EQ(relay.mechanisms, smtp::kAuthPlain | smtp::kAuthScramSha256);
  EXPECT_DOUBLE_EQ(*relay.limits.rate, 14);
  EXPECT_EQ(relay.limits.daily, 50000);
  EXPECT_EQ(relay.limits.connections, 8);
  EXPECT_EQ(relay.limits.messages_per_connection, 200);
  EXPECT_EQ(relay.limits.recipients, 1);
  EXPECT_FALSE(relay.limits.tls);  // the default, which is "verified" with a login
}

TEST_F(SettingsTest, ARelaysPortFollowsItsTls) {
  const auto port = [&](const std::string& text) {
    auto settings = load("[relay]\nhost = \"::1\"\n" + text);
    EXPECT_TRUE(settings.ok()) << settings.error().message;
    return settings->relay->address();
  };
  EXPECT_EQ(port(""), "[::1]:587");
  EXPECT_EQ(port("tls = \"implicit\"\n"), "[::1]:465");
  EXPECT_EQ(port("tls = \"implicit\"\nport = 4650\n"), "[::1]:4650");
  EXPECT_EQ(port("tls = \"never\"\nport = 25\n"), "[::1]:25");
}

TEST_F(SettingsTest, ARelaysKeysFitEachOther) {
  const std::string host = "[relay]\nhost = \"smtp.example.com\"\n";
  const std::string login = host + "user = \"me\"\npassword_file = \"p\"\n";
  expect_refused("[relay]\nport = 25\n", ":1", "host");
  expect_refused("[relay]\nhost = \"\"\n", ":2", "host");
  expect_refused("[relay]\nhost = \"smtp.example.com:587\"\n", ":2", "port");
  expect_refused(host + "port = 0\n", ":3", "65535");
  expect_refused(host + "tls = \"maybe\"\n", ":3", "implicit");
  expect_refused(host + "rate = 14\n", ":3", "rate");
  expect_refused(host + "daily = -1\n", ":3", "at least 1");
  expect_refused(host + "connections = 0\n", ":3", "at least 1");
  expect_refused(host + "chunking = \"always\"\n", ":3", "chunking");
  expect_refused(host + "user = \"me\"\n", ":3", "password_file");
  expect_refused(host + "user = \"\"\npassword_file = \"p\"\n", ":3", "empty");
  expect_refused(host + "user = \"m\\u0000e\"\npassword_file = \"p\"\n", ":3", "control character");
  expect_refused(host + "password_file = \"p\"\n", ":3", "needs a user");
  expect_refused(host + "token_file = \"t\"\n", ":3", "needs a user");
  expect_refused(login + "token_file = \"t\"\n", ":5", "instead of password_file");
  expect_refused(host + "mechanisms = [\"PLAIN\"]\n", ":3", "user");
  expect_refused(login + "mechanisms = [\"NTLM\"]\n", ":5", "NTLM");
  expect_refused(login + "mechanisms = []\n", ":5", "password");
  expect_refused(login + "mechanisms = [\"XOAUTH2\"]\n", ":5", "password");
  expect_refused(host + "user = \"me\"\ntoken_file = \"t\"\nmechanisms = [\"LOGIN\"]\n", ":5", "token");
}

TEST_F(SettingsTest, APasswordNeedsAVerifiedRelay) {
  const std::string login = "user = \"me\"\npassword_file = \"p\"\n";
  for (const char* weaker : {"opportunistic", "required", "never"}) {
    const std::string tls = "tls = \"" + std::string(weaker) + "\"\n";
    const auto relay = [&](std::string_view host) {
      return fmt::format("[relay]\nhost = \"{}\"\n{}{}", host, login, tls);
    };
    expect_refused(relay("smtp.example.com"), ":5", "verified");
    expect_refused(relay("192.0.2.1"), ":5", "verified");
    for (const char* here : {"localhost", "127.0.0.1", "::1"}) {
      auto settings = load(relay(here));
      EXPECT_TRUE(settings.ok()) << settings.error().message;
    }
    auto anonymous = load("[relay]\nhost = \"smtp.example.com\"\n" + tls);
    EXPECT_TRUE(anonymous.ok()) << anonymous.error().message;
  }
  for (const char* safe : {"verified", "implicit"}) {
    auto settings =
        load("[relay]\nhost = \"smtp.example.com\"\n" + login + "tls = \"" + std::string(safe) + "\"\n");
    EXPECT_TRUE(settings.ok()) << settings.error().message;
  }
}

TEST_F(SettingsTest, ARelaysSecretIsReadAndNeverShown) {
  RelaySetting relay;
  relay.host = "smtp.example.com";
  auto none = relay_credentials(relay);
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(*none, nullptr);

  relay.user = "me";
  relay.password_file = secret_path();
  relay.secret_place = "volley.toml:3:1: password_file";
  keep_secret("correct horse\n");
  auto password = relay_credentials(relay);
  ASSERT_TRUE(password.ok()) << password.error().message;
  EXPECT_EQ((*password)->secret, "correct horse");
  EXPECT_FALSE((*password)->is_token);

  const auto refused = [&](const std::string& what) {
    auto made = relay_credentials(relay);
    ASSERT_FALSE(made.ok());
    EXPECT_TRUE(made.error().message.starts_with("volley.toml:3:1: ")) << made.error().message;
    EXPECT_NE(made.error().message.find(what), std::string::npos) << made.error().message;
    EXPECT_EQ(made.error().message.find("horse"), std::string::npos) << made.error().message;
  };
  keep_secret("correct horse", 0644);
  refused("chmod 600");
  keep_secret("");
  refused("empty");
  keep_secret("correct horse\n\n");
  refused("line break");

  relay.password_file.clear();
  relay.token_file = secret_path();
  relay.secret_place = "volley.toml:3:1: token_file";
  keep_secret("correct horse");
  refused("token");
  keep_secret("ya29.token\n");
  auto token = relay_credentials(relay);
  ASSERT_TRUE(token.ok()) << token.error().message;
  EXPECT_TRUE((*token)->is_token);
  EXPECT_EQ((*token)->host, "smtp.example.com");
  EXPECT_EQ((*token)->port, 587);
  std::remove(secret_path().c_str());
  refused("token_file");
}

TEST_F(SettingsTest, AMissingNamedFileIsNoInput) {
  auto settings = load_settings(path_ + ".absent");
  ASSERT_FALSE(settings.ok());
  EXPECT_EQ(settings.error().code, Errc::kNoInput);
}

}  // namespace
}  // namespace volley::cli
