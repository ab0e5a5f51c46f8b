#include "metrics/event_log.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "metrics/registry.h"

namespace volley::metrics {
namespace {

namespace fs = std::filesystem;

class EventLogTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "volley-events-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    path_ = (directory_ / "events.jsonl").string();
  }
  void TearDown() override { fs::remove_all(directory_); }

  std::unique_ptr<EventLog> open(uint64_t max_bytes = 1 << 20, unsigned keep = 3) {
    auto log = EventLog::open({path_, max_bytes, keep});
    EXPECT_TRUE(log) << log.error().message;
    return std::move(*log);
  }
  static std::vector<std::string> lines(const std::string& path) {
    std::ifstream in(path);
    std::vector<std::string> out;
    for (std::string line; std::getline(in, line);) out.push_back(line);
    return out;
  }
  static Event event(int n) {
    Event e;
    e.time = from_ms(1'762'161'247'031);
    e.id = "c." + std::to_string(n);
    e.campaign = "c";
    e.recipient = "ann@example.com";
    return e;
  }

  fs::path directory_;
  std::string path_;
};

TEST(EventLine, RoundTrip) {
  Event e;
  e.time = from_ms(1'762'161'247'031);
  e.kind = EventKind::kInDoubt;
  e.id = "november.17.2";
  e.campaign = "november";
  e.lane = "transactional";
  e.recipient = "\"a\\\"j\xC3\xB6\"@example.com";
  e.site = "mx.example.com";
  e.host = "mx1.example.com [192.0.2.1]";
  e.source = "192.0.2.9";
  e.code = 451;
  e.enhanced = "4.7.1";
  e.text = "line\r\ntwo\t\x01 \x7f gr\xc3\xbc\xc3\x9f \xf0\x9f\x93\xa7";
  e.attempt = 2;
  std::string line = to_json_line(e);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  auto json = nlohmann::json::parse(line);
  EXPECT_EQ(json["time"], "2025-11-03T09:14:07.031Z");
  EXPECT_EQ(json["event"], "in_doubt");
  EXPECT_EQ(json["id"], e.id);
  EXPECT_EQ(json["campaign"], e.campaign);
  EXPECT_EQ(json["lane"], "transactional");
  EXPECT_EQ(json["recipient"], e.recipient);
  EXPECT_EQ(json["site"], e.site);
  EXPECT_EQ(json["host"], e.host);
  EXPECT_EQ(json["source"], e.source);
  EXPECT_EQ(json["code"], 451);
  EXPECT_EQ(json["enhanced"], e.enhanced);
  EXPECT_EQ(json["text"], e.text);
  EXPECT_EQ(json["attempt"], 2);
  EXPECT_EQ(json.size(), 15u);
}

TEST(EventLine, InvalidUtf8StaysValidJson) {
  Event e;
  e.text = "a\xff\xc3(b\xe2\x82";
  auto json = nlohmann::json::parse(to_json_line(e));
  EXPECT_EQ(json["text"], "a\xEF\xBF\xBD\xEF\xBF\xBD(b\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(EventLine, KindNames) {
  EXPECT_EQ(to_string(EventKind::kDelivered), "delivered");
  EXPECT_EQ(to_string(EventKind::kDeferred), "deferred");
  EXPECT_EQ(to_string(EventKind::kBounced), "bounced");
  EXPECT_EQ(to_string(EventKind::kExpired), "expired");
  EXPECT_EQ(to_string(EventKind::kSuppressed), "suppressed");
}

TEST_F(EventLogTest, WritesPrivateLinesInOrder) {
  auto log = open();
  for (int i = 1; i <= 100; ++i) EXPECT_EQ(log->append(event(i)), static_cast<uint64_t>(i));
  log->flush();
  EXPECT_EQ(log->written(), 100u);
  auto got = lines(path_);
  ASSERT_EQ(got.size(), 100u);
  EXPECT_EQ(nlohmann::json::parse(got[41])["id"], "c.42");
  struct stat info {};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(EventLogTest, CountsItsLines) {
  Registry registry;
  auto log = EventLog::open({.path = path_, .counters = &registry.new_shard()});
  ASSERT_TRUE(log) << log.error().message;
  for (int i = 1; i <= 100; ++i) (*log)->append(event(i));
  (*log)->flush();
  EXPECT_EQ(registry.total(Metric::kEventsWritten), 100u);
}

TEST_F(EventLogTest, DestructionWritesWhatIsLeft) {
  { open()->append(event(1)); }
  EXPECT_EQ(lines(path_).size(), 1u);
  { open()->append(event(2)); }
  EXPECT_EQ(lines(path_).size(), 2u) << "and a second one appends";
}

TEST_F(EventLogTest, ExistingFileBecomesPrivate) {
  std::ofstream(path_) << "{}\n";
  ::chmod(path_.c_str(), 0644);
  auto log = open();
  struct stat info {};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(EventLogTest, LineCutShortByACrashIsRemoved) {
  std::ofstream(path_) << "{\"id\":\"whole\"}\n" << std::string(10'000, 'x');
  open()->append(event(1));
  auto got = lines(path_);
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0], "{\"id\":\"whole\"}");
  EXPECT_EQ(nlohmann::json::parse(got[1])["id"], "c.1");
}

TEST_F(EventLogTest, RotatesBetweenLinesAndKeepsTheYoungest) {
  const int total = 200;
  auto log = open(4096, 3);
  for (int i = 1; i <= total; ++i) {
    log->append(event(i));
    log->flush();
  }
  EXPECT_EQ(log->written(), static_cast<uint64_t>(total));
  std::vector<std::string> kept;
  for (std::string suffix : {".3", ".2", ".1", ""}) {
    EXPECT_LE(fs::file_size(path_ + suffix), 4096u);
    struct stat info {};
    ASSERT_EQ(::stat((path_ + suffix).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u);
    for (auto& line : lines(path_ + suffix)) kept.push_back(line);
  }
  EXPECT_FALSE(fs::exists(path_ + ".4"));
  ASSERT_GT(kept.size(), 30u);
  int first = total - static_cast<int>(kept.size()) + 1;
  for (size_t i = 0; i < kept.size(); ++i) {
    EXPECT_EQ(nlohmann::json::parse(kept[i])["id"],
              "c." + std::to_string(first + static_cast<int>(i)));
  }
}

TEST_F(EventLogTest, FromFourThreads) {
  auto log = open(64 << 20);
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&log, t] {
      for (int i = 0; i < 2000; ++i) log->append(event(t * 2000 + i));
    });
  }
  for (auto& thread : threads) thread.join();
  log->flush();
  EXPECT_EQ(log->written(), 8000u);
  std::set<std::string> ids;
  for (auto& line : lines(path_)) ids.insert(nlohmann::json::parse(line)["id"]);
  EXPECT_EQ(ids.size(), 8000u);
}

TEST_F(EventLogTest, FullDiskKeepsEventsUntilThereIsRoom) {
  // A limit on file size fails a write the way a full disk does, in the middle of a line.
  auto before = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  auto log = open();
  rlimit small = old;
  small.rlim_cur = 1000;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  for (int i = 1; i <= 20; ++i) log->append(event(i));
  log->flush();  // comes back although the disk refuses
  uint64_t written = log->written();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old), 0);
  std::signal(SIGXFSZ, before);
  EXPECT_LT(written, 20u);
  log->flush();
  EXPECT_EQ(log->written(), 20u);
  auto got = lines(path_);
  ASSERT_EQ(got.size(), 20u);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(nlohmann::json::parse(got[static_cast<size_t>(i)])["id"], event(i + 1).id);
  }
}

TEST_F(EventLogTest, DiskThatStaysFullDoesNotHoldTheEnd) {
  if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full here";
  auto log = EventLog::open({"/dev/full", 1 << 20, 1});
  ASSERT_TRUE(log) << log.error().message;
  (*log)->append(event(1));
  (*log)->flush();
  EXPECT_EQ((*log)->written(), 0u);
}

TEST_F(EventLogTest, CannotOpen) {
  auto log = EventLog::open({(directory_ / "no" / "such" / "x").string(), 1, 1});
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, Errc::kCantCreate);
  EXPECT_NE(log.error().message.find("such/x"), std::string::npos);
}

}  // namespace
}  // namespace volley::metrics
