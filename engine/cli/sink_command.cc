// volley sink: the test receiver, until interrupted.
#include <cstdio>
#include <thread>

#include "engine/cli/context.h"
#include "engine/cli/exit_code.h"
#include "engine/cli/interrupt.h"
#include "engine/sink/sink.h"

namespace volley::cli {
namespace {

struct Options {
  CommonOptions common;
  sink::Options sink;
  std::vector<std::string> rules;
  uint32_t delay_ms = 0;
  bool no_tls = false, no_pipelining = false;
};

int run_sink(Options& options) {
  watch_interrupts();
  if (auto settings = settings_for(options.common); !settings) return report(settings.error());
  options.sink.delay = std::chrono::milliseconds(options.delay_ms);
  options.sink.starttls = !options.no_tls;
  options.sink.pipelining = !options.no_pipelining;
  for (const std::string& text : options.rules) {
    auto rule = sink::parse_rule(text);
    if (!rule) return report(rule.error());
    options.sink.rules.push_back(*rule);
  }
  auto sink = sink::Sink::start(options.sink);
  if (!sink) return report(sink.error());
  std::printf("listening %s\n", (*sink)->address().c_str());
  std::fflush(stdout);
  while (!interrupted()) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const sink::Totals totals = (*sink)->totals();
  std::fprintf(stderr, "%llu connections, %llu messages, %llu bytes, %llu refused\n",
               static_cast<unsigned long long>(totals.connections), static_cast<unsigned long long>(totals.messages),
               static_cast<unsigned long long>(totals.bytes), static_cast<unsigned long long>(totals.refused));
  return kExitFinished;
}

}  // namespace

void add_sink(Command& root, Context& context) {
  auto options = std::make_shared<Options>();
  Command command = root.subcommand("sink", "a receiver to test against: accepts everything, keeps nothing");
  add_common(command, options->common, false);
  command.text("--listen", options->sink.listen, "default 127.0.0.1:2525; port 0 takes a free one", "HOST:PORT");
  command.text("--log", options->sink.log, "one JSON line per message", "FILE");
  command.number("--threads", options->sink.threads, "loops", 1, 64);
  command.texts("--rule", options->rules,
                "answer STEP:ODDS[:MATCH[=TIMES]]:REPLY, e.g. 'rcpt:0.1:451 4.7.1 later'", "RULE");
  command.number("--delay", options->delay_ms, "milliseconds before every reply");
  command.number("--max-connections", options->sink.max_connections, "421 beyond");
  command.number("--max-messages", options->sink.max_messages, "per connection, then 421");
  command.number("--seed", options->sink.seed, "of the odds");
  command.flag("--no-starttls", options->no_tls, "offer no TLS");
  command.flag("--no-pipelining", options->no_pipelining, "offer no PIPELINING");
  command.action([options, &context] { context.exit_code = run_sink(*options); });
}

}  // namespace volley::cli
