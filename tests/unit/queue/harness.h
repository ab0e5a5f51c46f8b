// A Door with its loop, asked one thing at a time; and short ways to make chunks.
//
// Thread  The test's.
#pragma once

#include <optional>

#include "base/net/loop.h"
#include "base/net/signals.h"
#include "base/net/timer.h"
#include "queue/chunk.h"
#include "queue/door.h"
#include "tests/unit/queue/redis_fixture.h"

namespace volley::queue::testing {

inline std::string chunk_of(const std::vector<uint64_t>& numbers,
                            const std::string& domain = "example.com") {
  ChunkBuilder builder;
  for (const uint64_t number : numbers) {
    const std::string address = "user" + std::to_string(number) + "@" + domain;
    Recipient recipient;
    recipient.number = number;
    recipient.address = address;
    builder.add(recipient);
  }
  return builder.encode();
}

inline std::vector<uint64_t> numbers_of(const std::string& chunk) {
  auto decoded = Chunk::decode(chunk);
  std::vector<uint64_t> out;
  if (!decoded) {
    ADD_FAILURE() << decoded.error().message;
    return out;
  }
  for (const Recipient& r : decoded->recipients()) out.push_back(r.number);
  return out;
}

inline std::vector<uint64_t> sequence(uint64_t from, size_t count) {
  std::vector<uint64_t> out;
  for (size_t i = 0; i < count; ++i) out.push_back(from + i);
  return out;
}

inline std::vector<FinalOutcome> outcomes_of(const std::vector<uint64_t>& numbers,
                                             Outcome outcome = Outcome::kDelivered) {
  std::vector<FinalOutcome> out;
  out.reserve(numbers.size());
  for (const uint64_t n : numbers) {
    out.push_back({n, outcome, static_cast<uint16_t>(outcome == Outcome::kDelivered ? 250 : 550),
                   "", "user" + std::to_string(n) + "@example.com"});
  }
  return out;
}

inline ImportFlush flush_of(uint64_t mark, const std::vector<uint64_t>& numbers,
                            const std::string& domain = "example.com") {
  ImportFlush flush;
  flush.mark = mark;
  flush.parts.push_back({domain, static_cast<uint32_t>(numbers.size()), chunk_of(numbers, domain)});
  return flush;
}

// One engine: everything lies in partition 0.
class Engine {
 public:
  explicit Engine(RedisServer& redis, const std::string& id = "engine-1",
                  metrics::Shard* counters = nullptr)
      : door(loop, redis.url(), id, counters) {
    net::ignore_sigpipe();  // as the engine does: connections are cut here
    // So that its first calls are answered: the retry wheel is known.
    (void)await<uint64_t>([&](auto done) { door.global_revision(done); });
  }

  template <typename T>
  Result<T> await(const std::function<void(std::function<void(Result<T>)>)>& start) {
    std::optional<Result<T>> got;
    bool late = false;
    net::Timer guard(loop, [&] { late = true; });
    guard.set_after(std::chrono::seconds(30));
    start([&](Result<T> result) { got.emplace(std::move(result)); });
    while (!got && !late) loop.run_once(true);
    if (!got) return Error{Errc::kInternal, "the test waited 30 s for an answer"};
    return std::move(*got);
  }

  void own() {
    auto lease = await<Lease>([&](auto done) { door.own(0, 0, 60000, done); });
    ASSERT_TRUE(lease.ok()) << lease.error().message;
    ASSERT_NE(lease->epoch, 0u);
    epoch = lease->epoch;
  }

  ClaimReply claim(uint32_t max = 8, std::vector<Destination> wanted = {}) {
    ClaimRequest request;
    request.epoch = epoch;
    request.max_chunks = max;
    request.wanted = std::move(wanted);
    auto reply = await<ClaimReply>([&](auto done) { door.claim(request, done); });
    if (!reply) ADD_FAILURE() << reply.error().message;
    return reply ? std::move(*reply) : ClaimReply();
  }

  Claimed claim_one() {
    ClaimReply reply = claim(1);
    if (reply.chunks.empty()) {
      ADD_FAILURE() << "nothing to claim";
      return {};
    }
    return std::move(reply.chunks[0]);
  }

  std::vector<Claimed> recover() {
    auto reply = await<std::vector<Claimed>>([&](auto done) { door.recover(0, epoch, done); });
    if (!reply) ADD_FAILURE() << reply.error().message;
    return reply ? std::move(*reply) : std::vector<Claimed>();
  }

  Result<SettleResult> settle(const Settlement& settlement) {
    return await<SettleResult>([&](auto done) { door.settle(settlement, done); });
  }

  // All of a lease, delivered.
  void deliver(const Claimed& claimed, int64_t ready_in_ms = 0) {
    Settlement s = closing(claimed);
    s.outcomes = outcomes_of(numbers_of(claimed.chunk));
    s.ready_in_ms = ready_in_ms;
    auto result = settle(s);
    ASSERT_TRUE(result.ok()) << result.error().message;
    ASSERT_EQ(*result, SettleResult::kApplied);
  }

  Settlement closing(const Claimed& claimed) const {
    Settlement s;
    s.epoch = epoch;
    s.lease = claimed.lease;
    s.sequence = 1;
    s.close = true;
    return s;
  }

  void apply(const Campaign& campaign) {
    auto status = await<void>([&](auto done) { door.apply(0, epoch, campaign, done); });
    ASSERT_TRUE(status.ok()) << status.error().message;
  }

  net::Loop loop;
  Door door;
  uint64_t epoch = 0;
};

// A campaign imported and running: chunks of `per_chunk` recipients each, numbered from 1.
inline Campaign running_campaign(Store& store, const std::string& id, size_t chunks,
                                 size_t per_chunk, const std::string& domain = "example.com") {
  Campaign wanted;
  wanted.id = id;
  auto made = store.create(wanted, "content of " + id);
  EXPECT_TRUE(made.ok());
  auto epoch = store.begin_import(id);
  EXPECT_TRUE(epoch.ok());
  uint64_t next = 1;
  for (size_t i = 0; i < chunks; ++i, next += per_chunk) {
    const ImportFlush flush = flush_of(next + per_chunk - 1, sequence(next, per_chunk), domain);
    const Status imported =
        store.import(id, Lane::kBulk, *epoch, std::span<const ImportFlush>(&flush, 1));
    EXPECT_TRUE(imported.ok()) << (imported ? "" : imported.error().message);
  }
  EXPECT_TRUE(store.close_import(id, *epoch, next - 1, 0, 0).ok());
  auto found = store.find(id);
  EXPECT_TRUE(found.ok() && found->has_value());
  return **found;
}

inline Counts counts_of(Store& store, const std::string& id) {
  auto counts = store.counts(id);
  if (!counts) {
    ADD_FAILURE() << counts.error().message;
    return {};
  }
  const Counts& c = *counts;
  EXPECT_EQ(c.accepted,
            c.delivered + c.bounced + c.expired + c.suppressed + c.cancelled + c.queued);
  return c;
}

}  // namespace volley::queue::testing
