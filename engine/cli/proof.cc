#include "engine/cli/proof.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/address.h"
#include "base/utf8.h"
#include "engine/cli/exit_code.h"
#include "engine/cli/interrupt.h"
#include "engine/cli/list_row.h"
#include "engine/cli/workplace.h"
#include "queue/chunk.h"

namespace volley::cli {
namespace {

constexpr Duration kAnswerWithin = std::chrono::minutes(2);

// A data directory of its own: whatever else waits in the real queue is neither sent nor counted.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "volley-proof-XXXXXX").string();
    if (mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

Status queue_one(queue::Store& store, const SendPlan& plan, const SendOptions& options, const Address& to,
                 const ListRow& row) {
  queue::Campaign record = plan.campaign(options);
  record.stream = record.hold = false;
  auto created = store.create(record, plan.content.to_bytes());
  if (!created) return created.error();
  auto epoch = store.begin_import(record.id);
  if (!epoch) return epoch.error();
  auto now = store.now_ms();
  if (!now) return now.error();

  const std::vector<std::string_view> values(row.values.begin(), row.values.end());
  const std::string address = to.str();
  queue::Recipient recipient;
  recipient.number = row.number;
  recipient.address = address;
  recipient.values = values;
  recipient.enqueued_ms = *now;
  queue::ChunkBuilder builder;
  builder.add(recipient);

  queue::ImportFlush flush;
  const std::string domain = queue::queue_domain(to.domain, row.number);
  flush.partition = queue::partition_of(domain, store.partitions());
  flush.mark = row.number;
  flush.parts.push_back({domain, 1, builder.encode()});
  if (Status status = store.import(record.id, record.lane, *epoch, {&flush, 1}); !status) return status;
  return store.close_import(record.id, *epoch, 1, 0, 0);
}

// Until the recipient is final, or was deferred once.
Result<queue::Counts> wait_for_answer(queue::Store& store, const std::string& id) {
  const TimePoint deadline = monotonic_now() + kAnswerWithin;
  queue::Counts counts;
  while (monotonic_now() < deadline && !interrupted()) {
    auto now = store.counts(id);
    if (!now) return now;
    counts = *now;
    if (counts.queued == 0 || counts.deferrals > 0) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return counts;
}

// The log's last line: what the receiver answered.
std::string last_event(const std::string& path) {
  auto text = read_file(path);
  if (!text || text->empty()) return {};
  text->pop_back();
  return text->substr(text->rfind('\n') + 1);
}

int deliver(const SendPlan& plan, const SendOptions& options, Settings settings, Host& host, const Address& to,
            const ListRow& row) {
  settings.queue_url.clear();
  auto place = Workplace::open(settings, Access::kEngine);
  if (!place) return report(place.error());
  if (Status status = queue_one((*place)->store(), plan, options, to, row); !status) return report(status.error());

  const std::string events_path = settings.data + "/events.jsonl";
  metrics::EventLogOptions log;
  log.path = events_path;
  auto events = metrics::EventLog::open(log);
  if (!events) return report(events.error());
  metrics::Registry registry;
  EngineRequest request{&settings, options.routes, 1, settings.data, (*place)->url(), (*place)->engine_id(),
                        (*place)->store().dedupe_key(), (*place)->store().partitions(), &plan.keys, &registry,
                        events->get()};
  auto engine = host.start_engine(request);
  if (!engine) return report(engine.error());
  auto counts = wait_for_answer((*place)->store(), plan.spec.identity());
  (*engine)->drain(std::chrono::seconds(5));
  engine->reset();
  (*events)->flush();
  if (!counts) return report(counts.error());
  const std::string event = last_event(events_path);
  std::string way = proof_way(event, options.routes);
  if (!way.empty()) way.insert(0, ", ");
  if (options.json && !event.empty()) std::printf("%s\n", event.c_str());
  if (counts->delivered == 1) {
    if (!options.json) {
      std::printf("proof of row %llu delivered to %s%s\n",
                  static_cast<unsigned long long>(row.number), to.str().c_str(), way.c_str());
    }
    return kExitFinished;
  }
  return report({counts->bounced > 0 ? Errc::kData : Errc::kTempFail,
                 "the proof of row " + std::to_string(row.number) + " was not delivered to " + to.str() + way + ": " +
                     proof_answer(event)});
}

}  // namespace

std::string proof_way(std::string_view event, const std::vector<std::string>& routes) {
  const nlohmann::json line = nlohmann::json::parse(event, nullptr, false);
  if (!line.is_object()) return {};
  const std::string site = line.value("site", ""), host = line.value("host", "");
  const bool routed = std::any_of(routes.begin(), routes.end(), [&](const std::string& route) {
    return !site.empty() && ascii_lower(route).ends_with('=' + site);
  });
  if (routed) return "by the route to " + site;
  if (host.empty()) return {};
  return (site == "relay" ? "through the relay " : "directly to ") + host;
}

std::string proof_answer(std::string_view event) {
  const nlohmann::json line = nlohmann::json::parse(event, nullptr, false);
  if (!line.is_object()) return "no answer within two minutes";
  const std::string kind = line.value("event", "");
  std::string out = kind == "deferred" ? "deferred, and a campaign would try again" : kind;
  const char* before = ": ";
  const int code = line.value("code", 0);
  for (const std::string& part : {code > 0 ? std::to_string(code) : "", line.value("enhanced", ""), line.value("text", "")}) {
    if (part.empty()) continue;
    out += before + part;
    before = " ";
  }
  return out;
}

int send_proof(const SendPlan& plan, const SendOptions& options, const Settings& settings, Host& host) {
  auto to = parse_address(options.proof);
  if (!to) return report({Errc::kUsage, "--proof " + options.proof + ": " + to.error().message});
  auto row = read_row(plan.list, std::max<uint64_t>(options.row, 1));
  if (!row) return report(row.error());
  TemporaryDirectory directory;
  if (directory.path().empty()) return report({Errc::kCantCreate, "no temporary directory: is TMPDIR writable?"});
  Settings own = settings;
  own.data = directory.path();
  return deliver(plan, options, own, host, *to, *row);
}

}  // namespace volley::cli
