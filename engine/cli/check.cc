// volley check: validates volley.toml, the files it names, and campaign files, without touching queue or network.
#include <cstdio>

#include "base/files.h"
#include "base/net/tls.h"
#include "engine/cli/context.h"
#include "engine/cli/exit_code.h"
#include "engine/cli/interrupt.h"
#include "engine/cli/send_plan.h"
#include "queue/url.h"

namespace volley::cli {
namespace {

struct Options {
  CommonOptions common;
  std::vector<std::string> campaigns;
  std::vector<std::string> routes;
};

Status check_settings(const Settings& settings) {
  auto keys = message::DkimKeyRing::load(settings.dkim);
  if (!keys) return keys.error();
  for (const std::string& warning : keys->warnings()) std::fprintf(stderr, "volley: warning: %s\n", warning.c_str());
  for (const std::string& file : {settings.http_token_file, settings.queue_password_file}) {
    if (file.empty()) continue;
    auto secret = read_secret(file);
    if (!secret) return secret.error();
  }
  if (settings.relay) {
    auto credentials = relay_credentials(*settings.relay, settings.path);
    if (!credentials) return credentials.error();
  }
  if (!settings.ca_file.empty()) {
    net::TlsClientOptions tls;
    tls.ca_file = settings.ca_file;
    auto context = net::TlsContext::client(tls);
    if (!context) return Error{context.error().code, settings.path + ": [tls] ca_file: " + context.error().message};
  }
  if (!settings.queue_url.empty()) {
    auto url = queue::QueueUrl::parse(settings.queue_url);
    if (!url) return url.error();
  }
  if (!settings.http_listen.empty() && settings.http_token_file.empty()) {
    return Error{Errc::kConfig, settings.path + ": [http] listen needs a token_file: whoever reaches the port may send"};
  }
  return {};
}

int check(const Options& options, Host& host) {
  auto settings = settings_for(options.common);
  if (!settings) return report(settings.error());
  if (Status status = check_settings(*settings); !status) return report(status.error());
  std::printf("%s: ok\n", settings->path.empty() ? "defaults (no volley.toml)" : settings->path.c_str());
  int code = kExitFinished;
  for (const std::string& file : options.campaigns) {
    SendOptions send;
    send.campaign_file = file;
    send.routes = options.routes;
    send.dry_run = true;
    auto plan = make_plan(send, *settings, host, interrupt_flag());
    if (!plan) {
      code = report(plan.error());
      continue;
    }
    std::printf("%s: ok, %llu rows, %llu invalid, %s\n", file.c_str(), static_cast<unsigned long long>(plan->facts.rows),
                static_cast<unsigned long long>(plan->facts.invalid), plan->sign ? "signed" : "unsigned");
  }
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
