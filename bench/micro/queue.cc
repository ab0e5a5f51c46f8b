// The queue's calls against a real Redis on a Unix socket, without append-only file: what the calls cost, not the disk. A PING
// through the same client is the floor of a call.
#include <vector>

#include "bench/micro/queue_server.h"
#include "bench/micro/sized.h"
#include "bench/replay/recorded.h"
#include "queue/sync_connection.h"

namespace volley::bench {
namespace {

constexpr uint32_t kRecipients = queue::kMaxChunkRecipients;
constexpr uint32_t kChunks = 8;  // of a flush, of a claim
constexpr const char* kCampaign = "bench";

// An imported campaign whose list goes on as long as is needed, all in partition 0.
class Import {
 public:
  explicit Import(queue::Store& store) : store_(store) {
    queue::Campaign campaign;
    campaign.id = kCampaign;
    campaign.stream = true;
    require(store_.create(campaign, "content").ok(), "no campaign");
    auto epoch = store_.begin_import(kCampaign);
    require(epoch.ok(), "no import");
    epoch_ = *epoch;
    for (uint32_t i = 0; i < kChunks; ++i)
      flush_.parts.push_back({"example.net", kRecipients, chunk(1, kRecipients)});
  }
  void flush() {
    flush_.mark += uint64_t{kChunks} * kRecipients;
    require(store_.import(kCampaign, queue::Lane::kBulk, epoch_, std::span(&flush_, 1)).ok(),
            "nothing is imported");
  }
  size_t bytes() const { return kChunks * flush_.parts.front().chunk.size(); }

 private:
  queue::Store& store_;
  uint64_t epoch_ = 0;
  queue::ImportFlush flush_;
};

void QueueImport(benchmark::State& state) {
  QueueServer server;
  Import import(server.store());
  for (auto _ : state) import.flush();
  did(state, size_t{kChunks} * kRecipients, import.bytes());
}
BENCHMARK(QueueImport)->UseRealTime()->Iterations(2000);

queue::Settlement delivered(const queue::Claimed& claimed, uint64_t epoch) {
  queue::Settlement settlement;
  settlement.epoch = epoch;
  settlement.lease = claimed.lease;
  settlement.sequence = 1;
  settlement.close = true;
  for (uint64_t number = 1; number <= kRecipients; ++number) {
    settlement.outcomes.push_back(
        {number, queue::Outcome::kDelivered, 250, "2.0.0", person(number).email()});
  }
  return settlement;
}

// Eight chunks are claimed in one call and settled in eight, which leave together. Their import is not timed.
void QueueClaimAndSettle(benchmark::State& state) {
  QueueServer server;
  Import import(server.store());
  import.flush();
  const auto lease =
      server.ask<queue::Lease>([&](auto done) { server.door().own(0, 0, 3'600'000, done); });
  const auto campaign = server.store().find(kCampaign);
  require(campaign.ok() && campaign->has_value(), "no campaign");
  bool applied = false;
  server.door().apply(0, lease.epoch, **campaign, [&](Status status) { applied = status.ok(); });
  while (!applied) server.loop().run_once(true);
  queue::ClaimRequest request;
  request.epoch = lease.epoch;
  request.max_chunks = kChunks;
  queue::Destination wanted;
  wanted.domain = "example.net";
  request.wanted.assign(kChunks, wanted);
  queue::Settlement settlement = delivered({}, lease.epoch);
  for (auto _ : state) {
    const auto reply =
        server.ask<queue::ClaimReply>([&](auto done) { server.door().claim(request, done); });
    require(reply.chunks.size() == kChunks, "chunks are missing");
    size_t settled = 0;
    for (const queue::Claimed& claimed : reply.chunks) {
      settlement.lease = claimed.lease;
      server.door().settle(settlement, [&settled](Result<queue::SettleResult> result) {
        require(result.ok() && *result == queue::SettleResult::kApplied, "a settlement is refused");
        ++settled;
      });
    }
    while (settled < kChunks) server.loop().run_once(true);
    state.PauseTiming();
    import.flush();
    state.ResumeTiming();
  }
  did(state, size_t{kChunks} * kRecipients, 0);
}
BENCHMARK(QueueClaimAndSettle)->UseRealTime()->Iterations(1000);

queue::SingleMessage single(uint64_t number) {
  queue::SingleMessage message;
  message.number = number;
  message.address = person(number).email();
  message.return_path = "bounce@example.com";
  message.content = campaign("", "").to_bytes();
  return message;
}

void QueueSubmit(benchmark::State& state) {
  QueueServer server;
  const auto count = static_cast<size_t>(state.range(0));
  uint64_t number = 0;
  std::vector<queue::SingleMessage> messages;
  for (size_t i = 0; i < count; ++i) messages.push_back(single(i));
  for (auto _ : state) {
    for (queue::SingleMessage& message : messages) message.number = ++number;
    require(server.store().submit(messages).ok(), "messages are refused");
  }
  did(state, count, count * messages.front().content.size());
}
BENCHMARK(QueueSubmit)->Arg(1)->Arg(64)->UseRealTime();

void QueueCallLibPing(benchmark::State& state) {
  QueueServer server;
  auto connection = queue::SyncConnection::connect(server.url(), std::chrono::seconds(5));
  require(connection.ok(), "no connection");
  const queue::Command ping("PING");
  for (auto _ : state) require(connection->run(ping, std::chrono::seconds(5)).ok(), "no answer");
  did(state, 1, 0);
}
BENCHMARK(QueueCallLibPing)->UseRealTime();

}  // namespace
}  // namespace volley::bench
