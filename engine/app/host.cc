#include "engine/app/host.h"

#include <sys/resource.h>

#include <algorithm>
#include <thread>

#include "engine/cli/named_files.h"
#include "engine/delivery/connection_budget.h"
#include "engine/delivery/engine.h"

namespace volley::app {
namespace {

class EngineHandle final : public cli::RunningEngine {
 public:
  explicit EngineHandle(std::unique_ptr<delivery::Engine> engine) : engine_(std::move(engine)) {}
  void wake() override { engine_->wake(); }
  bool drain(Duration limit) override { return engine_->drain(limit); }
  bool unsettled() const override { return engine_->unsettled(); }
  std::string trouble() const override { return engine_->trouble(); }
  std::string status_json() const override { return engine_->status_json(); }

 private:
  std::unique_ptr<delivery::Engine> engine_;
};

delivery::TlsPolicy tls_policy(const std::string& name) {
  if (name == "verified") return delivery::TlsPolicy::kVerified;
  if (name == "required") return delivery::TlsPolicy::kRequired;
  if (name == "never") return delivery::TlsPolicy::kNever;
  return delivery::TlsPolicy::kOpportunistic;
}

delivery::ChunkingPolicy chunking_policy(const std::string& name) {
  if (name == "always") return delivery::ChunkingPolicy::kAlways;
  if (name == "never") return delivery::ChunkingPolicy::kNever;
  return delivery::ChunkingPolicy::kAuto;
}

delivery::SiteLimits site_limits(const cli::LimitSetting& setting) {
  delivery::SiteLimits out;
  if (setting.connections) out.connections = static_cast<uint32_t>(*setting.connections);
  if (setting.messages_per_connection) {
    out.messages_per_connection = static_cast<uint32_t>(*setting.messages_per_connection);
  }
  if (setting.recipients) out.recipients = static_cast<uint32_t>(*setting.recipients);
  if (setting.daily) out.daily = static_cast<uint64_t>(*setting.daily);
  out.rate = setting.rate;
  if (setting.tls) out.tls = tls_policy(*setting.tls);
  return out;
}

delivery::SiteOverride site_override(const cli::SiteSetting& setting) {
  delivery::SiteOverride out;
  out.match = setting.match;
  out.limits = site_limits(setting);
  if (setting.chunking) out.limits.chunking = chunking_policy(*setting.chunking);
  return out;
}

Result<delivery::Relay> relay(const cli::RelaySetting& setting) {
  auto credentials = cli::relay_credentials(setting);
  if (!credentials) return credentials.error();
  delivery::Relay out;
  out.host = setting.host;
  out.port = setting.port;
  out.implicit_tls = setting.implicit_tls;
  if (*credentials) {
    out.login =
        std::make_shared<delivery::RelayLogin>(std::move(*credentials), setting.secret_file());
  }
  out.limits = site_limits(setting.limits);
  return out;
}

uint32_t max_connections(uint32_t wanted) {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) files.rlim_cur = 1024;
  const uint32_t possible = delivery::connections_for_open_files(files.rlim_cur);
  return wanted > 0 ? std::min(wanted, possible) : possible;
}

void set_ms(int64_t& ms, const std::optional<Duration>& setting) {
  if (setting) ms = std::chrono::duration_cast<std::chrono::milliseconds>(*setting).count();
}

Result<delivery::Settings> delivery_settings(const cli::EngineRequest& request) {
  const cli::Settings& from = *request.settings;
  delivery::Settings out;
  out.loops = from.loops > 0 ? from.loops : std::max(1u, std::thread::hardware_concurrency());
  out.hostname = from.hostname;
  out.source_ip = from.source_ip;
  out.smtp_port = from.smtp_port;
  out.max_connections = max_connections(from.max_connections);
  out.rate = from.rate;
  if (from.idle_timeout) out.idle_connection = *from.idle_timeout;
  out.connections_cap = request.connections;
  out.dns = from.dns;
  out.data_directory = request.data_directory;
  for (const std::string& text : request.routes) {
    auto route = delivery::parse_route(text);
    if (!route) return route.error();
    out.routes.push_back(std::move(*route));
  }
  if (from.relay) {
    auto made = relay(*from.relay);
    if (!made) return made.error();
    out.relay = std::move(*made);
  }
  out.ca_file = from.ca_file;
  out.mta_sts = from.mta_sts;
  out.dane = from.dane;
  set_ms(out.singles_retry.first_delay_ms, from.transactional.first_delay);
  set_ms(out.singles_retry.max_delay_ms, from.transactional.max_delay);
  set_ms(out.singles_retry.give_up_after_ms, from.transactional.give_up_after);
  for (const cli::SiteSetting& setting : from.sites) out.sites.push_back(site_override(setting));
  return out;
}

}  // namespace

Result<std::unique_ptr<cli::RunningEngine>> AppHost::start_engine(const cli::EngineRequest& request) {
  if (Status status = cli::check_ca_file(*request.settings); !status) return status.error();
  auto settings = delivery_settings(request);
  if (!settings) return settings.error();
  settings->history = request.history;
  auto engine = delivery::Engine::start(std::move(*settings), request.queue, request.engine_id, request.dedupe_key,
                                        request.partitions, *request.keys, *request.registry, *request.events);
  if (!engine) return engine.error();
  return std::unique_ptr<cli::RunningEngine>(std::make_unique<EngineHandle>(std::move(*engine)));
}

Status AppHost::log_journal(const std::string& data_directory, const std::string& dedupe_key, metrics::EventLog& events) {
  return delivery::log_journal(data_directory, dedupe_key, events);
}

Status AppHost::retire_journal(const std::string& data_directory, const std::string& dedupe_key) {
  return delivery::retire_journal(data_directory, dedupe_key);
}

Status AppHost::check_routes(const std::vector<std::string>& routes, bool* covers_all) {
  *covers_all = false;
  for (const std::string& text : routes) {
    auto route = delivery::parse_route(text);
    if (!route) return Error{Errc::kUsage, "--route " + text + ": " + route.error().message};
    *covers_all |= route->domain == "*";
  }
  return {};
}

}  // namespace volley::app
