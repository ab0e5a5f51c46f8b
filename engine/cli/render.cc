// volley render: the exact bytes for one recipient, signed when there is a key.
#include <algorithm>
#include <cstdio>

#include "base/address.h"
#include "engine/cli/context.h"
#include "engine/cli/exit_code.h"
#include "engine/cli/interrupt.h"
#include "engine/cli/list_row.h"
#include "engine/cli/send_plan.h"

namespace volley::cli {
namespace {

struct Options : SendOptions {
  CommonOptions common;
};

int render(Options& options, Host& host) {
  auto settings = settings_for(options.common);
  if (!settings) return report(settings.error());
  options.stream = true;  // the list need not be read to its end
  options.rejects = "/dev/null";
  auto plan = make_plan(options, *settings, host, interrupt_flag());
  if (!plan) return report(plan.error());
  auto row = read_row(plan->list, std::max<uint64_t>(options.row, 1));
  if (!row) return report(row.error());
  auto address = parse_address(row->email);
  if (!address) return report({Errc::kData, plan->list.path + ": row " + std::to_string(row->number) + ": " +
                                                address.error().message});
  auto message = render_one(*plan, row->number, address->str(), row->values);
  if (!message) return report(message.error());
  std::fwrite(message->data(), 1, message->size(), stdout);
  return std::fflush(stdout) == 0 ? kExitFinished : exit_code(Errc::kIo);
}

}  // namespace

void add_render(Command& root, Context& context) {
  auto options = std::make_shared<Options>();
  Command command = root.subcommand("render", "print the exact message for one recipient");
  add_common(command, options->common, false);
  command.argument("campaign", options->campaign_file, "campaign file", "CAMPAIGN.toml");
  command.text("--recipients", options->recipients, "the list, instead of the campaign's", "FILE");
  command.number("--row", options->row, "which row of the list (default 1)", 1);
  command.action([options, &context] { context.exit_code = render(*options, context.host); });
}

}  // namespace volley::cli
