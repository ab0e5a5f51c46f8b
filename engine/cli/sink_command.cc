// volley sink: the test receiver, until interrupted.
#include <CLI/CLI.hpp>
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
  unsigned delay_ms = 0;
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

void add_sink(CLI::App& root, Context& context) {
  auto options = std::make_shared<Options>();
  CLI::App* command = root.add_subcommand("sink", "a receiver to test against: accepts everything, keeps nothing");
  add_common(*command, options->common, false);
  command->add_option("--listen", options->sink.listen, "default 127.0.0.1:2525; port 0 takes a free one")->type_name("HOST:PORT");
  command->add_option("--log", options->sink.log, "one JSON line per message")->type_name("FILE");
  command->add_option("--threads", options->sink.threads, "loops")->check(CLI::Range(1, 64));
  command->add_option("--rule", options->rules, "answer STEP:ODDS[:MATCH[=TIMES]]:REPLY, e.g. 'rcpt:0.1:451 4.7.1 later'")
      ->type_name("RULE")
      ->allow_extra_args(false);
  command->add_option("--delay", options->delay_ms, "before every reply")->type_name("MS");
  command->add_option("--max-connections", options->sink.max_connections, "421 beyond");
  command->add_option("--max-messages", options->sink.max_messages, "per connection, then 421");
  command->add_option("--seed", options->sink.seed, "of the odds");
  command->add_flag("--no-starttls", options->no_tls, "offer no TLS");
  command->add_flag("--no-pipelining", options->no_pipelining, "offer no PIPELINING");
  command->callback([options, &context] { context.exit_code = run_sink(*options); });
}

}  // namespace volley::cli
