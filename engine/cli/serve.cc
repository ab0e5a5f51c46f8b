// volley serve: the engine as a service, with HTTP API and metrics.
#include <cstdio>
#include <thread>

#include "base/log.h"
#include "engine/cli/context.h"
#include "engine/cli/exit_code.h"
#include "engine/cli/history_check.h"
#include "engine/cli/interrupt.h"
#include "engine/cli/local_events.h"
#include "engine/cli/metrics_http.h"
#include "engine/cli/named_files.h"
#include "engine/cli/queue_gauges.h"
#include "engine/cli/retention.h"
#include "engine/cli/workplace.h"
#include "engine/intake/api.h"
#include "engine/intake/stream_reader.h"

namespace volley::cli {
namespace {

struct Options {
  CommonOptions common;
  std::vector<std::string> routes;
  uint32_t connections = 0;
  std::string http, events;
};

constexpr Duration kDrainLimit = std::chrono::seconds(30);

Status check_identity(const Settings& settings, bool routed) {
  if (routed || !settings.hostname.empty()) return {};
  return Error{Errc::kConfig, settings.file() +
                                  ": direct delivery needs `hostname`, a fully qualified name (or use [relay] or --route)"};
}

Result<std::unique_ptr<metrics::EventLog>> open_events(const Options& options, const Settings& settings,
                                                       metrics::Registry& registry) {
  metrics::EventLogOptions log;
  log.path = events_path(settings, options.events);
  log.max_bytes = settings.events_max_size;
  log.keep = static_cast<unsigned>(settings.events_keep);
  log.counters = &registry.new_shard();
  return metrics::EventLog::open(log);
}

intake::ApiOptions api_options(const Settings& settings, Workplace& place, RunningEngine& engine) {
  intake::ApiOptions out;
  out.queue = place.url();
  out.partitions = place.store().partitions();
  out.memory_durability = place.memory_durability();
  out.senders = settings.senders;
  out.hostname = settings.hostname;
  out.on_queued = [&engine] { engine.wake(); };
  return out;
}

// Null when it is not switched on.
std::unique_ptr<intake::StreamReader> stream_reader(const Settings& settings, Workplace& place, RunningEngine& engine,
                                                    metrics::Registry& registry) {
  if (!settings.intake_stream) return nullptr;
  intake::StreamOptions options;
  options.queue = place.url();
  options.partitions = place.store().partitions();
  options.memory_durability = place.memory_durability();
  options.senders = settings.senders;
  options.engine_id = place.engine_id();
  options.on_queued = [&engine] { engine.wake(); };
  return std::make_unique<intake::StreamReader>(std::move(options), registry);
}

// What is wrong without looking at the queue.
Status check(const Options& options, const Settings& settings, Host& host) {
  bool routed = false;
  if (Status status = host.check_routes(options.routes, &routed); !status) return status;
  if (Status status = check_identity(settings, routed || settings.relay); !status) return status;
  return options.http.empty() ? check_http(settings) : Status();
}

// Null when nobody is to be listened to.
Result<std::unique_ptr<http::Server>> listen(const Options& options, const Settings& settings, const std::string& token, Workplace& place,
                                             intake::Api& api, metrics::Registry& registry) {
  const std::string address = !options.http.empty() ? options.http : settings.http_listen;
  if (address.empty()) return std::unique_ptr<http::Server>();
  auto server = serve_metrics(address, token, registry);
  if (!server) return server.error();
  auto store = place.another_store();
  if (!store) return store.error();
  export_queue(registry, std::move(*store));
  if (!settings.http_token_file.empty()) api.register_routes(**server);
  if (Status status = (*server)->start(); !status) return status.error();
  std::printf("listening http://%s\n", (*server)->address().c_str());
  std::fflush(stdout);
  return server;
}

int serve(const Options& options, Host& host) {
  watch_interrupts();
  auto settings = settings_for(options.common);
  if (!settings) return report(settings.error());
  if (Status status = check(options, *settings, host); !status) return report(status.error());
  auto keys = dkim_keys(*settings);
  if (!keys) return report(keys.error());
  auto token = http_token(*settings);
  if (!token) return report(token.error());

  auto place = Workplace::open(*settings, Access::kEngine);
  if (!place) return report(place.error());
  metrics::Registry registry;
  (*place)->store().set_counters(&registry.new_shard());
  auto events = open_events(options, *settings, registry);
  if (!events) return report(events.error());

  auto history = begin_history(**place);
  if (!history) return report(history.error());
  EngineRequest request{&*settings, options.routes, options.connections, (*place)->data(), (*place)->url(),
                        (*place)->engine_id(), (*place)->store().dedupe_key(), (*place)->store().partitions(), &*keys,
                        &registry, events->get(), *history};
  auto engine = host.start_engine(request);
  if (!engine) return report(engine.error());
  if (Status status = announce(**engine, **place); !status) return report(status.error());
  const auto retention = Retention::open(*settings, **place, events_path(*settings, options.events));
  if (!retention) return report(retention.error());

  intake::Api api(api_options(*settings, **place, **engine), registry);
  const auto reader = stream_reader(*settings, **place, **engine, registry);
  const auto server = listen(options, *settings, *token, **place, api, registry);
  if (!server) return report(server.error());
  if (reader) reader->start();
  log_info("serving");
  while (!interrupted()) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  if (*server) (*server)->stop();
  if (reader) reader->stop();
  const bool drained = (*engine)->drain(kDrainLimit);
  if ((*engine)->unsettled()) std::fputs(kUnsettled, stderr);
  engine->reset();
  (*events)->flush();
  if (const std::string trouble = (*events)->trouble(); !trouble.empty()) {
    return report({Errc::kIo, trouble + "; the last events are not in it"});
  }
  return drained ? kExitFinished : kExitTempFail;
}

}  // namespace

void add_serve(Command& root, Context& context) {
  auto options = std::make_shared<Options>();
  Command command = root.subcommand("serve", "run the engine as a service");
  add_common(command, options->common, false);
  command.texts("--route", options->routes, "deliver a domain ('*': all) there, without MX", "DOMAIN=HOST:PORT");
  command.number("--connections", options->connections, "at most N connections per site", 1);
  command.text("--http", options->http, "listen there instead of [http] listen", "HOST:PORT");
  command.text("--events", options->events, "delivery event log", "FILE");
  command.action([options, &context] { context.exit_code = serve(*options, context.host); });
}

}  // namespace volley::cli
