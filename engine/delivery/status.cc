#include "engine/delivery/status.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

namespace volley::delivery {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const SiteSnapshot& s) {
  return {{"site", s.site},
          {"provider", s.provider},
          {"connections", s.connections},
          {"connection_limit", s.connection_limit},
          {"in_flight", s.in_flight},
          {"waiting", s.waiting},
          {"delivered", s.delivered},
          {"deferred", s.deferred},
          {"in_doubt", s.in_doubt},
          {"bounced", s.bounced},
          {"rate", s.rate},
          {"limited_by", s.limited_by},
          {"last_reply", s.last_reply},
          {"paused_for_ms", s.paused_for_ms}};
}

// By site, then by policy type.
std::map<std::string, Json> to_json(const std::map<TlsReport::Key, TlsReport::Counts>& counts) {
  std::map<std::string, Json> out;
  for (const auto& [key, count] : counts) {
    Json failed = Json::object();
    for (const auto& [result, times] : count.failed) failed[result] = times;
    out[key.second][std::string(to_string(key.first))] = {{"successful", count.successful},
                                                          {"failed", std::move(failed)}};
  }
  return out;
}

struct Merged {
  SiteSnapshot sum;
  uint64_t most_waiting = 0;
  uint32_t share = 0;  // connections allowed on the loop whose words these are

  void add(const SiteSnapshot& s);
  // A loop knows its own share of the limit only: what is shown beside the sum is the sum.
  void finish() {
    if (sum.limited_by == connections_bind(share, sum.connections_from)) {
      sum.limited_by = connections_bind(sum.connection_limit, sum.connections_from);
    }
  }
};

void Merged::add(const SiteSnapshot& s) {
  sum.site = s.site;
  sum.provider = s.provider;
  sum.connections += s.connections;
  sum.connection_limit += s.connection_limit;
  sum.in_flight += s.in_flight;
  sum.waiting += s.waiting;
  sum.delivered += s.delivered;
  sum.deferred += s.deferred;
  sum.in_doubt += s.in_doubt;
  sum.bounced += s.bounced;
  sum.rate += s.rate;
  sum.paused_for_ms = std::max(sum.paused_for_ms, s.paused_for_ms);
  if (s.waiting >= most_waiting) {
    most_waiting = s.waiting;
    sum.limited_by = s.limited_by;
    sum.connections_from = s.connections_from;
    share = s.connection_limit;
  }
  if (!s.last_reply.empty()) sum.last_reply = s.last_reply;
}

}  // namespace

std::vector<SiteSnapshot> merge_sites(const std::vector<LoopStatus>& loops) {
  std::map<std::string, Merged> merged;
  for (const auto& loop : loops) {
    for (const auto& site : loop.sites) merged[site.site].add(site);
  }
  std::vector<SiteSnapshot> sites;
  sites.reserve(merged.size());
  for (auto& [name, entry] : merged) {
    entry.finish();
    sites.push_back(std::move(entry.sum));
  }
  std::stable_sort(sites.begin(), sites.end(),
                   [](const auto& a, const auto& b) { return a.waiting > b.waiting; });
  return sites;
}

StatusBoard::StatusBoard(std::string engine_id, std::string hostname, unsigned loops,
                         const TlsReport& tls)
    : engine_id_(std::move(engine_id)),
      hostname_(std::move(hostname)),
      tls_(tls),
      loops_(loops),
      journal_errors_(loops) {}

void StatusBoard::put(unsigned loop, LoopStatus status) {
  const std::lock_guard lock(mutex_);
  loops_[loop] = std::move(status);
}

void StatusBoard::journal_trouble(unsigned loop, std::string error) {
  const std::lock_guard lock(mutex_);
  journal_errors_[loop] = std::move(error);
}

void StatusBoard::queue_trouble(std::string error) {
  const std::lock_guard lock(mutex_);
  queue_error_ = std::move(error);
}

std::string StatusBoard::trouble() const {
  const std::lock_guard lock(mutex_);
  if (!queue_error_.empty()) return "queue: " + queue_error_;
  for (const auto& error : journal_errors_) {
    if (!error.empty()) return "journal: " + error;
  }
  return {};
}

uint64_t StatusBoard::held() const {
  const std::lock_guard lock(mutex_);
  uint64_t sum = 0;
  for (const LoopStatus& loop : loops_) sum += loop.owner.works + loop.owner.owned;
  return sum;
}

void StatusBoard::set_state(std::string state) {
  const std::lock_guard lock(mutex_);
  state_ = std::move(state);
}

std::string StatusBoard::json() const {
  const std::lock_guard lock(mutex_);
  Json loops = Json::array(), sites = Json::array();
  bool connected = true;
  std::string error, elsewhere, unrouted_reply;
  uint64_t owned = 0, wanted = 0, in_memory = 0, unrouted = 0;
  int64_t due = -1;
  for (size_t i = 0; i < loops_.size(); ++i) {
    const LoopStatus& l = loops_[i];
    connected = connected && l.connected;
    if (!l.connected) error = l.queue_error;
    owned += l.owner.owned;
    wanted += l.owner.wanted;
    in_memory += l.owner.recipients_in_memory;
    if (l.owner.next_due_ms >= 0)
      due = due < 0 ? l.owner.next_due_ms : std::min(due, l.owner.next_due_ms);
    unrouted += l.owner.unrouted;
    if (!l.owner.unrouted_reply.empty()) unrouted_reply = l.owner.unrouted_reply;
    if (!l.owner.elsewhere.empty()) elsewhere = l.owner.elsewhere;
    loops.push_back({{"loop", i},
                     {"connected", l.connected},
                     {"error", l.connected ? "" : l.queue_error},
                     {"partitions", l.owner.owned},
                     {"works", l.owner.works},
                     {"recipients_in_memory", l.owner.recipients_in_memory},
                     {"journal",
                      {{"bytes", l.journal_bytes},
                       {"segments", l.journal_segments},
                       {"error", journal_errors_[i]}}}});
  }
  const std::map<std::string, Json> tls = to_json(tls_.counts());
  for (const auto& site : merge_sites(loops_)) {
    const auto counts = tls.find(site.site);
    sites.push_back(to_json(site));
    sites.back()["tls"] = counts == tls.end() ? Json::object() : counts->second;
  }
  const Json document = {
      {"engine", engine_id_},
      {"hostname", hostname_},
      {"pid", ::getpid()},
      {"state", state_},
      {"queue", {{"connected", connected}, {"error", error}}},
      {"partitions", {{"owned", owned}, {"wanted", wanted}, {"elsewhere", elsewhere}}},
      {"recipients_in_memory", in_memory},
      {"next_due_ms", due},
      {"unrouted", {{"deferred", unrouted}, {"last_reply", unrouted_reply}}},
      {"loops", loops},
      {"sites", sites}};
  return document.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace volley::delivery
