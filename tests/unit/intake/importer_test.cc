#include <gtest/gtest.h>

#include <filesystem>
#include <utility>

#include "engine/intake/list_sample.h"
#include "tests/unit/intake/importer_fixture.h"

namespace volley::intake {
namespace {

TEST_F(ImporterTest, QueuesEveryAcceptedRowOnce) {
  use_made_list(5000);
  create("c1");
  EXPECT_EQ(rows_, 5000U);
  metrics::Registry registry;
  options_.metrics = &registry.new_shard();
  std::vector<double> fractions;
  options_.progress = [&](const ImportTotals&, double fraction) { fractions.push_back(fraction); };
  const auto totals = run();
  ASSERT_TRUE(totals.ok()) << totals.error().message;
  expect_all_there(*totals);
  EXPECT_EQ(registry.total(metrics::Metric::kImportedRows), totals->accepted);
  EXPECT_EQ(registry.total(metrics::Metric::kRejectedRows), totals->invalid);
  EXPECT_EQ(registry.total(metrics::Metric::kDuplicateRows), totals->duplicate);
  EXPECT_GT(totals->suppressed, 0u);
  EXPECT_EQ(registry.total(metrics::Metric::kSuppressedBulk), totals->suppressed);
  ASSERT_FALSE(fractions.empty());
  EXPECT_EQ(fractions.back(), 1.0);
  const std::string rejects = TempDir::read(options_.rejects_path);
  EXPECT_EQ(static_cast<uint64_t>(std::count(rejects.begin(), rejects.end(), '\n')),
            1 + totals->invalid + totals->duplicate);
  EXPECT_NE(rejects.find("\n12,no @,\"nobody at example.com,x\"\n"), std::string::npos)
      << rejects.substr(0, 300);
  EXPECT_NE(rejects.find("duplicate of an earlier row"), std::string::npos);
  ASSERT_TRUE(
      store_->close_import("c1", epoch_, totals->read, totals->invalid, totals->duplicate).ok());
}

// Interrupted after every possible number of rounds, and each rerun interrupted again.
TEST_F(ImporterTest, GoesOnWhereItStopped) {
  use_made_list(2500, 4);
  options_.limits.buffers = size_t{128} * 1024;
  options_.spill_directory = directory_.file("nowhere");  // few domains: no temporary file
  int interruptions = 0;
  for (const int rounds : {1, 2, 3, 5, 8, 13}) {
    create("c" + std::to_string(rounds));
    const auto totals = run_in_pieces(rounds, interruptions);
    ASSERT_TRUE(totals.ok()) << totals.error().message;
    expect_all_there(*totals);
  }
  EXPECT_GT(interruptions, 20);
}

TEST_F(ImporterTest, ASecondRunOfAFinishedImportAddsNothing) {
  use_made_list(1000);
  create("c1");
  ASSERT_TRUE(run().ok());
  begin();
  options_.on_flush = [] { ADD_FAILURE() << "nothing was left to write"; };
  const auto totals = run();
  ASSERT_TRUE(totals.ok()) << totals.error().message;
  expect_all_there(*totals);
}

TEST_F(ImporterTest, SurvivesTheLongTail) {
  std::string text = "email\n";
  for (int i = 0; i < 40'000; ++i) {
    text += "u@d" + std::to_string(i) + ".example.com\n";
    expected_.addresses[static_cast<uint64_t>(i) + 1] = "u@d" + std::to_string(i) + ".example.com";
  }
  expected_.read = 40'000;
  use_list(text);
  create("c1");
  const auto totals = run();
  ASSERT_TRUE(totals.ok()) << totals.error().message;
  expect_all_there(*totals);
}

TEST_F(ImporterTest, AnOlderImporterIsRefused) {
  use_made_list(500);
  create("c1");
  const uint64_t old = epoch_;
  begin();
  epoch_ = old;
  const auto totals = run();
  ASSERT_FALSE(totals.ok());
  EXPECT_EQ(totals.error().code, Errc::kData);
  EXPECT_TRUE(queued().empty());
}

TEST_F(ImporterTest, AListThatChangedIsNotQueuedToItsEnd) {
  use_made_list(500);
  create("c1");
  std::string text = TempDir::read(options_.list.path);
  text[text.size() - 3] ^= 1;
  use_list(text);
  auto totals = run();
  ASSERT_FALSE(totals.ok());
  EXPECT_EQ(totals.error().code, Errc::kData);
  EXPECT_NE(totals.error().message.find("list.csv: the list changed while it was read"),
            std::string::npos);
  EXPECT_TRUE(queued().empty());
  use_list("name,email\n");
  totals = run();
  ASSERT_FALSE(totals.ok());
  EXPECT_NE(totals.error().message.find("the list changed while it was read"), std::string::npos);
}

TEST_F(ImporterTest, AListKnownByASampleIsHeldAgainstItAtTheEnd) {
  use_made_list(500);
  create("c1");
  campaign_.list_fingerprint = *sample_list(options_.list.path);
  const std::string text = TempDir::read(options_.list.path);
  std::string other = text;
  other[other.size() - 3] ^= 1;
  use_list(other);
  auto totals = run();
  ASSERT_FALSE(totals.ok());
  EXPECT_NE(totals.error().message.find("the list changed while it was read"), std::string::npos);
  EXPECT_TRUE(queued().empty());
  use_list(text);
  totals = run();
  ASSERT_TRUE(totals.ok()) << totals.error().message;
  EXPECT_EQ(totals->read, rows_);
  EXPECT_EQ(totals->fingerprint, *hash_list(options_.list.path));
}

TEST_F(ImporterTest, AnotherFileUnderItsNameIsNoneOfAnImportsThatHasBegun) {
  use_made_list(500);
  create("c1");
  campaign_.list_fingerprint = *sample_list(options_.list.path);
  bool replaced = false;
  options_.progress = [&](const ImportTotals&, double) {
    if (std::exchange(replaced, true)) return;
    std::filesystem::rename(directory_.write("other.csv", "email\nother@example.com\n"), options_.list.path);
  };
  const auto totals = run();
  ASSERT_TRUE(totals.ok()) << totals.error().message;
  EXPECT_EQ(totals->read, rows_);
}

TEST_F(ImporterTest, WritesSuppressedOnesIntoTheEventLog) {
  use_made_list(400);
  create("c1");
  auto events = metrics::EventLog::open({.path = directory_.file("events.jsonl")});
  ASSERT_TRUE(events.ok()) << events.error().message;
  std::string at_first_flush;
  options_.on_flush = [&] {
    if (at_first_flush.empty()) at_first_flush = TempDir::read(directory_.file("events.jsonl"));
  };
  ASSERT_TRUE(run(events->get()).ok());
  // Before the queue knew of them.
  for (const auto& [number, address] : expected_.suppressed) {
    EXPECT_NE(at_first_flush.find("\"c1." + std::to_string(number) + ".0\""), std::string::npos);
    EXPECT_NE(at_first_flush.find(address), std::string::npos);
  }
  EXPECT_NE(at_first_flush.find("\"suppressed\""), std::string::npos);
}

// Whatever ends the import, what was read until then is told.
TEST_F(ImporterTest, AnErrorStillReportsTheTotals) {
  ImportTotals told;
  options_.progress = [&](const ImportTotals& totals, double) { told = totals; };
  std::string text = "email,n\n";
  for (int i = 0; i < 1500; ++i) {
    text += i % 3 == 0 ? "nobody,1\n" : "u" + std::to_string(i) + "@example.com,1\n";
  }
  use_list(text);
  options_.list.max_invalid = 1;
  create("rate");
  options_.list.max_invalid = 0.05;
  options_.stream = true;
  ASSERT_FALSE(run().ok());
  EXPECT_GE(told.read, 1000U);
  EXPECT_EQ(told.invalid, (told.read + 2) / 3);
  EXPECT_EQ(told.read, told.accepted + told.invalid);

  options_.stream = false;
  options_.list.max_invalid = 1;
  told.read = 99;
  use_list(text);
  create("stopped");
  stop_ = true;
  ASSERT_FALSE(run().ok());
  stop_ = false;
  EXPECT_EQ(told.read, 0U);

  use_list("email,n\na@example.com,1\nnobody,1\nb@example.com,\"2\n", "quote.csv");
  ASSERT_FALSE(run().ok());
  EXPECT_EQ(told.read, 2U);
  EXPECT_EQ(told.accepted, 1U);
  EXPECT_EQ(told.invalid, 1U);
}

TEST_F(ImporterTest, StreamModeQueuesNothingBeforeTheRateIsKnown) {
  std::string text = "email\n";
  for (int i = 0; i < 999; ++i)
    text += i % 2 == 0 ? "nobody\n" : "u" + std::to_string(i) + "@example.com\n";
  use_list(text);
  options_.list.max_invalid = 1;
  create("c1");
  options_.list.max_invalid = 0.05;
  options_.stream = true;
  options_.limits.buffers = 1024;
  auto totals = run();
  ASSERT_FALSE(totals.ok());
  EXPECT_EQ(totals.error().code, Errc::kData);
  EXPECT_TRUE(queued().empty());
}

TEST_F(ImporterTest, StreamModeQueuesTheSame) {
  use_made_list(3000);
  create("c1");
  options_.stream = true;
  const auto totals = run();
  ASSERT_TRUE(totals.ok()) << totals.error().message;
  expect_all_there(*totals);
}

TEST_F(ImporterTest, NeverWritesTheRejectsOverTheList) {
  use_list("email\nnobody\na@example.com\n");
  options_.list.max_invalid = 1;
  const std::string alias = directory_.file("alias.csv");
  std::filesystem::create_hard_link(options_.list.path, alias);
  const auto facts = inspect(options_.list, stop_, nullptr, alias);
  ASSERT_FALSE(facts.ok());
  EXPECT_EQ(facts.error().code, Errc::kUsage);
  create("c1");
  options_.rejects_path = alias;
  EXPECT_EQ(run().error().code, Errc::kUsage);
  EXPECT_EQ(TempDir::read(alias), "email\nnobody\na@example.com\n");
}

TEST_F(ImporterTest, AnUnterminatedQuoteStopsIt) {
  use_list("email,n\na@example.com,1\nb@example.com,\"2\n");
  const auto facts = inspect(options_.list, stop_);
  ASSERT_FALSE(facts.ok());
  EXPECT_EQ(facts.error().code, Errc::kData);
  EXPECT_NE(facts.error().message.find("list.csv:3: the quote that begins here is never closed"),
            std::string::npos);
}

}  // namespace
}  // namespace volley::intake
