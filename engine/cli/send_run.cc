#include "engine/cli/send_run.h"

#include "base/log.h"
#include "engine/cli/interrupt.h"
#include "engine/cli/metrics_http.h"
#include "engine/cli/queue_gauges.h"

namespace volley::cli {
namespace {

constexpr Duration kPoll = std::chrono::milliseconds(200);
constexpr Duration kDrainLimit = std::chrono::seconds(30);
constexpr Duration kTroublePatience = std::chrono::seconds(3);

bool sending_state(const queue::Campaign& c) {
  return c.state == queue::CampaignState::kRunning || c.state == queue::CampaignState::kImporting;
}

}  // namespace

SendRun::SendRun(const SendPlan& plan, const SendOptions& options, const Settings& settings, Host& host)
    : plan_(plan), options_(options), settings_(settings), host_(host), id_(plan.spec.identity()),
      started_(monotonic_now()) {}

SendRun::~SendRun() {
  stop_import_ = true;
  if (importer_.joinable()) importer_.join();
  engine_.reset();
  http_.reset();
}

Status SendRun::open() {
  auto place = Workplace::open(settings_, Access::kEngine);
  if (!place) return place.error();
  place_ = std::move(*place);
  auto found = place_->store().find(id_);
  if (!found) return found.error();
  if (*found) {
    campaign_ = **found;
    if (Status status = check_unchanged(*campaign_); !status) return status;
  }
  if (already_finished()) return {};
  // Whatever can fail comes before the campaign exists: a failed start leaves nothing behind.
  if (Status status = load_suppressions(); !status) return status;
  if (Status status = open_events(); !status) return status;
  if (Status status = start_http(); !status) return status;
  if (Status status = create_or_resume(); !status) return status;
  return store_suppressions();
}

bool SendRun::already_finished() const {
  return campaign_ && (campaign_->state == queue::CampaignState::kFinished ||
                       campaign_->state == queue::CampaignState::kCancelled);
}

// List and content are frozen at the start, unless nothing of the list was accepted yet.
Status SendRun::check_unchanged(const queue::Campaign& old) {
  const bool same_content = old.content_fingerprint == plan_.content.fingerprint();
  if (same_content && old.list_fingerprint == plan_.facts.fingerprint) return {};
  queue::Store& store = place_->store();
  if (!old.import_closed && !already_finished()) {
    auto counts = store.counts(id_);
    if (!counts) return counts.error();
    if (counts->accepted == 0) {
      campaign_.reset();
      return store.purge(id_);
    }
  }
  return Error{Errc::kData, plan_.spec.path + ": campaign \"" + id_ + "\" was started with other " +
                                (same_content ? "recipients" : "content") +
                                ", which are frozen then: give the changed one a new `id`"};
}

Status SendRun::open_events() {
  metrics::EventLogOptions log;
  log.path = !options_.events.empty() ? options_.events
             : !settings_.events_file.empty() ? settings_.events_file : place_->data() + "/events.jsonl";
  log.max_bytes = settings_.events_max_size;
  log.keep = static_cast<unsigned>(settings_.events_keep);
  auto events = metrics::EventLog::open(log);
  if (!events) return events.error();
  events_ = std::move(*events);
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
    if (Status status = store.edit(id_, [](queue::Campaign& record) { record.hold = false; }); !status) return status;
    campaign_->hold = false;
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
  EngineRequest request;
  request.settings = &settings_;
  request.routes = options_.routes;
  request.connections = options_.connections;
  request.data_directory = place_->data();
  request.queue = place_->url();
  request.engine_id = place_->engine_id();
  request.dedupe_key = place_->store().dedupe_key();
  request.partitions = place_->store().partitions();
  request.keys = &plan_.keys;
  request.registry = &registry_;
  request.events = events_.get();
  auto engine = host_.start_engine(request);
  if (!engine) return engine.error();
  engine_ = std::move(*engine);
  return {};
}

void SendRun::import_list(const queue::Campaign& campaign) {
  const auto finish = [this](Status status) {
    {
      std::lock_guard guard(mutex_);
      import_status_ = std::move(status);
    }
    import_done_ = true;
  };
  auto store = place_->another_store();
  if (!store) return finish(store.error());
  auto epoch = (*store)->begin_import(id_);
  if (!epoch) return finish(epoch.error());
  intake::ImportOptions import;
  import.list = plan_.list;
  import.rejects_path = plan_.rejects_path;
  import.stream = campaign.stream;
  import.progress = [this](const intake::ImportTotals& totals, double fraction) {
    std::lock_guard guard(mutex_);
    totals_ = totals;
    imported_ = fraction;
  };
  import.on_flush = [this, stream = campaign.stream] {
    if (stream && engine_) engine_->wake();
  };
  auto totals = intake::run_import(**store, campaign, *epoch, import, suppressed_, events_.get(), stop_import_);
  if (!totals) return finish(totals.error());
  {
    std::lock_guard guard(mutex_);
    totals_ = *totals;
    imported_ = 1;
  }
  Status closed = (*store)->close_import(id_, *epoch, totals->read, totals->invalid, totals->duplicate);
  if (closed && engine_) engine_->wake();
  finish(std::move(closed));
}

Status SendRun::import_result() {
  std::lock_guard guard(mutex_);
  return import_status_;
}

Status SendRun::run() {
  if (already_finished()) return {};
  queue::Store& store = place_->store();
  if (campaign_->state == queue::CampaignState::kPaused && !options_.hold) {
    const auto to = campaign_->import_closed ? queue::CampaignState::kRunning : queue::CampaignState::kImporting;
    if (Status status = store.set_state(id_, to, ""); !status) return status;
  }
  if (!options_.hold) {
    if (Status status = start_engine(); !status) return status;
  }
  if (!campaign_->import_closed) {
    import_done_ = false;
    importer_ = std::thread([this, campaign = *campaign_] { import_list(campaign); });
  }
  Status followed = follow();
  Status wound_up = wind_up(followed);
  return followed ? wound_up : followed;
}

ProgressState SendRun::progress_state(const queue::Counts& counts) {
  ProgressState state;
  state.counts = counts;
  state.importing = !import_done_;
  std::lock_guard guard(mutex_);
  state.imported = imported_;
  return state;
}

Status SendRun::follow() {
  while (true) {
    if (interrupted()) return Error{Errc::kTempFail, "interrupted: the same command goes on where this one stopped"};
    auto found = place_->store().find(id_);
    auto counts = place_->store().counts(id_);
    if (found && *found && counts) {
      campaign_ = **found;
      progress_.show(progress_state(*counts), monotonic_now());
      if (import_done_) {
        if (Status status = import_result(); !status) return status;
        if (!sending_state(*campaign_)) return {};
      }
    } else {
      // The queue mends itself (the embedded server is restarted, connections are made again): keep looking.
      log_debug(found ? counts.error().message : found.error().message);
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
  return Error{Errc::kIo, trouble + "; make room, then run the same command: it goes on where it stopped"};
}

Status SendRun::wind_up(const Status& followed) {
  stop_import_ = true;
  if (importer_.joinable()) importer_.join();
  bool drained = true;
  if (engine_) {
    drained = engine_->drain(kDrainLimit);
    engine_.reset();
  }
  std::string unlogged;
  if (events_) {
    events_->flush();
    unlogged = events_->trouble();
  }
  auto found = place_->store().find(id_);
  if (!found) return found.error();
  if (auto counts = place_->store().counts(id_)) progress_.last(progress_state(*counts), monotonic_now());
  if (*found && sending_state(**found) && !followed) {
    const std::string reason = interrupted() ? "interrupted" : followed.error().message;
    if (Status status = place_->store().set_state(id_, queue::CampaignState::kPaused, reason); !status) return status;
  }
  if (!drained) log_warn("some deliveries did not end in time; the journal has what is known of them");
  if (!unlogged.empty()) return Error{Errc::kIo, unlogged + "; the last events are not in it"};
  return {};
}

Result<Summary> SendRun::summary() {
  auto found = place_->store().find(id_);
  if (!found) return found.error();
  if (!*found) return Error{Errc::kData, "campaign \"" + id_ + "\" is no longer in the queue"};
  auto counts = place_->store().counts(id_);
  if (!counts) return counts.error();
  Summary out;
  out.campaign = **found;
  out.counts = *counts;
  out.read = out.campaign.read;
  out.invalid = out.campaign.invalid;
  out.duplicate = out.campaign.duplicate;
  if (!out.campaign.import_closed) {
    // Interrupted: what the queue has accepted so far is what was read, but for rows the next run will count again.
    std::lock_guard guard(mutex_);
    out.invalid = totals_.invalid;
    out.duplicate = totals_.duplicate;
    out.read = out.counts.accepted + out.invalid + out.duplicate;
  }
  out.elapsed = out.campaign.finished_ms > 0 && already_finished()
                    ? Duration(std::chrono::milliseconds(out.campaign.finished_ms - out.campaign.created_ms))
                    : monotonic_now() - started_;
  return out;
}

}  // namespace volley::cli
