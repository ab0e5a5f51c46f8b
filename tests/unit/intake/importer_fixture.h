// A list with known numbers, a real Redis, and an importer run over it: shared by the tests of import and inspection.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/address.h"
#include "engine/intake/importer.h"
#include "metrics/event_log.h"
#include "metrics/registry.h"
#include "queue/chunk.h"
#include "tests/unit/temp_dir.h"
#include "tests/unit/queue/redis_fixture.h"

namespace volley::intake {
inline constexpr uint32_t kPartitions = 8;

struct Expected {
  std::map<uint64_t, std::string> addresses;  // by number, to be sent to
  std::map<uint64_t, std::string> suppressed;
  uint64_t read = 0, invalid = 0, duplicate = 0;
};

// Rows over so many domains; every 11th invalid, every 7th a duplicate in another spelling, every 13th on the suppression list.
inline std::string make_list(uint64_t rows, uint64_t domains, Expected& expected, std::string& optouts) {
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
                                std::to_string(who % domains) + ".example.com";
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
  void use_made_list(uint64_t rows, uint64_t domains = 40) {
    std::string optouts;
    use_list(make_list(rows, domains, expected_, optouts));
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
  // A run that stops after so many rounds, and the next one, until all is in; how often that was.
  Result<ImportTotals> run_in_pieces(int rounds, int& interruptions) {
    for (;;) {
      std::atomic<int> left{rounds};
      options_.on_flush = [&] {
        if (--left == 0) stop_ = true;
      };
      Result<ImportTotals> totals = run();
      stop_ = false;
      if (totals.ok() || totals.error().code != Errc::kTempFail) return totals;
      ++interruptions;
      begin();
    }
  }
  // Chunks in the queue.
  uint64_t chunks() {
    uint64_t count = 0;
    const queue::Reply keys = server_.run({"KEYS", "volley:*:q:" + campaign_.id + ":*"});
    for (size_t k = 0; k < keys.view().size(); ++k) {
      count += static_cast<uint64_t>(
          server_.number({"LLEN", std::string(keys.view().at(k).text())}));
    }
    return count;
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

}  // namespace volley::intake
