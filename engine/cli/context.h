// What every command gets: the host, and the options that all of them take.
//
// Thread  The main thread. `exit_code` is what main returns.
#pragma once

#include <string>

#include "engine/cli/command.h"
#include "engine/cli/host.h"

namespace volley::cli {

struct CommonOptions {
  std::string config;   // -c
  std::string data;     // --data
  std::string queue;    // --queue
  bool json = false;    // --json, where a command prints results
};

struct Context {
  Host& host;
  int exit_code = 0;
};

// -c, --data, --queue (and --json) on a subcommand.
void add_common(Command& command, CommonOptions& options, bool with_json = true);
// volley.toml with the command line's --data and --queue put in; sets the log level.
Result<Settings> settings_for(const CommonOptions& options);

// One function per subcommand, each in a file of its own.
void add_send(Command& root, Context& context);
void add_serve(Command& root, Context& context);
void add_campaign(Command& root, Context& context);
void add_campaign_export(Command& campaign, Context& context);  // `volley campaign export`
void add_campaign_purge(Command& campaign, Context& context);
void add_campaign_retry(Command& campaign, Context& context);
void add_campaign_update(Command& campaign, Context& context);
void add_queue(Command& root, Context& context);
void add_queue_reconcile(Command& queue, Context& context);
void add_queue_repair(Command& queue, Context& context);  // `volley queue repair`, `volley queue damaged`
void add_forget(Command& root, Context& context);
void add_trace(Command& root, Context& context);
void add_status(Command& root, Context& context);
void add_render(Command& root, Context& context);
void add_sink(Command& root, Context& context);
void add_check(Command& root, Context& context);
void add_dkim(Command& root, Context& context);

// Parses the command line, runs the command, returns the exit code.
int run(int argc, char** argv, Host& host);

}  // namespace volley::cli
