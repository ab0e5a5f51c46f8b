// volley send: one campaign, from the file to the summary.
#include <unistd.h>

#include <cstdio>

#include "base/units.h"
#include "engine/cli/context.h"
#include "engine/cli/exit_code.h"
#include "engine/cli/interrupt.h"
#include "engine/cli/proof.h"
#include "engine/cli/send_plan.h"
#include "engine/cli/send_run.h"

namespace volley::cli {
namespace {

struct Options : SendOptions {
  CommonOptions common;
};

// What a person should see before 100,000 messages leave.
bool confirmed(const SendPlan& plan, const SendOptions& options, const Settings& settings) {
  if (options.yes || options.hold || isatty(STDIN_FILENO) == 0 || isatty(STDERR_FILENO) == 0) return true;
  const auto& facts = plan.facts;
  if (facts.rows > 0) {
    std::fprintf(stderr, "%s recipients in %s domains, %s %s\n", format_count(facts.rows - facts.invalid).c_str(),
                 format_count(facts.domains).c_str(),
                 plan.routed ? "all routed as --route says" : ("sent directly to their MX, as " + settings.hostname).c_str(),
                 plan.sign ? ("(signed for " + plan.from_domain + ")").c_str() : "(unsigned)");
  }
  if (auto message = render_one(plan, 1, facts.first_email, facts.first_values)) {
    std::fprintf(stderr, "First message:\n\n%.*s\n", static_cast<int>(std::min<size_t>(message->size(), 4000)),
                 message->c_str());
  }
  std::fprintf(stderr, "Send? [y/N] ");
  const int answer = std::getchar();
  return answer == 'y' || answer == 'Y';
}

int print_dry_run(const SendPlan& plan) {
  std::printf("%s rows read, %s invalid, %s domains; every valid row was rendered; nothing was queued\n",
              format_count(plan.facts.rows).c_str(), format_count(plan.facts.invalid).c_str(),
              format_count(plan.facts.domains).c_str());
  return kExitFinished;
}

int finish(SendRun& run, const Status& status, bool json) {
  auto summary = run.summary();
  if (!status) report(status.error());
  if (!summary) return report(summary.error());
  if (json) {
    std::printf("%s\n", summary->json().c_str());
  } else {
    std::printf("%s", summary->text().c_str());
  }
  if (std::fflush(stdout) != 0) return exit_code(Errc::kIo);
  if (!status) return exit_code(status.error().code);
  return summary->finished() ? kExitFinished : kExitTempFail;
}

// Nothing was queued; a script still gets its line.
int refused(const Options& options, const Error& error) {
  const int code = report(error);
  if (options.json && (error.code == Errc::kData || error.code == Errc::kTempFail)) {
    Summary nothing;
    nothing.campaign.state = queue::CampaignState::kCancelled;
    nothing.campaign.reason = error.message;
    nothing.campaign.rejects_path = options.rejects;
    std::printf("%s\n", nothing.json().c_str());
  }
  return code;
}

int send(Options& options, Host& host) {
  watch_interrupts();
  options.json = options.common.json;
  auto settings = settings_for(options.common);
  if (!settings) return report(settings.error());
  auto plan = make_plan(options, *settings, host, interrupt_flag());
  if (!plan) return refused(options, plan.error());
  if (options.dry_run) return print_dry_run(*plan);
  if (!options.proof.empty()) return send_proof(*plan, options, *settings, host);

  SendRun run(*plan, options, *settings, host);
  if (!confirmed(*plan, options, *settings)) {
    std::fprintf(stderr, "volley: nothing was sent\n");
    return kExitTempFail;
  }
  if (Status status = run.open(); !status) return report(status.error());
  const Status status = run.run();
  return finish(run, status, options.common.json);
}

}  // namespace

void add_send(Command& root, Context& context) {
  auto options = std::make_shared<Options>();
  Command command = root.subcommand("send", "import a campaign, send it, follow it to the end");
  command.footer(
      "Ctrl-C pauses; the same command resumes. A finished campaign prints its summary again and sends nothing.");
  add_common(command, options->common);
  command.argument("campaign", options->campaign_file, "campaign file", "CAMPAIGN.toml");
  command.text("--recipients", options->recipients, "the list, instead of the campaign's", "FILE");
  command.texts("--route", options->routes, "deliver a domain ('*': all) there, without MX", "DOMAIN=HOST:PORT");
  command.number("--connections", options->connections, "at most N connections per site", 1);
  command.flag("--stream", options->stream, "start sending while the list is still being imported");
  command.flag("--yes", options->yes, "do not ask");
  command.text("--http", options->http, "serve /metrics there while sending", "HOST:PORT");
  command.text("--events", options->events, "delivery event log", "FILE");
  command.text("--rejects", options->rejects, "where refused rows go", "FILE");
  command.flag("--dry-run", options->dry_run, "read and render every row, queue nothing");
  command.flag("--hold", options->hold, "import only; `volley campaign resume` or the same command without --hold sends");
  command.text("--proof", options->proof, "send one real message of this campaign there, counted nowhere", "ADDRESS");
  command.number("--row", options->proof_row, "which row of the list --proof renders", 1);
  command.action([options, &context] { context.exit_code = send(*options, context.host); });
}

}  // namespace volley::cli
