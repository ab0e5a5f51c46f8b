#include "engine/cli/send_plan.h"

#include "base/files.h"
#include "base/random.h"
#include "engine/cli/named_files.h"
#include "engine/message/campaign_content.h"

namespace volley::cli {
namespace {

int64_t ms_or(const std::optional<Duration>& value, int64_t fallback) {
  return value ? std::chrono::duration_cast<std::chrono::milliseconds>(*value).count() : fallback;
}

void plan_way(SendPlan& plan, const SendOptions& options, const Settings& settings, bool all_routed) {
  plan.routed = all_routed || settings.relay;
  const std::string but = options.routes.empty() ? "" : ", but for what --route says";
  plan.way = all_routed       ? "all routed as --route says"
             : settings.relay ? "sent through the relay " + settings.relay->address() + but
                              : "sent directly to their MX, as " + settings.hostname + but;
}

Result<std::unique_ptr<message::Renderer>> compile(const SendPlan& plan) {
  return message::Renderer::compile(plan.content, plan.facts.columns);
}

intake::RowVisitor dry_run_visitor(const message::Renderer& renderer, const std::string& host, std::string& scratch) {
  return [&renderer, &host, &scratch](uint64_t number, std::string_view email,
                                      std::span<const std::string_view> values) {
    return renderer.render({number, email, values}, {wall_now(), host}, scratch);
  };
}

Status read_list(SendPlan& plan, const SendOptions& options, const std::atomic<bool>& stop) {
  auto head = intake::look_at_list(plan.list, options.stream);
  if (!head) return head.error();
  plan.facts = *head;
  auto renderer = compile(plan);
  if (!renderer) return renderer.error();
  plan.from_domain = (*renderer)->from_domain();
  if (options.stream && !options.dry_run) return {};
  const std::string key = std::to_string(Random::seed_from_system());  // the queue, which has its own, is not open yet
  auto suppressed = intake::SuppressionList::load(plan.spec.suppress, key);
  if (!suppressed) return suppressed.error();
  std::string scratch;
  intake::RowVisitor visit;
  if (options.dry_run) visit = dry_run_visitor(**renderer, plan.from_domain, scratch);
  auto facts = intake::inspect(plan.list, stop, visit, plan.rejects_path, &*suppressed, key);
  if (!facts) return facts.error();
  plan.facts = *facts;
  return {};
}

}  // namespace

Status check_options(const SendOptions& options) {
  const bool proof = !options.proof.empty();
  const auto usage = [](const char* message) { return Error{Errc::kUsage, message}; };
  if (options.row > 0 && !proof) return usage("--row goes with --proof ADDRESS: without it, the whole list would be sent");
  if (options.dry_run && proof) return usage("--dry-run sends nothing, --proof sends a message: give one of them");
  if (options.dry_run && options.hold) return usage("--dry-run queues nothing, --hold queues the list: give one of them");
  if (proof && options.hold) return usage("--proof sends one message, --hold queues the list: give one of them");
  if (options.stream && options.hold) {
    return usage("--stream starts sending while the list is read, --hold sends nothing: give one of them");
  }
  return {};
}

std::string rejects_path(const SendOptions& options, const Settings& settings, const message::CampaignSpec& spec) {
  if (!options.rejects.empty()) return options.rejects;
  // What only looks leaves no file behind.
  return options.dry_run || !options.proof.empty() ? "" : settings.data + "/rejects-" + spec.identity() + ".csv";
}

Result<SendPlan> make_plan(const SendOptions& options, const Settings& settings, Host& host,
                           const std::atomic<bool>& stop) {
  SendPlan plan;
  bool all_routed = false;
  if (Status status = host.check_routes(options.routes, &all_routed); !status) return status.error();
  plan_way(plan, options, settings, all_routed);
  auto spec = message::load_campaign(options.campaign_file);
  if (!spec) return spec.error();
  plan.spec = std::move(*spec);
  if (Status status = queue::check_campaign_id(plan.spec.identity()); !status) {
    return Error{Errc::kData, plan.spec.path + ": " + status.error().message};
  }
  auto content = message::load_content(plan.spec);
  if (!content) return content.error();
  plan.content = std::move(*content);
  if (options.stream && (plan.spec.start_ms || !plan.spec.window.empty())) {
    return Error{Errc::kUsage, "--stream starts sending while the list is read; " + plan.spec.path +
                                   " says by `start` or `window` when that may be: leave --stream out"};
  }

  plan.list.path = options.recipients.empty() ? plan.spec.recipients : options.recipients;
  if (plan.list.path.empty()) {
    return Error{Errc::kData, plan.spec.path + ": no `recipients`, and no --recipients FILE either"};
  }
  plan.list.encoding = plan.spec.encoding == message::ListEncoding::kUtf8 ? "utf-8" : "windows-1252";
  plan.list.max_invalid = plan.spec.max_invalid;
  plan.rejects_path = rejects_path(options, settings, plan.spec);
  if (!plan.rejects_path.empty() && options.rejects.empty()) {
    if (Status status = make_directories(settings.data); !status) return status.error();
  }
  if (Status status = read_list(plan, options, stop); !status) return status.error();

  auto keys = dkim_keys(settings);
  if (!keys) return keys.error();
  plan.keys = std::move(*keys);
  plan.sign = plan.spec.sign != false && !plan.keys.find(plan.from_domain).empty();
  if (plan.spec.sign == true && !plan.sign) {
    return Error{Errc::kConfig, plan.spec.path + ": `sign = true`, but there is no DKIM key for " + plan.from_domain};
  }
  return plan;
}

Status check_sendable(const SendPlan& plan, const Settings& settings) {
  if (plan.routed) return {};
  const std::string where = settings.file();
  if (settings.hostname.empty()) {
    return Error{
        Errc::kConfig,
        where +
            ": direct delivery needs `hostname`: a fully qualified name whose address is this "
            "machine's and whose PTR points back (or use [relay] or --route '*=HOST:PORT')"};
  }
  if (!plan.sign && plan.spec.sign != false) {
    return Error{Errc::kConfig, where + ": direct delivery needs a DKIM key for " +
                                    plan.from_domain + ": run `volley dkim keygen --domain " +
                                    plan.from_domain + "` and add [dkim.\"" + plan.from_domain +
                                    "\"], or set `sign = false` in " + plan.spec.path};
  }
  return {};
}

queue::Campaign SendPlan::campaign(const SendOptions& options) const {
  queue::Campaign record;
  record.id = spec.identity();
  record.name = spec.name;
  record.stream = options.stream;
  record.hold = options.hold;
  record.list_fingerprint = facts.fingerprint;
  record.content_fingerprint = content.fingerprint();
  record.columns = facts.columns;
  record.weight = spec.priority;
  record.rate = spec.rate.value_or(0);
  record.retry.first_delay_ms = ms_or(spec.first_delay, record.retry.first_delay_ms);
  record.retry.max_delay_ms = ms_or(spec.max_delay, record.retry.max_delay_ms);
  record.retry.give_up_after_ms = ms_or(spec.give_up_after, record.retry.give_up_after_ms);
  record.start_ms = spec.start_ms.value_or(0);
  record.end_ms = spec.end_ms.value_or(0);
  record.window = spec.window;
  record.stop_bounced = spec.stop_bounced.value_or(0);
  record.stop_after = spec.stop_after;
  record.canary = spec.canary;
  record.from_domain = from_domain;
  // Held before it is known how it leaves: directly it must not leave unsigned, and then waits for an engine with the key.
  record.sign = sign || (options.hold && !routed && spec.sign != false);
  record.rejects_path = rejects_path;
  return record;
}

Result<std::string> render_one(const SendPlan& plan, uint64_t number, std::string_view email,
                               std::span<const std::string> values) {
  auto renderer = compile(plan);
  if (!renderer) return renderer.error();
  const std::vector<std::string_view> views(values.begin(), values.end());
  const WallTime now = wall_now();
  std::string out;
  if (Status status = (*renderer)->render({number, email, views}, {now, plan.from_domain}, out); !status) {
    return status.error();
  }
  if (plan.sign) {
    const auto signers = plan.keys.find(plan.from_domain);
    if (Status status = message::dkim_sign(out, signers, now); !status) return status.error();
  }
  return out;
}

}  // namespace volley::cli
