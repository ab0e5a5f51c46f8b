// A PartitionOwner on a real queue, with a Delivery that does what the test says.
//
// Purpose   FakeDelivery keeps the works it is given until the test delivers them; what it delivers is written to a
//           journal, as a worker does. OwnerBench is one life of an engine: destroying it without stop() is a
//           crash.
// Thread    The test's.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/net/loop.h"
#include "base/net/signals.h"
#include "base/net/timer.h"
#include "engine/delivery/journal.h"
#include "engine/delivery/partition_owner.h"
#include "engine/message/content.h"
#include "queue/store.h"
#include "tests/unit/queue/redis_fixture.h"

namespace volley::delivery::testing {

using queue::testing::RedisServer;
using queue::testing::TemporaryDirectory;

inline constexpr uint32_t kPartitions = 4;

// What the receivers of all lives saw: number -> how often.
using Inbox = std::map<uint64_t, unsigned>;

struct FakeDelivery final : Delivery, net::TurnHook {
  explicit FakeDelivery(Inbox& inbox_) : inbox(inbox_) {
    auto made = std::make_shared<Path>();
    made->site = made->key = "mx.example.net";
    path = std::move(made);
  }

  std::optional<RouteAnswer> route(std::string_view domain, uint64_t) override {
    const auto found = routes.find(std::string(domain));
    if (found != routes.end()) return found->second;
    RouteAnswer answer;
    answer.path = path;
    return answer;
  }
  unsigned accept(std::unique_ptr<Work> work) override {
    EXPECT_TRUE(work->campaign->sending());
    EXPECT_TRUE(work->path);
    works.push_back(std::move(work));
    most_works = std::max(most_works, works.size());
    return 0;
  }
  bool wants_more(const Path&) override { return hungry; }
  void record(const Work&, const Record& outcome) override { journal->append(outcome, ++sequence); }
  void lease_closed(uint32_t partition, uint64_t lease, unsigned) override {
    journal->settled(partition, lease);
  }
  void look_again(const std::vector<std::string>& campaigns) override {
    for (const auto& id : campaigns) looked_again.insert(id);
  }
  void campaign_changed(const queue::Campaign& record, bool) override {
    states[record.id] = record.state;
  }
  void on_turn_end() override { ASSERT_TRUE(journal->flush().ok()); }

  // The attempt at one recipient: it reaches the inbox when it is delivered, and the journal in any case.
  void attempt(Work& work, size_t index, Verdict verdict, int64_t delay_ms = 0) {
    const queue::Recipient& r = work.chunk.recipients()[index];
    if (work.states[index] != RecipientState::kWaiting) return;
    if (verdict == Verdict::kDelivered) ++inbox[r.number];
    Record outcome;
    outcome.time = wall_now();
    outcome.verdict = verdict;
    outcome.partition = work.partition;
    outcome.lease = work.lease;
    outcome.campaign = work.destination.campaign;
    outcome.lane = work.destination.lane;
    outcome.number = r.number;
    outcome.attempt = r.attempts + 1;
    outcome.recipient = std::string(r.address);
    outcome.code = is_final(verdict) ? 250 : 451;
    outcome.delay_ms = delay_ms;
    work.states[index] = is_final(verdict) ? RecipientState::kFinal : RecipientState::kDeferred;
    --work.waiting;
    record(work, outcome);
    work.fresh.push_back(std::move(outcome));
  }
  void attempt_all(Work& work, Verdict verdict = Verdict::kDelivered, int64_t delay_ms = 0) {
    for (size_t i = 0; i < work.states.size(); ++i) attempt(work, i, verdict, delay_ms);
  }

  Inbox& inbox;
  std::unique_ptr<Journal> journal;
  uint64_t sequence = 0;
  std::shared_ptr<const Path> path;
  std::map<std::string, RouteAnswer> routes;
  bool hungry = true;
  std::vector<std::unique_ptr<Work>> works;
  size_t most_works = 0;
  std::set<std::string> looked_again;
  std::map<std::string, queue::CampaignState> states;
};

class OwnerBench {
 public:
  OwnerBench(const queue::QueueUrl& url, const std::string& directory, Inbox& inbox,
             std::string engine = "engine-a", std::function<void(OwnerOptions&)> adjust = {})
      : delivery(inbox),
        shard_(registry.new_shard()),
        ticker_(loop, [this] { ticker_.set_after(kTick); }) {
    auto replayed = read_journals(directory, "queue");
    EXPECT_TRUE(replayed.ok());
    book = std::make_unique<ReplayBook>(std::move(*replayed));
    book->events_logged();
    auto journal = Journal::open(directory, 0, "queue");
    EXPECT_TRUE(journal.ok());
    delivery.journal = std::move(*journal);
    loop.add_turn_hook(net::Phase::kJournal, delivery);
    OwnerOptions options;
    options.partitions = kPartitions;
    options.retry_wheel_ms = 1;
    options.dedupe_key = "key";
    if (adjust) adjust(options);
    door = std::make_unique<queue::Door>(loop, url, std::move(engine));
    owner = std::make_unique<PartitionOwner>(loop, *door, keys, controls, *book, shard_, delivery,
                                             options);
    owner->start();
  }
  ~OwnerBench() {
    loop.remove_turn_hook(delivery);
    door.reset();
    owner.reset();
    ticker_.cancel();
  }

  // Turns the loop until it is so. A deadline, not a pace: it is only met by a broken test.
  [[nodiscard]] bool until(const std::function<bool()>& so) {
    const TimePoint deadline = monotonic_now() + std::chrono::seconds(30);
    ticker_.set_after(kTick);
    while (!so()) {
      if (monotonic_now() > deadline) return false;
      loop.run_once(true);
    }
    ticker_.cancel();
    return true;
  }

  void give_back(std::unique_ptr<Work> work) { owner->on_returned(std::move(work)); }
  // Delivers whatever there is, and returns it.
  void deliver_all(const std::function<Verdict(const queue::Recipient&)>& verdict = {},
                   int64_t delay_ms = 0) {
    std::vector<std::unique_ptr<Work>> works;
    works.swap(delivery.works);
    for (auto& work : works) {
      for (size_t i = 0; i < work->states.size(); ++i) {
        delivery.attempt(*work, i,
                         verdict ? verdict(work->chunk.recipients()[i]) : Verdict::kDelivered,
                         delay_ms);
      }
      give_back(std::move(work));
    }
  }
  [[nodiscard]] bool stopped() {
    owner->stop();
    return until([&] { return owner->stopped(); });
  }

  net::Loop loop;
  message::DkimKeyRing keys;
  ControlTable controls;
  metrics::Registry registry;
  FakeDelivery delivery;
  std::unique_ptr<ReplayBook> book;
  std::unique_ptr<queue::Door> door;
  std::unique_ptr<PartitionOwner> owner;

 private:
  static constexpr Duration kTick = std::chrono::milliseconds(5);
  metrics::Shard& shard_;
  net::Timer ticker_;
};

inline message::Content make_content(const std::string& id, const std::string& subject) {
  message::Content content;
  content.id = id;
  content.from = "Example News <news@example.com>";
  content.subject = subject;
  content.text = message::PartText{"news.txt", "Hello {{name}}\r\n"};
  return content;
}

// A campaign of `per_domain` recipients in each of `domains`, in chunks of 100, imported and running.
inline void import_campaign(queue::Store& store, const std::string& id,
                            const std::vector<std::string>& domains, unsigned per_domain,
                            const std::string& subject = "Hello {{name}}",
                            int64_t retry_delay_ms = 1) {
  queue::Campaign campaign;
  campaign.id = campaign.name = id;
  campaign.columns = {"email", "name"};
  campaign.from_domain = "example.com";
  campaign.sign = false;
  campaign.retry.first_delay_ms = campaign.retry.max_delay_ms = retry_delay_ms;
  campaign.created_ms = 1'700'000'000'000;
  ASSERT_TRUE(store.create(campaign, make_content(id, subject).to_bytes()).ok());
  auto epoch = store.begin_import(id);
  ASSERT_TRUE(epoch.ok());
  std::map<uint32_t, queue::ImportFlush> flushes;
  uint64_t number = 0;
  for (const auto& domain : domains) {
    queue::ImportFlush& flush = flushes[queue::partition_of(domain, kPartitions)];
    queue::ChunkBuilder builder;
    const auto close_chunk = [&] {
      const uint32_t count = builder.size();
      if (count > 0) flush.parts.push_back({domain, count, builder.encode()});
    };
    for (unsigned i = 0; i < per_domain; ++i) {
      const std::string address = "user" + std::to_string(++number) + "@" + domain;
      const std::string_view values[] = {address, "Someone"};
      queue::Recipient r;
      r.number = number;
      r.address = address;
      r.values = values;
      r.enqueued_ms = 1'700'000'000'000;
      builder.add(r);
      if (builder.size() == 100) close_chunk();
    }
    close_chunk();
  }
  std::vector<queue::ImportFlush> all;
  for (auto& [partition, flush] : flushes) {
    flush.partition = partition;
    flush.mark = number;
    all.push_back(std::move(flush));
  }
  ASSERT_TRUE(store.import(id, queue::Lane::kBulk, *epoch, all).ok());
  ASSERT_TRUE(store.close_import(id, *epoch, number, 0, 0).ok());
}

inline queue::Counts counts_of(queue::Store& store, const std::string& id) {
  auto counts = store.counts(id);
  EXPECT_TRUE(counts.ok());
  const queue::Counts c = counts.ok() ? *counts : queue::Counts{};
  EXPECT_EQ(c.accepted, c.delivered + c.bounced + c.expired + c.suppressed + c.cancelled + c.queued)
      << "the accounting identity";
  return c;
}

// A queue for one test, with fine retry buckets.
class OwnerTest : public ::testing::Test {
 protected:
  OwnerTest() : store(redis.store(kPartitions)) {
    net::ignore_sigpipe();
    redis.run({"HSET", "volley:{g}:meta", "retry_wheel_ms", "1"});
  }
  std::unique_ptr<OwnerBench> bench(std::string engine = "engine-a",
                                    std::function<void(OwnerOptions&)> adjust = {}) {
    return std::make_unique<OwnerBench>(redis.url(), directory.path(), inbox, std::move(engine),
                                        std::move(adjust));
  }
  bool everyone_once(uint64_t recipients) const {
    for (const auto& [number, times] : inbox) {
      if (times != 1) return false;
    }
    return inbox.size() == recipients;
  }

  RedisServer redis;
  std::unique_ptr<queue::Store> store;
  TemporaryDirectory directory;
  Inbox inbox;
};

}  // namespace volley::delivery::testing
