#include "engine/intake/importer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/address.h"
#include "metrics/event_log.h"
#include "metrics/registry.h"
#include "queue/chunk.h"
#include "tests/unit/intake/temp_dir.h"
#include "tests/unit/queue/redis_fixture.h"

namespace volley::intake {
namespace {

constexpr uint32_t kPartitions = 8;

struct Expected {
  std::map<uint64_t, std::string> addresses;  // by number, to be sent to
  std::map<uint64_t, std::string> suppressed;
  uint64_t read = 0, invalid = 0, duplicate = 0;
};

// Rows over 40 domains; every 11th invalid, every 7th a duplicate in another spelling, every 13th on the suppression list.
std::string make_list(uint64_t rows, Expected& expected, std::string& optouts) {
  std::string text = "email,name\n";
  std::set<std::string> seen;
  for (uint64_t i = 1; i <= rows; ++i) {
    ++expected.read;
    if (i % 11 == 0) {
      text += "nobody at example.com,x\n";
      ++expected.invalid;
      continue;
    }
    const uint64_t who = i % 7 == 0 ? i / 2 : i;
    const std::string address = "User" + std::to_string(who) + "@" + (i % 7 == 0 ? "D" : "d") +
                                std::to_string(who % 40) + ".example.com";
    text += address + ",\"Name, " + std::to_string(i) + "\"\n";
    if (!seen.insert(fold_address(address)).second) {
      ++expected.duplicate;
    } else if (i % 13 == 0) {
      expected.suppressed[i] = address;
      optouts += address + "\n";
    } else {
      expected.addresses[i] = address;
    }
  }
  return text;
}

class ImporterTest : public testing::Test {
 protected:
  ImporterTest() : store_(server_.store(kPartitions)) {}

  void use_list(const std::string& text, const std::string& name = "list.csv") {
    options_.list.path = directory_.write(name, text);
    options_.rejects_path = directory_.file("rejects.csv");
  }
  void use_made_list(uint64_t rows) {
    std::string optouts;
    use_list(make_list(rows, expected_, optouts));
    options_.list.max_invalid = 0.2;
    auto loaded =
        SuppressionList::load({directory_.write("optouts.txt", optouts)}, store_->dedupe_key());
    ASSERT_TRUE(loaded.ok()) << loaded.error().message;
    suppressed_ = std::move(loaded).value();
  }
  void create(const std::string& id) {
    const auto facts = inspect(options_.list, stop_);
    ASSERT_TRUE(facts.ok()) << facts.error().message;
    queue::Campaign campaign;
    campaign.id = campaign.name = id;
    campaign.columns = facts->columns;
    campaign.list_fingerprint = facts->fingerprint;
    auto created = store_->create(campaign, "content");
    ASSERT_TRUE(created.ok()) << created.error().message;
    campaign_ = *created;
    rows_ = facts->rows;
    begin();
  }
  void begin() {
    auto epoch = store_->begin_import(campaign_.id);
    ASSERT_TRUE(epoch.ok()) << epoch.error().message;
    epoch_ = *epoch;
  }
  Result<ImportTotals> run(metrics::EventLog* events = nullptr) {
    return run_import(*store_, campaign_, epoch_, options_, suppressed_, events, stop_);
  }
  // What the queue holds: number to address. Every number once, every value in its place.
  std::map<uint64_t, std::string> queued() {
    std::map<uint64_t, std::string> out;
    const queue::Reply keys = server_.run({"KEYS", "volley:*:q:" + campaign_.id + ":*"});
    for (size_t k = 0; k < keys.view().size(); ++k) {
      const std::string key(keys.view().at(k).text());
      const queue::Reply chunks = server_.run({"LRANGE", key, "0", "-1"});
      for (size_t i = 0; i < chunks.view().size(); ++i) {
        auto chunk = queue::Chunk::decode(chunks.view().at(i).text());
        if (!chunk) {
          ADD_FAILURE() << chunk.error().message;
          continue;
        }
        for (const queue::Recipient& r : chunk->recipients()) {
          EXPECT_TRUE(out.emplace(r.number, r.address).second) << "twice: " << r.number;
          EXPECT_EQ(r.values.size(), campaign_.columns.size());
          EXPECT_EQ(r.values[0], r.address);
          EXPECT_GT(r.enqueued_ms, 0);
          const std::string domain = parse_address(r.address)->domain;
          EXPECT_TRUE(key.ends_with(":" + queue::queue_domain(domain, r.number))) << key;
        }
      }
    }
    return out;
  }
  void expect_all_there(const ImportTotals& totals) {
    EXPECT_EQ(totals.read, expected_.read);
    EXPECT_EQ(totals.invalid, expected_.invalid);
    EXPECT_EQ(totals.duplicate, expected_.duplicate);
    EXPECT_EQ(totals.suppressed, expected_.suppressed.size());
    EXPECT_EQ(totals.accepted, expected_.addresses.size() + expected_.suppressed.size());
    EXPECT_EQ(totals.read, totals.accepted + totals.invalid + totals.duplicate);
    EXPECT_EQ(queued(), expected_.addresses);
    const auto counts = store_->counts(campaign_.id);
    ASSERT_TRUE(counts.ok());
    EXPECT_EQ(counts->accepted, totals.accepted);
    EXPECT_EQ(counts->suppressed, totals.suppressed);
    EXPECT_EQ(counts->queued, expected_.addresses.size());
    std::map<uint64_t, std::string> outcomes;
    ASSERT_TRUE(store_
                    ->each_outcome(campaign_.id,
                                   [&](const queue::FinalOutcome& outcome) {
                                     EXPECT_EQ(outcome.outcome, queue::Outcome::kSuppressed);
                                     EXPECT_TRUE(
                                         outcomes.emplace(outcome.number, outcome.address).second);
                                     return true;
                                   })
                    .ok());
    EXPECT_EQ(outcomes, expected_.suppressed);
  }

  const TempDir directory_;
  queue::testing::RedisServer server_;
  std::unique_ptr<queue::Store> store_;
  Expected expected_;
  ImportOptions options_;
  SuppressionList suppressed_;
  queue::Campaign campaign_;
  uint64_t epoch_ = 0, rows_ = 0;
  std::atomic<bool> stop_{false};
};

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

// Interrupted after every possible number of flushes, and each rerun interrupted again.
TEST_F(ImporterTest, GoesOnWhereItStopped) {
  use_made_list(2500);
  options_.buffer_bytes = 32 * 1024;
  int interruptions = 0;
  for (const int flushes : {1, 2, 3, 5, 8, 13, 21}) {
    create("c" + std::to_string(flushes));
    Result<ImportTotals> totals = ImportTotals{};
    for (;;) {
      stop_ = false;
      std::atomic<int> left{flushes};
      options_.on_flush = [&] {
        if (--left == 0) stop_ = true;
      };
      totals = run();
      stop_ = false;
      if (totals.ok()) break;
      ASSERT_EQ(totals.error().code, Errc::kTempFail) << totals.error().message;
      ++interruptions;
      begin();
    }
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

TEST_F(ImporterTest, TooManyInvalidRowsAreFatalBeforeAnythingIsQueued) {
  std::string text = "email\n";
  for (int i = 0; i < 95; ++i) text += "u" + std::to_string(i) + "@example.com\n";
  for (int i = 0; i < 5; ++i) text += "nobody\n";
  use_list(text);
  auto facts = inspect(options_.list, stop_);
  ASSERT_TRUE(facts.ok()) << "exactly 5 % is allowed: " << facts.error().message;
  EXPECT_EQ(facts->rows, 100U);
  EXPECT_EQ(facts->invalid, 5U);
  EXPECT_EQ(facts->domains, 1U);
  EXPECT_EQ(facts->first_email, "u0@example.com");
  use_list(text + "a@b\n");
  facts = inspect(options_.list, stop_, nullptr, options_.rejects_path);
  ASSERT_FALSE(facts.ok());
  EXPECT_EQ(facts.error().code, Errc::kData);
  EXPECT_NE(
      facts.error().message.find(
          "6 of 101 rows are invalid (5.9 %, max_invalid is 5.0 %): line 97: no @; line 98: no @;"),
      std::string::npos)
      << facts.error().message;
  EXPECT_NE(facts.error().message.find("rejects.csv"), std::string::npos);
  EXPECT_NE(TempDir::read(options_.rejects_path).find("\n102,no dot in domain,\"a@b\"\n"),
            std::string::npos);
}

TEST_F(ImporterTest, InspectShowsEveryValidRowAndCountsWhatTheVisitorRefuses) {
  use_list("name,email\nAnn,Ann@Example.com\nBob,bob@example.net\n,nobody\n");
  options_.list.max_invalid = 1;
  std::string seen;
  const auto facts = inspect(
      options_.list, stop_,
      [&](uint64_t number, std::string_view email, auto values) -> Status {
        seen += std::to_string(number) + std::string(email) + std::string(values[0]) + ";";
        if (number == 2) return Error{Errc::kData, "cannot be rendered"};
        return {};
      },
      options_.rejects_path);
  ASSERT_TRUE(facts.ok()) << facts.error().message;
  EXPECT_EQ(seen, "1Ann@Example.comAnn;2bob@example.netBob;");
  EXPECT_EQ(facts->rows, 3U);
  EXPECT_EQ(facts->invalid, 2U);
  EXPECT_EQ(facts->first_values, (std::vector<std::string>{"Ann", "Ann@Example.com"}));
  EXPECT_EQ(TempDir::read(options_.rejects_path),
            "line,reason,row\n3,cannot be rendered,\"Bob,bob@example.net\"\n4,no @,\",nobody\"\n");
  const auto fingerprint = fingerprint_list(options_.list);
  ASSERT_TRUE(fingerprint.ok());
  EXPECT_EQ(fingerprint->fingerprint, facts->fingerprint);
  EXPECT_EQ(fingerprint->columns, facts->columns);
  EXPECT_EQ(fingerprint->first_email, "Ann@Example.com");
  stop_ = true;
  EXPECT_EQ(inspect(options_.list, stop_).error().code, Errc::kTempFail);
}

TEST_F(ImporterTest, InspectCountsLikeTheImport) {
  use_made_list(3000);
  const auto facts = inspect(options_.list, stop_, nullptr, options_.rejects_path, &suppressed_,
                             store_->dedupe_key());
  ASSERT_TRUE(facts.ok()) << facts.error().message;
  const std::string rejects = TempDir::read(options_.rejects_path);
  create("c1");
  const auto totals = run();
  ASSERT_TRUE(totals.ok()) << totals.error().message;
  EXPECT_EQ(facts->rows, totals->read);
  EXPECT_EQ(facts->invalid, totals->invalid);
  EXPECT_EQ(facts->duplicate, totals->duplicate);
  EXPECT_EQ(facts->suppressed, totals->suppressed);
  EXPECT_GT(facts->duplicate, 0U);
  EXPECT_GT(facts->suppressed, 0U);
  EXPECT_EQ(rejects, TempDir::read(options_.rejects_path));
  const auto keyless = inspect(options_.list, stop_);
  ASSERT_TRUE(keyless.ok());
  EXPECT_EQ(keyless->duplicate, totals->duplicate);
  EXPECT_EQ(keyless->suppressed, 0U);
}

TEST_F(ImporterTest, InspectShowsNobodyWhoGetsNothing) {
  use_list("email\nbob@example.com\nann@example.com\nANN@example.com\n");
  auto loaded = SuppressionList::load({directory_.write("optouts.txt", "bob@example.com\n")},
                                      store_->dedupe_key());
  ASSERT_TRUE(loaded.ok());
  std::string seen;
  const auto facts = inspect(
      options_.list, stop_,
      [&](uint64_t, std::string_view email, auto) -> Status {
        seen += std::string(email) + ";";
        return {};
      },
      {}, &*loaded, store_->dedupe_key());
  ASSERT_TRUE(facts.ok()) << facts.error().message;
  EXPECT_EQ(seen, "ann@example.com;");
  EXPECT_EQ(facts->first_email, "ann@example.com");
  EXPECT_EQ(facts->domains, 1U);
}

TEST_F(ImporterTest, ALocalPartBeyondAsciiIsAnInvalidRow) {
  use_list("email\na@example.com\nj\xC3\xB6rg@example.com\nb@example.net\n");
  options_.list.max_invalid = 1;
  create("c1");
  const auto facts = inspect(options_.list, stop_);
  ASSERT_TRUE(facts.ok());
  EXPECT_EQ(facts->invalid, 1U);
  const auto totals = run();
  ASSERT_TRUE(totals.ok()) << totals.error().message;
  EXPECT_EQ(totals->accepted, 2U);
  EXPECT_EQ(totals->invalid, 1U);
  EXPECT_NE(TempDir::read(options_.rejects_path)
                .find("\n3,non-ASCII local part (SMTPUTF8 is not supported),"),
            std::string::npos);
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
  options_.buffer_bytes = 1024;
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
