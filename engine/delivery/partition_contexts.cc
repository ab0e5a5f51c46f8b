#include "base/log.h"
#include "engine/delivery/partition_owner.h"

// From a claimed chunk to the campaign, or the single message, that it belongs to.
namespace volley::delivery {
namespace {

using namespace std::chrono_literals;

constexpr Duration kRestUnusable = 5s;  // a context that cannot be had

}  // namespace

void PartitionOwner::find_context(Held& held) {
  const queue::Destination& destination = held.work->destination;
  if (destination.campaign == queue::kSingleMessages) return find_single(held);
  if (auto context = cache_->find(destination.campaign, held.ticket)) use_context(held, *context);
}

// A single message brings its content along, or, when that is large, the name under which it is fetched in its turn.
void PartitionOwner::find_single(Held& held) {
  std::string_view ref;
  const std::string_view content = held.work->chunk.inline_content();
  if (queue::is_content_ref(content, ref)) {
    content_.wait(held.ticket);
    return fetch_contents();
  }
  inline_content_ += held.inline_content = content.size();
  ask_single(held);
}

void PartitionOwner::ask_single(Held& held) {
  const queue::Chunk& chunk = held.work->chunk;
  auto context =
      cache_->single(held.partition, chunk.inline_content(), chunk.recipients().front().enqueued_ms,
                     at(held.partition).revoked, held.ticket);
  if (context) use_context(held, *context);
}

// What has lost its partition meanwhile is somebody else's, its content perhaps gone with the message.
void PartitionOwner::fetch_contents() {
  while (const auto ticket = content_.next()) {
    Held* held = find(*ticket);
    if (held == nullptr || held->stage != Stage::kContext) continue;
    if (stopping_ || lost(*held)) {
      give_back(*held, Duration{});
      continue;
    }
    content_.take(held->content = ContentBudget::kUnknown);
    ask_single(*held);
  }
}

// A lost partition cannot be owned again, nor a loop stop, before all works are back: those must not wait for the room
// of messages that take hours at a slow receiver.
void PartitionOwner::recall_waiters() {
  const auto pointless = [this](uint64_t ticket) {
    const Held* held = find(ticket);
    return held == nullptr || held->stage != Stage::kContext || stopping_ || lost(*held);
  };
  for (const uint64_t ticket : content_.leave(pointless)) {
    Held* held = find(ticket);
    if (held != nullptr && held->stage == Stage::kContext) give_back(*held, Duration{});
  }
}

bool PartitionOwner::lost(const Held& held) {
  const Partition& p = at(held.partition);
  return p.epoch != held.epoch || (p.state != State::kOwned && p.state != State::kRecovering);
}

void PartitionOwner::on_context(uint64_t ticket, const ContextResult& context) {
  if (Held* held = find(ticket)) use_context(*held, context);
}

void PartitionOwner::use_context(Held& held, const ContextResult& context) {
  Work& work = *held.work;
  if (!context.ok()) {
    if (lost(held)) return give_back(held, Duration{});
    // A campaign is paused and can be mended; a single message that cannot be rendered never will be.
    if (work.destination.campaign != queue::kSingleMessages) return give_back(held, kRestUnusable);
    Record refusal;
    refusal.verdict = Verdict::kBounced;
    refusal.enhanced = "5.6.0";
    refusal.text = sanitize(context.error().message);
    return decide_all(held, refusal);
  }
  work.campaign = of_tenure(at(held.partition), *context);
  if (held.content == ContentBudget::kUnknown) {
    content_.give_back(held.content);
    content_.take(held.content = (*context)->content_bytes);
    fetch_contents();
  }
  if (!work.campaign->sending() || stopping_) return give_back(held, kRestNotSending);
  if (work.destination.lane == queue::Lane::kTransactional) expire_overdue(held);
  if (work.waiting == 0) return come_to_rest(held);
  held.stage = Stage::kRoute;
  if (auto answer = delivery_.route(queue::domain_of(work.destination.domain), held.ticket))
    use_route(held, *answer);
}

// The same context, which also says when this tenure of the partition is over. A single message's was made for it.
std::shared_ptr<const CampaignContext> PartitionOwner::of_tenure(
    Partition& p, std::shared_ptr<const CampaignContext> context) {
  if (context->revoked) return context;
  auto& [from, made] = p.contexts[context->record.id];
  if (from == context) return made;
  auto copy = std::make_shared<CampaignContext>(*context);
  copy->revoked = p.revoked;
  from = std::move(context);
  made = copy;
  return copy;
}

// What waited longer than it is worth: a password reset of yesterday is not sent any more.
void PartitionOwner::expire_overdue(Held& held) {
  const int64_t now = door_.queue_now_ms();
  const auto recipients = held.work->chunk.recipients();
  for (size_t i = 0; i < recipients.size(); ++i) {
    if (held.work->states[i] != RecipientState::kWaiting) continue;
    if (now - recipients[i].enqueued_ms <= held.work->campaign->record.retry.give_up_after_ms)
      continue;
    Record record;
    record.verdict = Verdict::kExpired;
    record.code = recipients[i].last_code;
    record.enhanced = "5.4.7";
    record.text = "expired in the queue";
    decide(held, i, std::move(record));
  }
}

}  // namespace volley::delivery
