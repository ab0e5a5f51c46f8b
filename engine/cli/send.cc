// volley send: one campaign, from the file to the summary.
#include <unistd.h>

#include <cstdio>

#include "engine/cli/context.h"
#include "engine/cli/exit_code.h"
#include "engine/cli/interrupt.h"
#include "engine/cli/last_words.h"
#include "engine/cli/proof.h"
#include "engine/cli/send_plan.h"
#include "engine/cli/send_preview.h"
#include "engine/cli/send_run.h"

namespace volley::cli {
namespace {

struct Options : SendOptions {
  CommonOptions common;
};

constexpr size_t kShownMessage = 4000;

// What a person should see before 100,000 messages leave.
void show_what_leaves(const SendPlan& plan, const SendRun& run) {
  const std::string how = plan.way + (plan.sign ? " (signed for " + plan.from_domain + ")" : " (unsigned)");
  if (run.started_before()) {
    std::fputs(rest_text(*run.started_before(), run.last_known().counts, how).c_str(), stderr);
    return;
  }
  if (plan.facts.rows > 0) std::fputs(recipients_text(plan.facts, how, plan.rejects_path).c_str(), stderr);
  if (auto message = render_one(plan, 1, plan.facts.first_email, plan.facts.first_values)) {
    std::fprintf(stderr, "First message:\n\n%s\n", message_text(*message, kShownMessage).c_str());
  }
}

bool confirmed(const SendPlan& plan, const SendRun& run, const SendOptions& options) {
  if (options.yes || options.hold || isatty(STDIN_FILENO) == 0 || isatty(STDERR_FILENO) == 0) return true;
  show_what_leaves(plan, run);
  std::fprintf(stderr, "Send? [y/N] ");
  const int answer = std::getchar();
  if (answer == EOF) std::fprintf(stderr, "\n");  // Ctrl-C or Ctrl-D: the line is not ended yet
  return answer == 'y' || answer == 'Y';
}

int print_dry_run(const SendPlan& plan, bool json) {
  std::printf("%s", json ? (dry_run_json(plan.facts) + '\n').c_str() : dry_run_text(plan.facts).c_str());
  return std::fflush(stdout) == 0 ? kExitFinished : exit_code(Errc::kIo);
}

int finish(SendRun& run, Status status, LastWords& words) {
  auto summary = run.summary();
  if (!summary && status) status = summary.error();
  if (!status) report(status.error());
  Summary last = summary ? *summary : run.last_known();
  if (!summary) {
    last.campaign.reason = std::string(interrupted() ? "interrupted; " : "") + "these are the last known counts: " +
                           summary.error().message;
  }
  const int code = !status ? exit_code(status.error().code) : last.finished() ? kExitFinished : kExitTempFail;
  if (Status said = words.say(last, code); !said) return exit_code(said.error().code);
  return code;
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
  if (Status status = check_options(options); !status) return report(status.error());
  watch_interrupts();
  options.json = options.common.json;
  auto settings = settings_for(options.common);
  if (!settings) return report(settings.error());
  auto plan = make_plan(options, *settings, host, interrupt_flag());
  if (!plan) return refused(options, plan.error());
  if (options.dry_run) return print_dry_run(*plan, options.json);
  if (!options.hold) {
    if (Status status = check_sendable(*plan, *settings); !status) return report(status.error());
  }
  if (!options.proof.empty()) return send_proof(*plan, options, *settings, host);

  LastWords words(options.json);
  SendRun run(*plan, options, *settings, host, words);
  if (Status status = run.open(); !status) return report(status.error());
  if (!run.already_finished()) {
    if (!confirmed(*plan, run, options)) {
      std::fprintf(stderr, "volley: nothing was sent\n");
      return kExitTempFail;
    }
    if (Status status = run.begin(); !status) return report(status.error());
  }
  const Status status = run.run();
  return finish(run, status, words);
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
  command.flag("--hold", options->hold,
               "import only; the same command without --hold sends, or `volley campaign resume` where `volley serve` runs");
  command.text("--proof", options->proof, "send one real message of this campaign there, counted nowhere", "ADDRESS");
  command.number("--row", options->row, "which row of the list --proof renders (default 1)", 1);
  command.action([options, &context] { context.exit_code = send(*options, context.host); });
}

}  // namespace volley::cli
