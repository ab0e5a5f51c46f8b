#include "engine/delivery/campaign_cache.h"

#include <utility>

#include "base/log.h"
#include "base/net/loop.h"
#include "engine/message/content.h"
#include "queue/record.h"
#include "queue/schedule.h"

namespace volley::delivery {
namespace {

// Steering takes effect within a second, so looks are closer together than that.
constexpr Duration kPollEvery = std::chrono::milliseconds(500);

Result<std::shared_ptr<const message::Renderer>> compile(std::string_view bytes,
                                                         std::span<const std::string> columns) {
  auto content = message::Content::from_bytes(bytes);
  if (!content.ok()) return content.error();
  auto renderer = message::Renderer::compile(*content, columns);
  if (!renderer.ok()) return renderer.error();
  return std::shared_ptr<const message::Renderer>(std::move(*renderer));
}

}  // namespace

CampaignCache::CampaignCache(net::Loop& loop, queue::Door& door, const message::DkimKeyRing& keys,
                             std::string dedupe_key, queue::RetryPolicy singles_retry,
                             ControlTable& controls, Listener& listener)
    : loop_(loop),
      door_(door),
      keys_(keys),
      dedupe_key_(std::move(dedupe_key)),
      singles_retry_(singles_retry),
      controls_(controls),
      listener_(listener),
      timer_(loop, [this] { poll(); }) {}

CampaignCache::~CampaignCache() = default;

std::optional<ContextResult> CampaignCache::find(const std::string& campaign, uint64_t ticket) {
  const auto known = contexts_.find(campaign);
  if (known != contexts_.end()) return ContextResult(known->second);
  auto [at, first] = loading_.try_emplace(campaign);
  at->second.tickets.push_back(ticket);
  if (first) load_record(campaign);
  return std::nullopt;
}

void CampaignCache::load_record(const std::string& id) {
  door_.campaign(id, [this, id](Result<queue::Campaign> record) {
    if (!record.ok()) return failed(id, record.error());
    controls_.update(*record, loop_.now());
    loading_[id].record = std::move(*record);
    load_content(id);
  });
}

void CampaignCache::load_content(const std::string& id) {
  door_.content(id, [this, id](Result<std::string> bytes) {
    if (!bytes.ok()) return failed(id, bytes.error());
    auto renderer = compile(*bytes, loading_[id].record->columns);
    if (!renderer.ok()) {
      const Error error{Errc::kData, "its content is unusable: " + renderer.error().message};
      pause(id, error.message);
      return failed(id, error);
    }
    load_suppressions(id, *renderer);
  });
}

void CampaignCache::load_suppressions(const std::string& id,
                                      std::shared_ptr<const message::Renderer> renderer) {
  if (loading_[id].record->suppress_revision == 0) return loaded(id, std::move(renderer), {});
  door_.suppressions(id, [this, id, renderer](Result<std::string> packed) {
    if (!packed.ok()) return failed(id, packed.error());
    auto set = SuppressionSet::unpack(*packed, dedupe_key_);
    if (!set.ok()) {
      pause(id, set.error().message);
      return failed(id, set.error());
    }
    loaded(id, renderer, std::move(*set));
  });
}

void CampaignCache::loaded(const std::string& id, std::shared_ptr<const message::Renderer> renderer,
                           SuppressionSet suppressed) {
  // The record may have changed while its content was on the way.
  const queue::Campaign& asked = *loading_[id].record;
  const auto newest = records_.find(id);
  if (newest != records_.end() && newest->second.revision > asked.revision &&
      (newest->second.suppress_revision != asked.suppress_revision ||
       newest->second.content_revision != asked.content_revision)) {
    loading_[id].record = newest->second;
    return load_content(id);
  }
  const bool newer = newest != records_.end() && newest->second.revision > asked.revision;
  std::shared_ptr<const CampaignContext> context =
      assemble(newer ? newest->second : asked, std::move(renderer), std::move(suppressed));
  if (context->record.sign && context->signers.empty()) {
    // Another engine of this queue has the key; unsigned it must not leave.
    const Error no_key{Errc::kConfig, "no DKIM key for " + context->record.from_domain +
                                          " in this engine's configuration"};
    pause(id, no_key.message);
    return failed(id, no_key);
  }
  contexts_[id] = context;
  answer(id, context);
}

void CampaignCache::failed(const std::string& id, const Error& error) {
  log_warn("campaign " + id + ": " + error.message);
  answer(id, error);
}

void CampaignCache::answer(const std::string& id, const ContextResult& result) {
  auto loading = loading_.extract(id);
  if (loading.empty()) return;
  for (const uint64_t ticket : loading.mapped().tickets) listener_.on_context(ticket, result);
}

std::shared_ptr<CampaignContext> CampaignCache::assemble(
    const queue::Campaign& record, std::shared_ptr<const message::Renderer> renderer,
    SuppressionSet suppressed) {
  auto context = std::make_shared<CampaignContext>();
  context->record = record;
  if (context->record.from_domain.empty()) context->record.from_domain = renderer->from_domain();
  if (record.sign) context->signers = keys_.find(context->record.from_domain);
  context->renderer = std::move(renderer);
  context->suppressed = std::move(suppressed);
  context->control = controls_.find(record.id);
  return context;
}

std::optional<ContextResult> CampaignCache::single(uint32_t partition,
                                                   std::string_view inline_content,
                                                   int64_t accepted_ms, Revoked revoked,
                                                   uint64_t ticket) {
  std::string_view ref;
  if (!queue::is_content_ref(inline_content, ref))
    return make_single(inline_content, accepted_ms, std::move(revoked));
  door_.content_ref(partition, ref, [=, this](Result<std::string> bytes) {
    if (!bytes.ok()) return listener_.on_context(ticket, bytes.error());
    listener_.on_context(ticket, make_single(*bytes, accepted_ms, revoked));
  });
  return std::nullopt;
}

ContextResult CampaignCache::make_single(std::string_view bytes, int64_t accepted_ms,
                                         Revoked revoked) {
  auto renderer = compile(bytes, {});
  if (!renderer.ok()) return renderer.error();
  queue::Campaign record;
  record.id = std::string(queue::kSingleMessages);
  record.lane = queue::Lane::kTransactional;
  record.state = queue::CampaignState::kRunning;
  record.created_ms = accepted_ms;
  record.retry = singles_retry_;
  auto context = assemble(record, std::move(*renderer), {});
  context->content_bytes = bytes.size();
  context->revoked = std::move(revoked);
  return std::shared_ptr<const CampaignContext>(std::move(context));
}

void CampaignCache::pause(const std::string& campaign, const std::string& reason) {
  const bool news = controls_.first_to_say(campaign, reason, loop_.now());
  if (campaign == queue::kSingleMessages) {
    if (news) log_warn("single messages wait: " + reason);
    return;
  }
  door_.set_state(campaign, queue::CampaignState::kPaused, reason,
                  [this, campaign, reason, news](const Status& done) {
                    if (done.ok()) {
                      if (news) log_warn("campaign " + campaign + " is paused: " + reason);
                    } else {
                      log_warn("campaign " + campaign + " could not be paused (" + reason +
                               "): " + done.error().message);
                    }
                    poll();
                  });
}

// A start, an end, a window: on time, even while the queue does not answer.
void CampaignCache::look_at_clock() {
  for (const auto& [id, record] : records_) {
    if (queue::may_send(record))
      controls_.find(id)->shut.store(queue::is_shut(record, door_.queue_now_ms()),
                                     std::memory_order_relaxed);
  }
}

void CampaignCache::poll() {
  timer_.set_after(kPollEvery);
  look_at_clock();
  poll_again_ = polling_;
  if (polling_) return;
  polling_ = true;
  door_.global_revision([this](const Result<uint64_t>& revision) { on_revision(revision); });
}

void CampaignCache::on_revision(const Result<uint64_t>& revision) {
  if (revision.ok() && revision_ != *revision) {
    const uint64_t at = *revision;
    door_.campaigns([this, at](Result<std::vector<queue::Campaign>> records) {
      on_records(std::move(records), at);
    });
    return;
  }
  if (!revision.ok()) log_warn("the queue's revision cannot be read: " + revision.error().message);
  polling_ = false;
  if (std::exchange(poll_again_, false)) poll();
}

void CampaignCache::on_records(Result<std::vector<queue::Campaign>> records, uint64_t revision) {
  polling_ = false;
  if (!records.ok()) {
    log_warn("campaigns cannot be read: " + records.error().message);
    return;
  }
  revision_ = revision;
  // A server that was restarted may have gone back: then older records are the ones that count.
  const bool forgot = restarts_ != door_.restarts();
  restarts_ = door_.restarts();
  if (forgot) controls_.forget_revisions();
  std::map<std::string, queue::Campaign> now;
  for (auto& record : *records) now.emplace(record.id, std::move(record));
  std::map<std::string, queue::Campaign> before;
  before.swap(records_);
  records_ = std::move(now);
  for (const auto& [id, record] : before) {
    if (records_.contains(id)) continue;
    contexts_.erase(id);
    controls_.forget(id);
  }
  // A listener may come back in with poll(), never with what changes records_.
  for (const auto& [id, record] : records_) {
    const auto old = before.find(id);
    if (!forgot && old != before.end() && old->second.revision == record.revision) continue;
    changed(record);
    if (queue::may_send(record)) {
      controls_.find(id)->shut.store(queue::is_shut(record, door_.queue_now_ms()),
                                     std::memory_order_relaxed);
    }
    const bool resumed = old != before.end() &&
                         old->second.state == queue::CampaignState::kPaused &&
                         record.state != queue::CampaignState::kPaused;
    listener_.on_campaign(record, resumed);
  }
  if (std::exchange(poll_again_, false)) poll();
}

void CampaignCache::changed(const queue::Campaign& record) {
  controls_.update(record, loop_.now());
  const auto cached = contexts_.find(record.id);
  if (cached == contexts_.end()) return;
  if (record.state == queue::CampaignState::kFinished ||
      record.state == queue::CampaignState::kCancelled) {
    contexts_.erase(cached);
    return;
  }
  const auto old = cached->second;
  const bool same_content = old->record.content_revision == record.content_revision;
  if (same_content && old->record.suppress_revision == record.suppress_revision) {
    cached->second = assemble(record, old->renderer, old->suppressed);
    return;
  }
  // Who asks from here on waits for the new ones. What is in hand goes by the old ones, so that whoever changes them pauses the
  // campaign until all engines have heard (engine/cli/live_engines.h).
  contexts_.erase(cached);
  auto [at, first] = loading_.try_emplace(record.id);
  if (!first) return;
  at->second.record = record;
  if (same_content) return load_suppressions(record.id, old->renderer);
  load_content(record.id);
}

}  // namespace volley::delivery
