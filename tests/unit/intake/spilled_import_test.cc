// Imports whose rows wait in a temporary file: full chunks, and each row once.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>

#include "tests/unit/intake/importer_fixture.h"

namespace volley::intake {
namespace {

class SpilledImportTest : public ImporterTest {
 protected:
  SpilledImportTest() {
    options_.spill_directory = directory_.file("");
    options_.limits.buffers = size_t{64} * 1024;  // 8 KiB a partition: 100 rows
    options_.limits.slice = size_t{1} << 20;
    options_.limits.round = 1;
  }
};

TEST_F(SpilledImportTest, ManySmallDomainsMakeFullChunks) {
  use_made_list(12'000, 600);
  create("c1");
  std::vector<double> fractions;
  options_.progress = [&](const ImportTotals&, double fraction) { fractions.push_back(fraction); };
  const auto totals = run();
  ASSERT_TRUE(totals.ok()) << totals.error().message;
  expect_all_there(*totals);
  EXPECT_EQ(chunks(), 600U);
  EXPECT_EQ(fractions.back(), 1.0);
}

TEST_F(SpilledImportTest, NothingIsQueuedBeforeTheEndOfTheList) {
  use_made_list(3000, 600);
  create("c1");
  std::string text = TempDir::read(options_.list.path);
  text[text.size() - 3] ^= 1;
  use_list(text);
  const auto totals = run();
  ASSERT_FALSE(totals.ok());
  EXPECT_EQ(totals.error().code, Errc::kData);
  EXPECT_TRUE(queued().empty());
}

TEST_F(SpilledImportTest, StreamModeDoesNotWaitForTheEnd) {
  use_made_list(3000, 600);
  create("c1");
  options_.stream = true;
  options_.spill_directory = directory_.file("nowhere");
  const auto totals = run();
  ASSERT_TRUE(totals.ok()) << totals.error().message;
  expect_all_there(*totals);
}

// After every possible number of calls; calls and slices of every size.
TEST_F(SpilledImportTest, GoesOnWhereItStopped) {
  use_made_list(1500, 200);
  int interruptions = 0;
  for (const size_t slice : {size_t{1} << 20, size_t{12'000}}) {
    options_.limits.slice = slice;
    for (const int rounds : {1, 2, 5}) {
      options_.limits.call_chunks = static_cast<size_t>(4 + rounds);
      create("c" + std::to_string(slice) + "-" + std::to_string(rounds));
      const auto totals = run_in_pieces(rounds, interruptions);
      ASSERT_TRUE(totals.ok()) << totals.error().message;
      expect_all_there(*totals);
      EXPECT_TRUE(slice < size_t{1} << 20 || chunks() == 200U) << chunks();
    }
  }
  EXPECT_GT(interruptions, 80);
}

// What cuts the slices is different in each run: a slice that is half written keeps its end, and its calls go on.
TEST_F(SpilledImportTest, AHalfWrittenSliceKeepsItsEnd) {
  use_made_list(2500, 300);
  options_.limits.call_chunks = 5;
  const size_t sizes[] = {size_t{1} << 20, 9'000, 20'000, 3'000, 70'000};
  for (size_t first = 0; first < std::size(sizes); ++first) {
    create("c" + std::to_string(first));
    size_t turn = first;
    Result<ImportTotals> totals = ImportTotals{};
    do {
      options_.limits.slice = sizes[turn++ % std::size(sizes)];
      options_.limits.buffers =
          turn % 3 == 0 ? size_t{40} << 20 : options_.limits.slice;  // in memory
      options_.stream = turn % 4 == 1;
      options_.on_flush = [&, left = 3]() mutable {
        if (--left == 0) stop_ = true;
      };
      totals = run();
      stop_ = false;
      begin();
    } while (!totals.ok() && totals.error().code == Errc::kTempFail);
    ASSERT_TRUE(totals.ok()) << totals.error().message;
    EXPECT_GT(turn - first, 10U);
    expect_all_there(*totals);
  }
}

TEST_F(SpilledImportTest, ASecondRunAddsNothing) {
  use_made_list(3000, 300);
  options_.limits.call_chunks = 5;
  create("c1");
  ASSERT_TRUE(run().ok());
  begin();
  options_.on_flush = [] { ADD_FAILURE() << "nothing was left to write"; };
  const auto totals = run();
  ASSERT_TRUE(totals.ok()) << totals.error().message;
  expect_all_there(*totals);
}

TEST_F(SpilledImportTest, WithoutAPlaceForItsFileNothingIsQueued) {
  use_made_list(3000, 600);
  create("c1");
  options_.spill_directory = directory_.file("nowhere");
  auto totals = run();
  ASSERT_FALSE(totals.ok());
  EXPECT_EQ(totals.error().code, Errc::kCantCreate);
  EXPECT_TRUE(queued().empty());
}

TEST_F(SpilledImportTest, AFullDiskEndsItAndTheNextRunGoesOn) {
  use_made_list(3000, 600);
  create("c1");
  const auto before = std::signal(SIGXFSZ, SIG_IGN);
  rlimit limit{};
  ::getrlimit(RLIMIT_FSIZE, &limit);
  const rlimit small{size_t{100} * 1024, limit.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  options_.rejects_path.clear();
  auto totals = run();
  ::setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, before);
  ASSERT_FALSE(totals.ok());
  EXPECT_EQ(totals.error().code, Errc::kIo) << totals.error().message;
  EXPECT_TRUE(queued().empty());
  begin();
  totals = run();
  ASSERT_TRUE(totals.ok()) << totals.error().message;
  expect_all_there(*totals);
}

// A full Redis refuses a call in the middle of a round: those after it must not be taken as if it were there.
TEST_F(SpilledImportTest, ARefusedCallLeavesNoGap) {
  use_made_list(12'000, 900);
  options_.limits.call_chunks = 5;
  options_.limits.round = size_t{4} << 20;
  create("c1");
  server_.run({"CONFIG", "SET", "maxmemory-policy", "noeviction"});
  int refused = 0;
  Result<ImportTotals> totals = ImportTotals{};
  do {
    const std::string info = server_.text({"INFO", "memory"});
    const int64_t used = std::stoll(info.substr(info.find("used_memory:") + 12));
    server_.run({"CONFIG", "SET", "maxmemory", std::to_string(used + 20'000 * (1 + refused % 8))});
    totals = run();
    server_.run({"CONFIG", "SET", "maxmemory", "0"});
    if (totals.ok()) break;
    ASSERT_EQ(totals.error().code, Errc::kUnavailable) << totals.error().message;
    begin();
  } while (++refused < 100);
  EXPECT_GT(refused, 3);
  expect_all_there(*totals);
}

}  // namespace
}  // namespace volley::intake
