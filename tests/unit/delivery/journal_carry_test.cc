#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "engine/delivery/journal_format.h"
#include "tests/unit/delivery/journal_fixture.h"

namespace volley::delivery {
namespace {

using namespace testing;

constexpr uint64_t kSmall = 4096;  // segment; two dozen records
constexpr uint64_t kSlow = 1;      // the lease that stays open
using Files = std::map<std::string, std::string>;

// What a reader must find: numbers, which are sequences too.
struct Known {
  std::map<uint64_t, std::set<uint64_t>> open;  // by lease
  std::set<uint64_t> unlogged;

  bool has(uint64_t lease, uint64_t number) const {
    const auto numbers = open.find(lease);
    return numbers != open.end() && numbers->second.contains(number);
  }
};

Known to_known(const Replay& replay) {
  Known known;
  for (const auto& [lease, records] : replay.unsettled) {
    uint64_t last = 0;
    for (const Record& r : records) {
      EXPECT_LT(last, r.number) << "each once, in the order they happened";
      last = r.number;
      known.open[lease.second].insert(r.number);
    }
  }
  for (const Record& r : replay.unlogged) {
    EXPECT_TRUE(known.unlogged.insert(r.number).second) << "event " << r.number << " twice";
  }
  EXPECT_EQ(replay.damaged, 0u);
  return known;
}

// Writes a journal, and keeps in mind what must be read from it.
class Writer {
 public:
  explicit Writer(std::unique_ptr<Journal> journal_) : journal(std::move(journal_)) {}

  void append(uint64_t lease) {
    ++sequence;
    journal->append(make_record(lease, sequence), sequence);
    known.open[lease].insert(sequence);
    known.unlogged.insert(sequence);
  }
  void settled(uint64_t lease) {
    journal->settled(7, lease);
    known.open.erase(lease);
  }
  void logged(uint64_t up_to) {
    journal->logged(up_to);
    known.unlogged.erase(known.unlogged.begin(), known.unlogged.upper_bound(up_to));
  }
  // What a turn does: a slow lease says something now and then, others come and go, the event log is a bit behind.
  void turn() {
    ++turns;
    if (turns % slow_every == 1) append(kSlow);
    for (int i = 0; i < 4; ++i) append(2 + sequence / 16);
    if (sequence / 16 > 2) settled_up_to(sequence / 16 - 2);
    if (sequence > 20) logged(sequence - 20);
  }
  uint64_t open_bytes() const {
    uint64_t outcomes = 0;
    for (const auto& [lease, numbers] : known.open) outcomes += numbers.size();
    return outcomes * 200;  // a record is less
  }
  size_t most_segments() const { return kJournalSegmentsKept + 2 * open_bytes() / kSmall + 2; }

  std::unique_ptr<Journal> journal;
  Known known;
  uint64_t sequence = 0, turns = 0;
  uint64_t slow_every = 40;

 private:
  void settled_up_to(uint64_t lease) {
    for (; next_settled_ <= lease; ++next_settled_) settled(next_settled_);
  }
  uint64_t next_settled_ = 2;
};

class JournalCarryTest : public JournalTest {
 protected:
  JournalCarryTest() : aside_(directory_ + ".crash") {}
  ~JournalCarryTest() override { fs::remove_all(aside_); }

  Writer writer() { return Writer(open(0, kSmall)); }
  Files snapshot() const {
    Files files;
    for (const auto& entry : fs::directory_iterator(directory_)) {
      files[entry.path().filename().string()] = slurp(entry.path());
    }
    return files;
  }
  Known read_aside() const {
    auto replay = read_journals(aside_, "queue-a");
    EXPECT_TRUE(replay.ok());
    return to_known(*replay);
  }
  void expect_exactly(const Known& known) {
    const Known found = to_known(read());
    EXPECT_EQ(found.open, known.open);
    EXPECT_EQ(found.unlogged, known.unlogged);
  }
  // Somewhere in the flush between the two: nothing from before is missing unless what came says so, nothing is there
  // that was over before.
  static void expect_between(const Known& found, const Known& before, const Known& after) {
    for (const auto& [lease, numbers] : before.open) {
      for (const uint64_t n : numbers)
        EXPECT_TRUE(found.has(lease, n) || !after.has(lease, n)) << n;
    }
    for (const auto& [lease, numbers] : found.open) {
      for (const uint64_t n : numbers) {
        EXPECT_TRUE(before.has(lease, n) || after.has(lease, n) || n > newest(before)) << n;
      }
    }
    for (const uint64_t n : before.unlogged) {
      EXPECT_TRUE(found.unlogged.contains(n) || !after.unlogged.contains(n)) << n;
    }
    for (const uint64_t n : found.unlogged) {
      EXPECT_TRUE(before.unlogged.contains(n) || after.unlogged.contains(n)) << n;
    }
  }
  static uint64_t newest(const Known& known) {
    return known.unlogged.empty() ? 0 : *known.unlogged.rbegin();
  }
  // A flush writes to one file and then deletes, oldest first: every state a kill can leave, cut at every `stride`
  // bytes.
  void expect_every_crash_between(const Files& from, const Files& to, const Known& before,
                                  const Known& after, size_t stride) {
    fs::remove_all(aside_);
    fs::create_directory(aside_);
    for (const auto& [name, bytes] : from) spill(fs::path(aside_) / name, bytes);
    unsigned grown = 0;
    for (const auto& [name, bytes] : to) {
      const auto old = from.find(name);
      const size_t start = old == from.end() ? 0 : old->second.size();
      if (old != from.end() && bytes.size() == start) continue;
      ++grown;
      for (size_t size = start; size < bytes.size(); size += stride) {
        spill(fs::path(aside_) / name, std::string_view(bytes).substr(0, size));
        expect_between(read_aside(), before, after);
      }
      spill(fs::path(aside_) / name, bytes);
    }
    EXPECT_LE(grown, 1u);
    std::vector<std::string> gone;
    for (const auto& [name, bytes] : from) {
      if (!to.contains(name)) gone.push_back(name);
    }
    std::sort(gone.begin(), gone.end(), [](const auto& a, const auto& b) {
      return a.size() != b.size() ? a.size() < b.size() : a < b;
    });
    for (const auto& name : gone) {
      expect_between(read_aside(), before, after);
      fs::remove(fs::path(aside_) / name);
    }
    const Known found = read_aside();
    EXPECT_EQ(found.open, after.open);
    EXPECT_EQ(found.unlogged, after.unlogged);
  }

  std::string aside_;
};

// What is settled and logged is off the disk soon, however little of it there is; what is open is not lost.
TEST_F(JournalCarryTest, SealingLeavesOnlyWhatIsOpen) {
  Writer w = writer();
  w.append(kSlow);
  w.append(2);
  ASSERT_TRUE(w.journal->flush().ok());
  w.settled(2);
  w.logged(2);
  w.journal->seal();
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(w.journal->flush().ok());
  size_t outcomes = 0;
  for (const auto& [name, bytes] : snapshot()) {
    JournalReader reader(bytes);
    while (auto entry = reader.next()) outcomes += entry->type == EntryType::kOutcome ? 1 : 0;
  }
  EXPECT_EQ(outcomes, 1u);
  expect_exactly(w.known);
  w.settled(kSlow);
  w.journal->seal();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(w.journal->flush().ok());
  EXPECT_EQ(files(), 0u);
  w.append(9);
  ASSERT_TRUE(w.journal->flush().ok());
  expect_exactly(w.known);
}

TEST_F(JournalCarryTest, ALeaseThatStaysOpenKeepsItsOutcomesAndNotTheSegments) {
  Writer w = writer();
  while (w.journal->bytes_written() < 250 * kSmall) {
    w.turn();
    ASSERT_TRUE(w.journal->flush().ok());
    ASSERT_LE(w.journal->segments(), w.most_segments());
    EXPECT_LE(w.journal->segments() - files(), 1u) << "the newest may not be made yet";
    if (w.turns % 3 == 0) expect_exactly(w.known);
    if (HasFailure()) FAIL() << "after turn " << w.turns;
  }
  EXPECT_EQ(w.known.open.at(kSlow).size(), (w.turns + 39) / 40);
  const uint64_t appended = w.sequence * 200;
  EXPECT_LT(w.journal->bytes_written(), 2 * appended) << "copies are the smaller part";
  crash(std::move(w.journal));
  expect_exactly(w.known);
}

TEST_F(JournalCarryTest, KilledAtAnyByteItForgetsNothingAndInventsNothing) {
  Writer w = writer();
  Files from;
  Known before;
  size_t carried = 0;
  while (carried < 5) {
    w.turn();
    ASSERT_TRUE(w.journal->flush().ok());
    const Files to = snapshot();
    const bool some_went = std::any_of(from.begin(), from.end(),
                                       [&](const auto& file) { return !to.contains(file.first); });
    carried += some_went;
    // The turns around those in which the oldest segment goes.
    const bool close_look = w.journal->segments() > kJournalSegmentsKept;
    expect_every_crash_between(from, to, before, w.known, close_look ? 37 : 400);
    if (HasFailure()) FAIL() << "in turn " << w.turns;
    from = to;
    before = w.known;
  }
  EXPECT_FALSE(from.contains("0-1.journal"));
  EXPECT_TRUE(before.open.contains(kSlow));
}

TEST_F(JournalCarryTest, CopiesOfASettledLeaseAreSettledAndGo) {
  Writer w = writer();
  while (w.journal->bytes_written() < 40 * kSmall) {
    w.turn();
    ASSERT_TRUE(w.journal->flush().ok());
  }
  w.settled(kSlow);
  ASSERT_TRUE(w.journal->flush().ok());
  expect_exactly(w.known);
  for (uint64_t lease = 2; lease <= 2 + w.sequence / 16; ++lease) w.settled(lease);
  w.logged(w.sequence);
  w.journal.reset();
  EXPECT_EQ(files(), 0u);
}

TEST_F(JournalCarryTest, WhatIsStillNeededIsNotWrittenAgainAndAgain) {
  Writer w = writer();
  while (w.journal->bytes_written() < 20 * kSmall) {
    w.append(w.sequence / 8);
    ASSERT_TRUE(w.journal->flush().ok());
  }
  w.logged(w.sequence);
  ASSERT_TRUE(w.journal->flush().ok());
  const uint64_t before = w.journal->bytes_written();
  for (int i = 0; i < 10'000; ++i) ASSERT_TRUE(w.journal->flush().ok());
  EXPECT_EQ(w.journal->bytes_written(), before) << "all of it is open";
  // Every fourth lease stays: less than what there is now, much less than what it was.
  for (uint64_t lease = 0; lease <= w.sequence / 8; ++lease) {
    if (lease % 4 != 0) w.settled(lease);
  }
  for (int i = 0; i < 10'000; ++i) ASSERT_TRUE(w.journal->flush().ok());
  EXPECT_LE(w.journal->segments(), w.most_segments());
  EXPECT_LT(w.journal->segments(), 18u);
  EXPECT_LT(w.journal->bytes_written(), 2 * before);
  expect_exactly(w.known);
}

TEST_F(JournalCarryTest, WhileTheEventLogStandsStillItsEventsStayAndNoOtherComesBack) {
  Writer w = writer();
  while (w.journal->bytes_written() < 10 * kSmall) {
    w.turn();
    ASSERT_TRUE(w.journal->flush().ok());
  }
  // The last mark ends its segment, so that it can go with it: other loops' leases fill up the rest.
  const uint64_t logged = w.sequence;
  w.logged(logged);
  for (uint64_t lease = 0; lease < kSmall / 15; ++lease) w.journal->settled(8, lease);
  ASSERT_TRUE(w.journal->flush().ok());
  for (uint64_t lease = 1000; lease < 1400; ++lease) {
    w.append(lease);
    w.settled(lease);
    ASSERT_TRUE(w.journal->flush().ok());
    expect_exactly(w.known);
    if (HasFailure()) FAIL() << "lease " << lease;
  }
  EXPECT_EQ(*w.known.unlogged.begin(), logged + 1);
  EXPECT_GT(w.journal->segments(), 15u);
  w.logged(w.sequence);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(w.journal->flush().ok());
  EXPECT_LE(w.journal->segments(), w.most_segments());
  expect_exactly(w.known);
}

TEST_F(JournalCarryTest, WhatIsReplayedStaysReplayedWhileTheOldSegmentsAreThere) {
  auto old = open();
  old->append(make_record(90'001, 1), 1);
  ASSERT_TRUE(old->flush().ok());
  crash(std::move(old));
  const std::vector<uint64_t> runs = read().runs;
  ASSERT_EQ(runs.size(), 1u);
  Writer w = writer();
  w.journal->replayed(runs[0]);
  while (w.journal->bytes_written() < 40 * kSmall) {
    w.turn();
    ASSERT_TRUE(w.journal->flush().ok());
    EXPECT_EQ(to_known(read()).unlogged, w.known.unlogged);
    if (HasFailure()) FAIL() << "in turn " << w.turns;
  }
  EXPECT_TRUE(read().unsettled.contains({7, 90'001}));
}

TEST_F(JournalCarryTest, ASegmentThatCannotBeReadBackStays) {
  Writer w = writer();
  while (w.journal->segments() < 2) {
    w.turn();
    ASSERT_TRUE(w.journal->flush().ok());
  }
  const fs::path oldest = fs::path(directory_) / "0-1.journal";
  std::string bytes = slurp(oldest);
  const char was = bytes.back();
  bytes.back() = static_cast<char>(was ^ 1);
  spill(oldest, bytes);
  while (w.journal->bytes_written() < 20 * kSmall) {
    w.turn();
    ASSERT_TRUE(w.journal->flush().ok());
  }
  EXPECT_TRUE(fs::exists(oldest));
  bytes.back() = was;
  spill(oldest, bytes);
  expect_exactly(w.known);
  w.settled(kSlow);
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(w.journal->flush().ok());
  EXPECT_FALSE(fs::exists(oldest));
}

TEST_F(JournalCarryTest, AFullDiskInTheMiddleOfItLosesNothing) {
  expect_in_child([&] {
    Writer w = writer();
    Files from;
    Known before;
    unsigned refused = 0;
    while (w.journal->bytes_written() < 30 * kSmall && !HasFailure()) {
      w.turn();
      {
        // Room for a part of it: how much of the file is there already differs from turn to turn.
        const FullDisk full((w.turns * 997) % kSmall);
        const bool ok = w.journal->flush().ok();
        refused += !ok;
        const Files to = snapshot();
        for (const auto& [name, bytes] : from) {
          EXPECT_TRUE(ok || to.contains(name)) << name;
        }
        expect_between(to_known(read()), before, w.known);
      }
      if (!w.journal->flush().ok()) ADD_FAILURE() << "there is room";
      expect_exactly(w.known);
      from = snapshot();
      before = w.known;
    }
    EXPECT_GT(refused, 100u);
    EXPECT_LE(w.journal->segments(), w.most_segments());
  });
}

TEST_F(JournalCarryTest, ClosedOnAFullDiskItDeletesNothingWhoseCopyIsNotWritten) {
  expect_in_child([&] {
    for (uint64_t turns = 100; turns < 180 && !HasFailure(); ++turns) {
      Writer w = writer();
      w.slow_every = 2;  // there is always something to copy
      while (w.turns < turns) {
        w.turn();
        EXPECT_TRUE(w.journal->flush().ok());
      }
      {
        const FullDisk full(0);
        w.journal.reset();
      }
      expect_exactly(w.known);
      fs::remove_all(directory_);
    }
  });
}

}  // namespace
}  // namespace volley::delivery
