#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <thread>

#include "metrics/registry.h"
#include "queue/keys.h"
#include "tests/unit/queue/harness.h"

namespace volley::queue {
namespace {

using namespace testing;

TEST(Trouble, AFullRedisRefusesMailAndStillDrains) {
  RedisServer redis;
  auto store = redis.store(1);
  Engine engine(redis);
  engine.own();
  engine.apply(running_campaign(*store, "c", 4, 50));
  Campaign wanted;
  wanted.id = "late";
  ASSERT_TRUE(store->create(wanted, "").ok());
  const uint64_t epoch = *store->begin_import("late");
  redis.run({"CONFIG", "SET", "maxmemory", "1000000"});
  const ImportFlush flush = flush_of(5, sequence(1, 5));
  const Status refused = store->import("late", Lane::kBulk, epoch, std::span(&flush, 1));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::kUnavailable);
  EXPECT_NE(refused.error().message.find("maxmemory"), std::string::npos);
  SingleMessage message;
  message.number = 1;
  message.address = "ann@example.com";
  message.idempotency_key = "k";
  std::string id;
  EXPECT_EQ(store->submit(message, id).error().code, Errc::kUnavailable);
  // Claims, every kind of settlement and control go on.
  for (int i = 0; i < 3; ++i) engine.deliver(engine.claim_one());
  const Claimed last = engine.claim_one();
  Settlement s = engine.closing(last);
  s.outcomes = outcomes_of(sequence(151, 20));
  s.retries.push_back({1000, 20, chunk_of(sequence(171, 20))});
  s.remainder = chunk_of(sequence(191, 10));
  s.remainder_recipients = 10;
  ASSERT_EQ(*engine.settle(s), SettleResult::kApplied);
  ASSERT_TRUE(store->set_state("c", CampaignState::kPaused, "full").ok());
  engine.apply(**store->find("c"));
  EXPECT_EQ(counts_of(*store, "c").delivered, 170u);
  EXPECT_EQ(counts_of(*store, "late").accepted, 0u);
  redis.run({"CONFIG", "SET", "maxmemory", "0"});
  EXPECT_TRUE(store->import("late", Lane::kBulk, epoch, std::span(&flush, 1)).ok());
  EXPECT_EQ(*store->submit(message, id), SubmitResult::kQueued);
}

TEST(Trouble, CutConnectionsRepeatTheirCallsExactlyOnce) {
  RedisServer redis;
  auto store = redis.store(1);
  Engine engine(redis);
  engine.own();
  engine.apply(running_campaign(*store, "c", 60, 5));
  redis.run({"CLIENT", "NO-EVICT", "on"});
  uint64_t delivered = 0;
  for (int i = 0; delivered < 300 && i < 1000; ++i) {
    // Cut while calls are out: some were executed, some were not, nobody knows which.
    std::vector<Claimed> got;
    bool answered = false;
    ClaimRequest request;
    request.epoch = engine.epoch;
    engine.door.claim(request, [&](Result<ClaimReply> reply) {
      ASSERT_TRUE(reply.ok()) << reply.error().message;
      got = std::move(reply->chunks);
      answered = true;
    });
    if (i % 3 == 0) {
      engine.loop.run_once(false);
      redis.run({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
    }
    while (!answered) engine.loop.run_once(true);
    size_t left = got.size();
    for (const Claimed& claimed : got) {
      Settlement s = engine.closing(claimed);
      s.outcomes = outcomes_of(numbers_of(claimed.chunk));
      delivered += s.outcomes.size();
      engine.door.settle(s, [&](Result<SettleResult> result) {
        ASSERT_TRUE(result.ok()) << result.error().message;
        EXPECT_NE(*result, SettleResult::kFenced);
        --left;
      });
    }
    if (i % 5 == 0) {
      engine.loop.run_once(false);
      redis.run({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
    }
    while (left > 0) engine.loop.run_once(true);
  }
  const Counts c = counts_of(*store, "c");
  EXPECT_EQ(delivered, 300u);
  EXPECT_EQ(c.delivered, 300u);
  EXPECT_EQ(c.in_flight, 0u);
  EXPECT_TRUE(engine.door.last_error().empty());
  // The blocking door was cut as well, each time.
  EXPECT_TRUE(store->now_ms().ok());
}

TEST(Trouble, AServerThatLostItsLibraryGetsItAgain) {
  RedisServer redis;
  auto store = redis.store(1);
  Engine engine(redis);
  engine.own();
  const Campaign c = running_campaign(*store, "c", 2, 1);
  redis.run({"FUNCTION", "FLUSH"});
  engine.apply(c);
  engine.deliver(engine.claim_one());
  redis.run({"FUNCTION", "FLUSH"});
  EXPECT_TRUE(store->set_state("c", CampaignState::kPaused, "").ok());
}

TEST(Trouble, ARestartedServerIsFoundAgain) {
  RedisServer redis({"--appendonly", "yes", "--appendfsync", "always"});
  auto opened = Store::open(redis.url(), 1);
  ASSERT_TRUE(opened.ok()) << opened.error().message;
  auto& store = *opened;
  Engine engine(redis);
  engine.own();
  engine.apply(running_campaign(*store, "c", 2, 3));
  const Claimed claimed = engine.claim_one();
  redis.stop(SIGKILL);
  bool settled = false;
  Settlement s = engine.closing(claimed);
  s.outcomes = outcomes_of({1, 2, 3});
  engine.door.settle(s, [&](Result<SettleResult> result) {
    EXPECT_EQ(*result, SettleResult::kApplied);
    settled = true;
  });
  // Without a server: it knows, says why, and waits.
  while (engine.door.connected()) engine.loop.run_once(true);
  EXPECT_FALSE(engine.door.last_error().empty());
  store->set_patience(Duration(0));
  EXPECT_EQ(store->now_ms().error().code, Errc::kUnavailable);
  store->set_patience(std::chrono::seconds(15));
  redis.start();
  while (!settled) engine.loop.run_once(true);
  EXPECT_EQ(counts_of(*store, "c").delivered, 3u);
  EXPECT_EQ(counts_of(*store, "c").queued, 3u);
}

uint64_t round_trips(metrics::Shard& shard) {
  uint64_t sum = 0;
  for (size_t i = 0; i <= metrics::HistogramCells::kBuckets; ++i) {
    sum += shard[metrics::Histogram::kQueueCall].bucket(i);
  }
  return sum;
}

TEST(Trouble, TheDoorCountsItsCalls) {
  using metrics::Metric;
  RedisServer redis;
  metrics::Registry registry;
  metrics::Shard& counts = registry.new_shard();
  Engine engine(redis, "engine-1", &counts);
  engine.own();
  const uint64_t calls = counts[Metric::kQueueCalls].get();
  EXPECT_GT(calls, 2u);
  EXPECT_EQ(round_trips(counts), calls);
  EXPECT_EQ(counts[Metric::kQueueErrors].get(), 0u);
  EXPECT_EQ(counts[Metric::kQueueReconnects].get(), 0u);
  // A call is on its way when the connection dies: it failed, and is made again.
  redis.run({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
  engine.claim(1);
  EXPECT_EQ(counts[Metric::kQueueCalls].get(), calls + 2);
  EXPECT_EQ(round_trips(counts), calls + 1);
  EXPECT_EQ(counts[Metric::kQueueErrors].get(), 1u);
  EXPECT_EQ(counts[Metric::kQueueReconnects].get(), 1u);
  // Nothing is on its way: the connection itself is what failed.
  redis.run({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
  while (engine.door.connected()) engine.loop.run_once(true);
  EXPECT_EQ(counts[Metric::kQueueErrors].get(), 2u);
  // Redis refuses a call.
  redis.run({"DEL", global_key("rev")});
  redis.run({"HSET", global_key("rev"), "not", "a number"});
  EXPECT_FALSE(engine.await<uint64_t>([&](auto done) { engine.door.global_revision(done); }).ok());
  EXPECT_EQ(counts[Metric::kQueueErrors].get(), 3u);
  EXPECT_EQ(counts[Metric::kQueueReconnects].get(), 2u);
  EXPECT_EQ(round_trips(counts), calls + 2);
}

TEST(Trouble, TheStoreCountsItsCalls) {
  using metrics::Metric;
  RedisServer redis;
  metrics::Registry registry;
  metrics::Shard& counts = registry.new_shard();
  auto store = redis.store(1);
  store->set_counters(&counts);
  ASSERT_TRUE(store->now_ms().ok());
  EXPECT_EQ(counts[Metric::kQueueCalls].get(), 1u);
  EXPECT_EQ(round_trips(counts), 1u);
  EXPECT_EQ(counts[Metric::kQueueErrors].get(), 0u);
  redis.run({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
  ASSERT_TRUE(store->now_ms().ok());
  EXPECT_EQ(counts[Metric::kQueueCalls].get(), 3u);
  EXPECT_EQ(counts[Metric::kQueueErrors].get(), 1u);
  EXPECT_EQ(counts[Metric::kQueueReconnects].get(), 1u);
  store->set_patience(Duration(0));
  redis.stop(SIGKILL);
  ASSERT_FALSE(store->now_ms().ok());  // the call
  ASSERT_FALSE(store->now_ms().ok());  // the attempt to connect
  EXPECT_EQ(counts[Metric::kQueueErrors].get(), 3u);
  EXPECT_EQ(counts[Metric::kQueueReconnects].get(), 1u);
  EXPECT_EQ(round_trips(counts), 2u);
}

TEST(Trouble, ErrorsHaveRemedies) {
  EXPECT_EQ(error_of("OOM command not allowed").code, Errc::kUnavailable);
  EXPECT_EQ(error_of("MISCONF Errors writing to the AOF file").code, Errc::kUnavailable);
  EXPECT_EQ(error_of("READONLY You can't write against a read only replica.").code,
            Errc::kUnavailable);
  EXPECT_EQ(error_of("NOAUTH Authentication required.").code, Errc::kNoPermission);
  EXPECT_EQ(error_of("LOADING Redis is loading").code, Errc::kUnavailable);
  EXPECT_EQ(error_of("FENCED the partition").code, Errc::kData);
  EXPECT_EQ(error_of("ERR wrong number of arguments").code, Errc::kInternal);
  EXPECT_EQ(trouble_of("LOADING Redis"), ::volley::queue::Trouble::kWait);
  EXPECT_EQ(trouble_of("BUSY Redis is busy"), ::volley::queue::Trouble::kWait);
  EXPECT_EQ(trouble_of("ERR Function not found"), ::volley::queue::Trouble::kReload);
  EXPECT_EQ(trouble_of("OOM x"), ::volley::queue::Trouble::kRefused);
  EXPECT_EQ(trouble_of("STALE x"), ::volley::queue::Trouble::kMistake);
}

// Takes `visits` connections at `path` and cuts each; from the last one on, `real` is there instead.
struct Gate {
  Gate(const std::string& path, const std::string& real, int visits)
      : listener(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener, 8), 0);
    cutter = std::thread([this, path, real, visits] {
      for (int i = 1; i <= visits; ++i) {
        const int visitor = ::accept(listener, nullptr, nullptr);
        if (i == visits) {
          ::unlink(path.c_str());
          EXPECT_EQ(::symlink(real.c_str(), path.c_str()), 0);
        }
        ::close(visitor);
      }
    });
  }
  ~Gate() {
    cutter.join();
    ::close(listener);
  }
  int listener;
  std::thread cutter;
};

TEST(Trouble, AConnectionThatIsCutWhileItIsOpenedIsMadeAgain) {
  RedisServer redis;
  QueueUrl url = redis.url();
  url.host_or_path += ".gate";
  const Gate gate(url.host_or_path, redis.url().host_or_path, 2);
  auto store = Store::open(url, 1, true);
  ASSERT_TRUE(store.ok()) << store.error().message;
  EXPECT_TRUE((*store)->now_ms().ok());
}

TEST(Trouble, AServerThatCutsEveryConnectionIsHeardOf) {
  RedisServer redis;
  QueueUrl url = redis.url();
  url.host_or_path += ".gate";
  const Gate gate(url.host_or_path, redis.url().host_or_path, 5);
  auto store = Store::open(url, 1, true);
  ASSERT_FALSE(store.ok());
  EXPECT_EQ(store.error().code, Errc::kUnavailable);
}

TEST(Trouble, SomethingElseThanRedis) {
  ReplyReader reader;
  reader.feed("HTTP/1.1 400 Bad Request\r\n");
  Reply reply;
  EXPECT_FALSE(reader.next(reply).ok());
  ReplyReader slow;
  const std::string bytes = "*2\r\n$3\r\nabc\r\n:42\r\n";
  for (size_t i = 0; i + 1 < bytes.size(); ++i) {
    slow.feed(bytes.substr(i, 1));
    EXPECT_FALSE(*slow.next(reply));
  }
  slow.feed(bytes.substr(bytes.size() - 1));
  ASSERT_TRUE(*slow.next(reply));
  EXPECT_EQ(reply.view().at(0).text(), "abc");
  EXPECT_EQ(reply.view().at(1).number(), 42);
  EXPECT_EQ(reply.view().at(7).number(), 0);
}

}  // namespace
}  // namespace volley::queue
