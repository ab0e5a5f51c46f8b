#include "engine/delivery/journal.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "engine/delivery/journal_format.h"
#include "engine/delivery/replay_book.h"
#include "tests/unit/delivery/journal_fixture.h"

namespace volley::delivery {
namespace {

using namespace testing;

TEST_F(JournalTest, GivesBackEveryField) {
  auto journal = open();
  const Record wrote = make_record(12, 34);
  journal->append(wrote, 5);
  ASSERT_TRUE(journal->flush().ok());
  crash(std::move(journal));
  const Replay replay = read();
  ASSERT_EQ(replay.unsettled.size(), 1u);
  ASSERT_EQ(replay.unlogged.size(), 1u);
  const Record& r = replay.unsettled.at({7, 12}).at(0);
  EXPECT_EQ(r.time, wrote.time);
  EXPECT_EQ(r.verdict, wrote.verdict);
  EXPECT_EQ(r.partition, wrote.partition);
  EXPECT_EQ(r.lease, wrote.lease);
  EXPECT_EQ(r.campaign, wrote.campaign);
  EXPECT_EQ(r.lane, wrote.lane);
  EXPECT_EQ(r.number, wrote.number);
  EXPECT_EQ(r.attempt, wrote.attempt);
  EXPECT_EQ(r.recipient, wrote.recipient);
  EXPECT_EQ(r.site, wrote.site);
  EXPECT_EQ(r.host, wrote.host);
  EXPECT_EQ(r.source, wrote.source);
  EXPECT_EQ(r.code, wrote.code);
  EXPECT_EQ(r.enhanced, wrote.enhanced);
  EXPECT_EQ(r.text, wrote.text);
  EXPECT_EQ(r.delay_ms, wrote.delay_ms);
}

TEST_F(JournalTest, FilesAreForTheOwnerOnly) {
  auto journal = open();
  journal->append(make_record(1, 1), 1);
  ASSERT_TRUE(journal->flush().ok());
  for (const auto& entry : fs::directory_iterator(directory_)) {
    struct stat s {};
    ASSERT_EQ(::stat(entry.path().c_str(), &s), 0);
    EXPECT_EQ(s.st_mode & 0777, 0600u);
  }
}

TEST_F(JournalTest, ASettledLeaseAndALoggedEventAreNotReplayed) {
  auto journal = open();
  journal->append(make_record(1, 1), 1);
  journal->append(make_record(2, 2), 2);
  journal->settled(7, 1);
  journal->logged(1);
  ASSERT_TRUE(journal->flush().ok());
  crash(std::move(journal));
  const Replay replay = read();
  EXPECT_EQ(replay.unsettled.size(), 1u);
  EXPECT_TRUE(replay.unsettled.contains({7, 2}));
  ASSERT_EQ(replay.unlogged.size(), 1u);
  EXPECT_EQ(replay.unlogged[0].number, 2u);
}

// Of lease 1, this recipient alone.
void expect_unsettled(const Replay& replay, uint64_t number) {
  ASSERT_TRUE(replay.unsettled.contains({7, 1}));
  const std::vector<Record>& records = replay.unsettled.at({7, 1});
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].number, number);
}

TEST_F(JournalTest, MarksOfAnotherLoopDoNotCount) {
  // Fenced while loop 0 delivered it; recovered under the same number, then delivered by loop 1.
  auto first = open(0), second = open(1);
  first->append(make_record(1, 11), 1);
  first->settled(7, 1);
  second->append(make_record(1, 12), 2);
  ASSERT_TRUE(first->flush().ok());
  ASSERT_TRUE(second->flush().ok());
  crash(std::move(first));
  crash(std::move(second));
  const Replay replay = read();
  ASSERT_EQ(replay.unsettled.size(), 1u);
  expect_unsettled(replay, 12);
}

TEST_F(JournalTest, MarksOfAnEarlierProcessDoNotCount) {
  // Its file is still there: another of its leases is open.
  auto before = open();
  before->append(make_record(1, 11), 1);
  before->append(make_record(2, 21), 2);
  before->settled(7, 1);
  ASSERT_TRUE(before->flush().ok());
  crash(std::move(before));
  auto now = open();
  now->append(make_record(1, 12), 1);
  ASSERT_TRUE(now->flush().ok());
  crash(std::move(now));
  const Replay replay = read();
  EXPECT_TRUE(replay.unsettled.contains({7, 2}));
  expect_unsettled(replay, 12);
}

TEST_F(JournalTest, AMarkCoversOnlyWhatCameBeforeIt) {
  // Fenced, so the lease was marked; recovered under the same number by the same run, which then crashed.
  auto journal = open(0);
  auto other = open(1);
  journal->append(make_record(1, 11), 1);
  journal->settled(7, 1);
  other->settled(7, 1);  // the owner's loop says so, too
  journal->append(make_record(1, 12), 2);
  ASSERT_TRUE(journal->flush().ok());
  ASSERT_TRUE(other->flush().ok());
  crash(std::move(journal));
  const Replay replay = read();
  ASSERT_EQ(replay.unsettled.size(), 1u);
  expect_unsettled(replay, 12);
}

TEST_F(JournalTest, TornAnywhereItLosesOnlyItsEnd) {
  auto journal = open();
  std::vector<size_t> ends;
  for (uint64_t n = 1; n <= 3; ++n) {
    journal->append(make_record(n, n), n);
    ASSERT_TRUE(journal->flush().ok());
    ends.push_back(journal->bytes_written());
  }
  crash(std::move(journal));
  const fs::path path = read().segments.at(0);
  const std::string whole = slurp(path);
  ASSERT_EQ(whole.size(), ends.back());
  for (size_t size = 0; size <= whole.size(); ++size) {
    spill(path, whole.substr(0, size));
    size_t expected = 0;
    for (const size_t end : ends) expected += size >= end;
    const Replay replay = read();
    EXPECT_EQ(replay.unsettled.size(), expected) << "torn at " << size;
    EXPECT_EQ(replay.damaged, 0u);
    EXPECT_EQ(replay.segments.size(), 1u) << "torn at " << size;
  }
}

TEST_F(JournalTest, AFlippedBitCostsItsRecordAndNeverInventsOne) {
  auto journal = open();
  for (uint64_t n = 1; n <= 3; ++n) journal->append(make_record(n, n), n);
  ASSERT_TRUE(journal->flush().ok());
  crash(std::move(journal));
  const fs::path path = read().segments.at(0);
  const std::string whole = slurp(path);
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string bad = whole;
    bad[at] = static_cast<char>(bad[at] ^ (1 << (at % 8)));
    spill(path, bad);
    const Replay replay = read();
    EXPECT_LT(replay.unlogged.size(), 3u) << "flipped at " << at;
    for (const Record& r : replay.unlogged) EXPECT_EQ(r.recipient, "someone@example.com");
  }
}

TEST_F(JournalTest, AnotherQueuesJournalIsLeftAlone) {
  auto journal = open();
  journal->append(make_record(1, 1), 1);
  ASSERT_TRUE(journal->flush().ok());
  crash(std::move(journal));
  spill(directory_ + "/0-99.journal", "something else entirely");
  const Replay replay = read("queue-b");
  EXPECT_TRUE(replay.unsettled.empty());
  EXPECT_TRUE(replay.unlogged.empty());
  EXPECT_TRUE(replay.segments.empty());
  EXPECT_EQ(replay.foreign.size(), 2u);
}

TEST_F(JournalTest, ASegmentGoesOnlyWhenSettledAndLogged) {
  auto journal = open(0, 1);  // every flush fills a segment
  journal->append(make_record(1, 1), 1);
  ASSERT_TRUE(journal->flush().ok());
  journal->append(make_record(2, 2), 2);
  ASSERT_TRUE(journal->flush().ok());
  EXPECT_EQ(files(), 2u);
  journal->settled(7, 1);
  ASSERT_TRUE(journal->flush().ok());
  EXPECT_EQ(files(), 3u) << "its event may be missing in the log";
  journal->logged(1);
  ASSERT_TRUE(journal->flush().ok());
  EXPECT_EQ(files(), 2u);
  journal->settled(7, 2);
  ASSERT_TRUE(journal->flush().ok());
  journal->logged(2);
  ASSERT_TRUE(journal->flush().ok());
  EXPECT_EQ(files(), 0u);
}

TEST_F(JournalTest, OldestFirstSoThatNoMarkGoesBeforeWhatItMarks) {
  auto journal = open(0, 1);
  journal->append(make_record(1, 1), 1);
  ASSERT_TRUE(journal->flush().ok());
  journal->append(make_record(2, 2), 2);
  ASSERT_TRUE(journal->flush().ok());
  journal->logged(2);
  journal->settled(7, 2);
  ASSERT_TRUE(journal->flush().ok());
  EXPECT_EQ(files(), 3u);
  crash(std::move(journal));
  EXPECT_EQ(read().unsettled.size(), 1u);
}

TEST_F(JournalTest, ClosedWithNothingOpenItLeavesNoFile) {
  {
    auto journal = open();
    journal->append(make_record(1, 1), 1);
    ASSERT_TRUE(journal->flush().ok());
    journal->settled(7, 1);
    journal->logged(1);
  }
  EXPECT_EQ(files(), 0u);
}

TEST_F(JournalTest, ANewRunNeverWritesAnOldFile) {
  auto journal = open();
  journal->append(make_record(1, 1), 1);
  ASSERT_TRUE(journal->flush().ok());
  crash(std::move(journal));
  auto again = open();
  again->append(make_record(2, 2), 1);
  ASSERT_TRUE(again->flush().ok());
  const Replay replay = read();
  EXPECT_EQ(replay.segments.size(), 2u);
  EXPECT_EQ(replay.unsettled.size(), 2u);
  EXPECT_EQ(replay.unlogged.size(), 2u) << "sequences are those of a run";
  ASSERT_EQ(replay.runs.size(), 2u);
  for (const uint64_t run : replay.runs) again->replayed(run);
  ASSERT_TRUE(again->flush().ok());
  EXPECT_TRUE(read().unlogged.empty());
}

TEST_F(JournalTest, AFullDiskIsAnErrorAndNothingIsLostOnceThereIsRoom) {
  expect_in_child([&] {
    auto journal = open();
    for (uint64_t n = 1; n <= 5; ++n) journal->append(make_record(n, n), n);
    {
      const FullDisk full(200);  // in the middle of a record
      const Status refused = journal->flush();
      EXPECT_TRUE(!refused.ok() && refused.error().code == Errc::kIo);
      EXPECT_FALSE(journal->flush().ok());
    }
    EXPECT_TRUE(journal->flush().ok());
  });
  const Replay replay = read();
  EXPECT_EQ(replay.unsettled.size(), 5u);
  EXPECT_EQ(replay.damaged, 0u);
}

TEST_F(JournalTest, NoDirectoryIsNothingToReplay) {
  auto replay = read_journals(directory_ + "/none", "queue-a");
  ASSERT_TRUE(replay.ok());
  EXPECT_TRUE(replay->segments.empty());
}

TEST_F(JournalTest, TheBookKeepsTheFilesUntilAllIsSettledAndLogged) {
  auto journal = open();
  journal->append(make_record(1, 1), 1);
  journal->append(make_record(2, 2), 2);
  journal->append(make_record(3, 3, 8), 3);
  ASSERT_TRUE(journal->flush().ok());
  crash(std::move(journal));
  ReplayBook book(read());
  EXPECT_EQ(book.of(7).size(), 2u);
  EXPECT_TRUE(book.settled(7, 1));
  EXPECT_FALSE(book.settled(7, 1));
  EXPECT_EQ(book.recovered_only(7, {2}), std::vector<uint64_t>{});
  EXPECT_EQ(book.recovered_only(8, {}), std::vector<uint64_t>{3});
  book.events_logged();
  EXPECT_EQ(files(), 1u);
  EXPECT_TRUE(book.settled(7, 2));
  EXPECT_TRUE(book.done());
  EXPECT_EQ(files(), 0u);
}

}  // namespace
}  // namespace volley::delivery
