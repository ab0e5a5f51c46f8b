// What becomes of an outcome: journal, event log, settlement.
#include "bench/replay/recorded.h"
#include "bench/replay/replay.h"
#include "bench/replay/require.h"
#include "engine/delivery/event_of.h"
#include "engine/delivery/journal_format.h"
#include "engine/delivery/settlement.h"
#include "metrics/event_log.h"
#include "queue/outcomes.h"

namespace volley::bench {
namespace {

constexpr uint32_t kChunk = queue::kMaxChunkRecipients;
constexpr int64_t kNowMs = 1'700'000'000'000;
constexpr size_t kJournalBytes = size_t{64} << 10;

// As the Ledger fills it in.
void fill(delivery::Record& record, const queue::Recipient& recipient, uint64_t lease) {
  record.time = from_ms(kNowMs);
  record.partition = 7;
  record.lease = lease;
  record.campaign = "november-2026";
  record.number = recipient.number;
  record.attempt = recipient.attempts + 1;
  record.recipient = recipient.address;
  record.site = "mx.example.net";
  record.host = "mx1.example.net";
  record.source = "192.0.2.1";
  record.code = 250;
  record.enhanced = "2.0.0";
  record.text = "Ok: queued as 4Pz2Kx1Jq8z9rxN";
}

// Of ten recipients one is deferred, and one in a hundred bounces.
void judge(delivery::Record& record) {
  if (record.number % 10 == 3) {
    record.verdict = delivery::Verdict::kDeferred;
    record.code = 451;
    record.delay_ms = 300'000 + static_cast<int64_t>(record.number % 7) * 10'000;
  } else if (record.number % 100 == 5) {
    record.verdict = delivery::Verdict::kBounced;
    record.code = 550;
  }
}

queue::Claimed claimed() {
  queue::Claimed claim;
  claim.lease = 1;
  claim.destination.campaign = "november-2026";
  claim.destination.domain = "example.net";
  claim.chunk = chunk(1, kChunk);
  return claim;
}

}  // namespace

uint64_t record(uint64_t count) {
  const auto recipients = queue::Chunk::decode(chunk(1, kChunk));
  std::string journal;
  uint64_t bytes = 0;
  for (uint64_t i = 0; i < count; ++i) {
    delivery::Record record;
    fill(record, recipients->recipients()[i % kChunk], i / kChunk);
    bytes += metrics::to_json_line(delivery::to_event(record)).size();
    delivery::put_outcome(journal, record, i);
    if (journal.size() < kJournalBytes) continue;
    bytes += journal.size();
    journal.clear();
  }
  return bytes + journal.size();
}

uint64_t settlement(uint64_t count) {
  auto made = delivery::make_work(7, 1, claimed());
  require(made.ok(), "the chunk cannot be read");
  delivery::Work& work = **made;
  uint64_t bytes = 0;
  for (uint64_t i = 0; i < count; i += kChunk) {
    for (const queue::Recipient& recipient : work.chunk.recipients()) {
      fill(work.fresh.emplace_back(), recipient, work.lease);
      judge(work.fresh.back());
    }
    delivery::Portion portion = delivery::compose_portion(work, kNowMs, 5'000);
    require(portion.deferrals > 0 && portion.numbers.size() == kChunk, "recipients are missing");
    bytes += queue::encode_outcomes(portion.outcomes).size();
    bytes += queue::pack_numbers(std::move(portion.numbers)).size();
    for (const queue::Retry& retry : portion.retries) bytes += retry.chunk.size();
    for (const queue::Kept& kept : portion.kept) bytes += kept.chunk.size();
  }
  return bytes;
}

}  // namespace volley::bench
