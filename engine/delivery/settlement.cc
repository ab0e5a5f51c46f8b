#include "engine/delivery/settlement.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <map>
#include <optional>

namespace volley::delivery {
namespace {

// From a recipient's number to its place in the chunk.
class Places {
 public:
  explicit Places(const queue::Chunk& chunk) {
    const auto recipients = chunk.recipients();
    places_.reserve(recipients.size());
    for (size_t i = 0; i < recipients.size(); ++i) places_.emplace_back(recipients[i].number, i);
    std::sort(places_.begin(), places_.end());
  }
  std::optional<size_t> find(uint64_t number) const {
    const auto at =
        std::lower_bound(places_.begin(), places_.end(), std::pair<uint64_t, size_t>{number, 0});
    if (at == places_.end() || at->first != number) return std::nullopt;
    return at->second;
  }

 private:
  std::vector<std::pair<uint64_t, size_t>> places_;
};

// Recipients that are due together share a chunk.
class RetryPacker {
 public:
  RetryPacker(std::string_view inline_content, int64_t wheel_ms)
      : inline_content_(inline_content), wheel_ms_(std::max<int64_t>(1, wheel_ms)) {}

  // Long delays share coarser buckets (an eighth of the delay): jitter must not leave every recipient a chunk of its own.
  void add(const queue::Recipient& recipient, int64_t delay_ms) {
    const int64_t wheels = (std::max<int64_t>(0, delay_ms) + wheel_ms_ - 1) / wheel_ms_;
    const auto coarse = static_cast<int64_t>(
        std::bit_floor(static_cast<uint64_t>(std::max<int64_t>(wheels / 8, 1))));
    const int64_t bucket = (wheels + coarse - 1) / coarse * coarse;
    auto [at, fresh] = buckets_.try_emplace(bucket);
    if (fresh && !inline_content_.empty()) at->second.set_inline_content(inline_content_);
    at->second.add(recipient);
  }

  std::vector<queue::Retry> take() {
    std::vector<queue::Retry> retries;
    for (auto& [bucket, builder] : buckets_) {
      const uint32_t count = builder.size();
      retries.push_back({bucket * wheel_ms_, count, builder.encode()});
    }
    return retries;
  }

 private:
  std::string_view inline_content_;
  int64_t wheel_ms_;
  std::map<int64_t, queue::ChunkBuilder> buckets_;
};

// As the next attempt should find it.
queue::Recipient tried(const queue::Recipient& before, const Record& record, int64_t queue_now_ms) {
  queue::Recipient after = before;
  if (record.attempt > 0) {
    after.attempts = record.attempt;
    if (after.first_attempt_ms == 0) after.first_attempt_ms = queue_now_ms;
    if (!record.source.empty()) after.source = record.source;
  }
  after.not_before_ms = queue_now_ms + record.delay_ms;
  after.last_code = record.code;
  return after;
}

std::string reply_note(const Record& record) {
  std::string note = record.code == 0 ? std::string() : std::to_string(record.code);
  for (const auto* part : {&record.enhanced, &record.text}) {
    if (part->empty()) continue;
    if (!note.empty()) note += ' ';
    note += *part;
  }
  return note;
}

}  // namespace

bool is_final(Verdict verdict) {
  return verdict != Verdict::kDeferred && verdict != Verdict::kInDoubt;
}

queue::Outcome to_outcome(Verdict verdict) {
  switch (verdict) {
    case Verdict::kDelivered:
      return queue::Outcome::kDelivered;
    case Verdict::kBounced:
      return queue::Outcome::kBounced;
    case Verdict::kExpired:
      return queue::Outcome::kExpired;
    case Verdict::kSuppressed:
      return queue::Outcome::kSuppressed;
    case Verdict::kDeferred:
    case Verdict::kInDoubt:
      break;
  }
  assert(false && "not a final verdict");
  return queue::Outcome::kBounced;
}

void Portion::merge(Portion&& later) {
  const auto append = [](auto& to, auto& from) {
    to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
  };
  append(outcomes, later.outcomes);
  append(retries, later.retries);
  append(kept, later.kept);
  append(numbers, later.numbers);
  append(notes, later.notes);
  deferrals += later.deferrals;
}

Portion compose_portion(Work& work, int64_t queue_now_ms, int64_t wheel_ms) {
  Portion portion;
  std::vector<Record> fresh;
  fresh.swap(work.fresh);
  if (fresh.empty()) return portion;
  const Places places(work.chunk);
  const auto recipients = work.chunk.recipients();
  RetryPacker packer(work.chunk.inline_content(), wheel_ms);
  const bool keeps = work.destination.campaign != queue::kSingleMessages;
  std::map<queue::Outcome, queue::ChunkBuilder> kept;
  for (const Record& record : fresh) {
    const auto place = places.find(record.number);
    if (!place) continue;
    portion.numbers.push_back(record.number);
    if (work.destination.campaign == queue::kSingleMessages) {
      portion.notes.emplace_back(record.number, reply_note(record));
    }
    if (is_final(record.verdict)) {
      portion.outcomes.push_back({record.number, to_outcome(record.verdict), record.code,
                                  record.enhanced, record.recipient});
      const queue::Outcome outcome = to_outcome(record.verdict);
      if (keeps && (outcome == queue::Outcome::kBounced || outcome == queue::Outcome::kExpired))
        kept[outcome].add(tried(recipients[*place], record, queue_now_ms));
      continue;
    }
    ++portion.deferrals;
    packer.add(tried(recipients[*place], record, queue_now_ms), record.delay_ms);
  }
  portion.retries = packer.take();
  for (auto& [outcome, builder] : kept) portion.kept.push_back({outcome, builder.encode()});
  return portion;
}

void add_remainder(const Work& work, queue::Settlement& settlement) {
  assert(work.in_flight == 0);
  if (work.waiting == 0) return;
  queue::ChunkBuilder builder;
  if (!work.chunk.inline_content().empty()) builder.set_inline_content(work.chunk.inline_content());
  const auto recipients = work.chunk.recipients();
  for (size_t i = 0; i < recipients.size(); ++i) {
    if (work.states[i] == RecipientState::kWaiting) builder.add(recipients[i]);
  }
  settlement.remainder_recipients = builder.size();
  if (builder.size() > 0) settlement.remainder = builder.encode();
}

Result<std::unique_ptr<Work>> make_work(uint32_t partition, uint64_t epoch,
                                        const queue::Claimed& claimed) {
  auto chunk = queue::Chunk::decode(claimed.chunk);
  if (!chunk.ok()) return chunk.error();
  auto work = std::make_unique<Work>();
  work->partition = partition;
  work->epoch = epoch;
  work->lease = claimed.lease;
  work->destination = claimed.destination;
  work->chunk = std::move(*chunk);
  work->states.assign(work->chunk.recipients().size(), RecipientState::kWaiting);
  work->waiting = work->states.size();
  if (claimed.done.empty()) return work;
  auto done = queue::unpack_numbers(claimed.done);
  if (!done.ok()) return done.error();
  const Places places(work->chunk);
  for (const uint64_t number : *done) {
    const auto place = places.find(number);
    if (!place || work->states[*place] != RecipientState::kWaiting) continue;
    work->states[*place] = RecipientState::kFinal;
    --work->waiting;
  }
  return work;
}

size_t apply_replay(Work& work, const std::vector<Record>& records, WallTime now) {
  const Places places(work.chunk);
  size_t news = 0;
  for (const Record& old : records) {
    const auto place = places.find(old.number);
    if (!place || work.states[*place] != RecipientState::kWaiting) continue;
    if (old.campaign != work.destination.campaign) continue;
    Record record = old;
    const int64_t passed = std::clamp<int64_t>(to_ms(now) - to_ms(old.time), 0, record.delay_ms);
    record.delay_ms -= passed;
    work.states[*place] =
        is_final(record.verdict) ? RecipientState::kFinal : RecipientState::kDeferred;
    --work.waiting;
    ++news;
    work.fresh.push_back(std::move(record));
  }
  return news;
}

}  // namespace volley::delivery
