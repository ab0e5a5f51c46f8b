#include "engine/cli/send_run.h"

#include <fmt/format.h>

#include <cstdio>
#include <thread>

#include "base/log.h"
#include "engine/cli/history_check.h"
#include "engine/cli/interrupt.h"
#include "engine/cli/local_events.h"
#include "engine/cli/metrics_http.h"
#include "engine/cli/queue_gauges.h"
#include "engine/cli/standstill.h"
#include "engine/intake/list_sample.h"
#include "queue/record.h"

namespace volley::cli {
namespace {

constexpr Duration kPoll = std::chrono::milliseconds(100);
constexpr Duration kDrainLimit = std::chrono::seconds(30);
constexpr Duration kTroublePatience = std::chrono::seconds(3);
constexpr Duration kLookPatience =
    std::chrono::seconds(1);  // the next look comes soon, and a signal is heard in between

bool ended(const queue::Campaign& c) {
  return c.state == queue::CampaignState::kFinished || c.state == queue::CampaignState::kCancelled;
}

bool sending_state(const queue::Campaign& c) {
  return c.state == queue::CampaignState::kRunning || c.state == queue::CampaignState::kImporting ||
         c.state == queue::CampaignState::kScheduled;
}

}  // namespace

SendRun::SendRun(const SendPlan& plan, const SendOptions& options, const Settings& settings, Host& host,
                 LastWords& words)
    : plan_(plan), options_(options), settings_(settings), host_(host), words_(words), id_(plan.spec.identity()) {}

SendRun::~SendRun() {
  retention_.reset();
  import_.reset();
  engine_.reset();
  http_.reset();
}

Status SendRun::open() {
  auto place = Workplace::open(settings_, Access::kEngine);
  if (!place) return place.error();
  place_ = std::move(*place);
  place_->store().set_counters(&registry_.new_shard());
  auto found = place_->store().find(id_);
  if (!found) return found.error();
  if (!*found) return {};
  campaign_ = **found;
  if (Status stays = queue::check_stays(*campaign_); !stays) return stays;
  auto counts = place_->store().counts(id_);
  if (!counts) return counts.error();
  known_ = summary_of(*campaign_, *counts);
  return check_unchanged(*campaign_);
}

Status SendRun::begin() {
  started_ = monotonic_now();
  delivered_before_ = known_.counts.delivered;
  // Whatever can fail comes before the campaign exists: a failed start leaves nothing behind.
  if (Status status = load_suppressions(); !status) return status;
  if (Status status = open_events(); !status) return status;
  if (Status status = start_http(); !status) return status;
  if (Status status = create_or_resume(); !status) return status;
  return store_suppressions();
}

bool SendRun::already_finished() const { return campaign_ && ended(*campaign_); }

bool SendRun::left_to_settle() const { return already_finished() && known_.counts.queued > 0; }

Status SendRun::settle() {
  started_ = monotonic_now();
  known_.campaign = *campaign_;
  words_.know(known_);
  if (Status status = open_events(); !status) return status;
  if (Status status = start_engine(); !status) return status;
  log_warn(fmt::format(
      "campaign {} is cancelled; finding out what became of {} recipients that were in flight", id_,
      known_.counts.queued));
  Status waited = wait_until_settled();
  Status wound_up = wind_up(waited);
  return waited ? wound_up : waited;
}

Status SendRun::wait_until_settled() {
  place_->store().set_patience(kLookPatience);
  while (left_to_settle()) {
    if (interrupted())
      return Error{Errc::kTempFail, "interrupted: the same command goes on where this one stopped"};
    if (Status status = disk_trouble(); !status) return status;
    std::this_thread::sleep_for(kPoll);
    if (look()) progress_.show(progress_state(), monotonic_now());
  }
  return {};
}

// List and content are frozen at the start, unless nothing of the list was accepted yet: such a campaign begins anew.
Status SendRun::check_unchanged(const queue::Campaign& old) {
  const bool same_content = old.content_fingerprint == plan_.content.fingerprint();
  // The list may have been known by a sample then, and by all of it now, or the other way round.
  Result<bool> same_list = old.list_fingerprint == plan_.facts.fingerprint;
  if (!*same_list && intake::is_sample(old.list_fingerprint) != intake::is_sample(plan_.facts.fingerprint)) {
    same_list = intake::is_list(plan_.list.path, old.list_fingerprint);
  }
  if (!same_list.ok()) return same_list.error();
  if (same_content && *same_list) return {};
  if (!old.import_closed && !already_finished() && known_.counts.accepted == 0) {
    campaign_.reset();
    known_ = {};
    if (Status over = place_->store().set_state(id_, queue::CampaignState::kCancelled, "begun anew"); !over) return over;
    return place_->store().purge(id_);
  }
  return Error{Errc::kData, plan_.spec.path + ": campaign \"" + id_ + "\" was started with other " +
                                (same_content ? "recipients" : "content") +
                                ", which are frozen then: give the changed one a new `id`"};
}

Status SendRun::open_events() {
  metrics::EventLogOptions log;
  log.path = events_path(settings_, options_.events);
  log.max_bytes = settings_.events_max_size;
  log.keep = static_cast<unsigned>(settings_.events_keep);
  log.counters = &registry_.new_shard();
  auto events = metrics::EventLog::open(log);
  if (!events) return events.error();
  events_ = std::move(*events);
  auto retention = Retention::open(settings_, *place_, log.path);
  if (!retention) return retention.error();
  retention_ = std::move(*retention);
  return {};
}

Status SendRun::create_or_resume() {
  queue::Store& store = place_->store();
  if (!campaign_) {
    auto created = store.create(plan_.campaign(options_), plan_.content.to_bytes());
    if (!created) return created.error();
    campaign_ = *created;
    return {};
  }
  if (campaign_->hold && !options_.hold) {
    const auto let_go = [this](queue::Campaign& record) {
      record.hold = false;
      record.sign = plan_.sign;  // the keys may have come since, or a way that needs none
    };
    if (Status status = store.edit(id_, let_go); !status) return status;
    let_go(*campaign_);
  }
  // Being killed again and again is no fault of the chunks that were in flight each time.
  auto unparked = store.unpark(id_);
  return unparked ? Status() : unparked.error();
}

Status SendRun::load_suppressions() {
  auto list = intake::SuppressionList::load(plan_.spec.suppress, place_->store().dedupe_key());
  if (!list) return list.error();
  suppressed_ = std::move(*list);
  return {};
}

Status SendRun::store_suppressions() {
  // A campaign that names no list may have been given one by `campaign retry --suppress`.
  if (plan_.spec.suppress.empty()) return {};
  if (suppressed_.size() == 0 && campaign_->suppress_revision == 0) return {};
  return place_->store().put_suppressions(id_, suppressed_.packed());
}

Status SendRun::start_http() {
  if (options_.http.empty()) return {};
  auto store = place_->another_store();
  if (!store) return store.error();
  export_queue(registry_, std::move(*store));
  auto server = serve_metrics(options_.http, "", registry_);
  if (!server && server.error().code == Errc::kConfig) {
    return Error{Errc::kUsage, "--http " + options_.http + ": " + server.error().message};
  }
  if (!server) return server.error();
  http_ = std::move(*server);
  if (Status status = http_->start(); !status) {
    if (status.error().code != Errc::kConfig) return status;
    return Error{Errc::kUsage, "--http " + options_.http + ": " + status.error().message};
  }
  std::fprintf(stderr, "volley: metrics at http://%s/metrics\n", http_->address().c_str());
  return {};
}

Status SendRun::start_engine() {
  auto history = begin_history(*place_);
  if (!history) return history.error();
  EngineRequest request;
  request.settings = &settings_;
  request.routes = options_.routes;
  request.connections = options_.connections;
  request.data_directory = place_->data();
  request.queue = place_->url();
  request.history = *history;
  request.engine_id = place_->engine_id();
  request.dedupe_key = place_->store().dedupe_key();
  request.partitions = place_->store().partitions();
  request.keys = &plan_.keys;
  request.registry = &registry_;
  request.events = events_.get();
  auto engine = host_.start_engine(request);
  if (!engine) return engine.error();
  engine_ = std::move(*engine);
  return announce(*engine_, *place_);
}

void SendRun::start_import() {
  const SendImport::Source source{plan_.list, plan_.rejects_path, &suppressed_, events_.get(), &registry_};
  import_ = std::make_unique<SendImport>(*place_, *campaign_, source, [this] {
    if (engine_) engine_->wake();
  });
}

Status SendRun::run() {
  if (left_to_settle()) return settle();
  if (already_finished()) return {};
  known_.campaign = *campaign_;
  words_.know(known_);
  queue::Store& store = place_->store();
  if (campaign_->canary_waits) return Error{Errc::kTempFail, "campaign " + id_ + " is paused: " + campaign_->reason};
  if (campaign_->state == queue::CampaignState::kPaused && !options_.hold) {
    if (Status status = store.set_state(id_, queue::CampaignState::kRunning, ""); !status) return status;
  }
  if (!options_.hold) {
    if (Status status = start_engine(); !status) return status;
  }
  if (!campaign_->import_closed) start_import();
  Status followed = follow();
  Status wound_up = wind_up(followed);
  return followed ? wound_up : followed;
}

ProgressState SendRun::progress_state() const {
  ProgressState state;
  state.counts = known_.counts;
  state.importing = !imported();
  if (import_) state.imported = import_->share();
  if (engine_) state.waits_for = standstill(engine_->status_json(), known_.counts);
  if (known_.campaign.state == queue::CampaignState::kScheduled) state.waits_for = known_.campaign.reason;
  return state;
}

bool SendRun::look() {
  auto fresh = summary();
  if (!fresh) {
    // The queue mends itself (the embedded server is restarted, connections are made again): keep looking.
    log_debug(fresh.error().message);
    return false;
  }
  known_ = std::move(*fresh);
  campaign_ = known_.campaign;
  words_.know(known_);
  return true;
}

Status SendRun::follow() {
  place_->store().set_patience(kLookPatience);
  while (true) {
    if (interrupted()) return Error{Errc::kTempFail, "interrupted: the same command goes on where this one stopped"};
    const bool done = imported();  // asked first: what is looked at then is the whole list
    if (look()) {
      progress_.show(progress_state(), monotonic_now());
      if (done) {
        if (Status status = import_ ? import_->result() : Status(); !status) return status;
        if (!sending_state(*campaign_)) return {};
      }
    }
    if (Status status = disk_trouble(); !status) return status;
    std::this_thread::sleep_for(kPoll);
  }
}

Status SendRun::disk_trouble() {
  std::string trouble = engine_ ? engine_->trouble() : "";
  if (trouble.empty() && events_) trouble = events_->trouble();
  if (trouble.empty()) {
    trouble_since_ = {};
    return {};
  }
  const TimePoint now = monotonic_now();
  if (trouble_since_ == TimePoint{}) trouble_since_ = now;
  if (now - trouble_since_ < kTroublePatience) return {};
  if (trouble.starts_with("queue: ")) return Error{Errc::kData, trouble};
  return Error{Errc::kIo, trouble + "; make room, then run the same command: it goes on where it stopped"};
}

// False: something was still on the wire when the time was over, or when somebody lost patience.
bool SendRun::drain() {
  if (interrupted()) {
    progress_.clear();
    std::fprintf(stderr, "volley: interrupted: finishing what is on the wire; once more stops at once\n");
  }
  const TimePoint end = monotonic_now() + kDrainLimit;
  while (!engine_->drain(kPoll)) {
    if (interrupted_twice() || monotonic_now() >= end || !engine_->trouble().empty()) return false;
    if (engine_->unsettled()) return false;
    if (look()) progress_.show(progress_state(), monotonic_now());
  }
  return true;
}

Status SendRun::wind_up(const Status& followed) {
  if (import_) import_->stop();
  bool drained = true, unsettled = false;
  if (engine_) {
    drained = drain();
    unsettled = engine_->unsettled();
    engine_.reset();
  }
  place_->store().set_patience(drained ? queue::kStorePatience : Duration{});
  std::string unlogged;
  if (events_) {
    events_->flush();
    unlogged = events_->trouble();
  }
  auto last = summary();
  if (!last) {
    progress_.clear();
    place_->store().set_patience(Duration{});  // the summary asks once more, and need not wait as long again
    if (unsettled) std::fputs(kUnsettled, stderr);
    return last.error();
  }
  known_ = std::move(*last);
  progress_.last(progress_state());
  if (sending_state(known_.campaign) && !followed) {
    const std::string reason = interrupted() ? "interrupted" : followed.error().message;
    if (Status status = place_->store().set_state(id_, queue::CampaignState::kPaused, reason); !status) return status;
  }
  if (unsettled) {
    std::fputs(kUnsettled, stderr);
  } else if (!drained) {
    log_warn("some deliveries did not end in time; the journal has what is known of them");
  }
  if (!unlogged.empty()) return Error{Errc::kIo, unlogged + "; the last events are not in it"};
  return {};
}

Summary SendRun::summary_of(const queue::Campaign& campaign, const queue::Counts& counts) const {
  Summary out;
  out.campaign = campaign;
  out.counts = counts;
  out.read = campaign.read;
  out.invalid = campaign.invalid;
  out.duplicate = campaign.duplicate;
  if (!campaign.import_closed) {
    // Interrupted: what the queue has accepted so far is what was read, but for rows the next run will count again.
    const intake::ImportTotals totals = import_ ? import_->totals() : intake::ImportTotals();
    out.invalid = totals.invalid;
    out.duplicate = totals.duplicate;
    out.read = counts.accepted + out.invalid + out.duplicate;
  }
  if (campaign.finished_ms > 0 && ended(campaign)) {
    out.elapsed = std::chrono::milliseconds(campaign.finished_ms - campaign.created_ms);
  } else if (started_ != TimePoint{}) {
    out.elapsed = monotonic_now() - started_;
    out.delivered_before = delivered_before_;
  }
  return out;
}

Result<Summary> SendRun::summary() {
  auto found = place_->store().find(id_);
  if (!found) return found.error();
  if (!*found) return Error{Errc::kData, "campaign \"" + id_ + "\" is no longer in the queue"};
  auto counts = place_->store().counts(id_);
  if (!counts) return counts.error();
  return summary_of(**found, *counts);
}

}  // namespace volley::cli
