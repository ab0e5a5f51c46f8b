// volley check: validates volley.toml, the files it names, and campaign files, without touching queue or network.
#include <cstdio>

#include "engine/cli/context.h"
#include "engine/cli/exit_code.h"
#include "engine/cli/interrupt.h"
#include "engine/cli/metrics_http.h"
#include "engine/cli/named_files.h"
#include "engine/cli/send_plan.h"

namespace volley::cli {
namespace {

struct Options {
  CommonOptions common;
  std::vector<std::string> campaigns;
  std::vector<std::string> routes;
};

Status check_settings(const Settings& settings) {
  if (Status status = check_named_files(settings); !status) return status;
  return check_http(settings);
}

Status check_campaign(const std::string& file, const Options& options, const Settings& settings,
                      Host& host) {
  SendOptions send;
  send.campaign_file = file;
  send.routes = options.routes;
  send.dry_run = true;
  auto plan = make_plan(send, settings, host, interrupt_flag());
  if (!plan) return plan.error();
  if (Status status = check_sendable(*plan, settings); !status) return status;
  std::printf("%s: ok, %llu rows, %llu invalid, %llu duplicate, %s\n", file.c_str(),
              static_cast<unsigned long long>(plan->facts.rows),
              static_cast<unsigned long long>(plan->facts.invalid),
              static_cast<unsigned long long>(plan->facts.duplicate),
              plan->sign ? "signed" : "unsigned");
  return {};
}

// The configuration is fine only when it is for every campaign: "ok" is said of it last.
int check(const Options& options, Host& host) {
  auto settings = settings_for(options.common);
  if (!settings) return report(settings.error());
  if (Status status = check_settings(*settings); !status) return report(status.error());
  int code = kExitFinished;
  bool fits = true;
  for (const std::string& file : options.campaigns) {
    const Status status = check_campaign(file, options, *settings, host);
    if (status) continue;
    code = report(status.error());
    fits &= status.error().code != Errc::kConfig;
  }
  if (fits)
    std::printf("%s: ok\n",
                settings->path.empty() ? "defaults (no volley.toml)" : settings->path.c_str());
  return code;
}

}  // namespace

void add_check(Command& root, Context& context) {
  auto options = std::make_shared<Options>();
  Command command = root.subcommand("check", "validate configuration and campaigns");
  add_common(command, options->common, false);
  command.arguments("campaigns", options->campaigns, "campaign files, lists included", "CAMPAIGN.toml");
  command.texts("--route", options->routes, "as for send", "DOMAIN=HOST:PORT");
  command.action([options, &context] { context.exit_code = check(*options, context.host); });
}

}  // namespace volley::cli
