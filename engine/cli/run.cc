#include <CLI/CLI.hpp>
#include <cstdio>

#include "engine/cli/context.h"
#include "engine/cli/exit_code.h"

namespace volley::cli {

void add_common(CLI::App& command, CommonOptions& options, bool with_json) {
  command.add_option("-c,--config", options.config, "configuration (default: ./volley.toml, /etc/volley/volley.toml)")
      ->type_name("FILE");
  command.add_option("--data", options.data, "data directory: embedded queue, journal, event log")->type_name("DIR");
  command.add_option("--queue", options.queue, "external queue: redis://HOST[:PORT][/DB] or redis+unix://PATH")
      ->type_name("URL");
  if (with_json) command.add_flag("--json", options.json, "machine-readable output");
}

Result<Settings> settings_for(const CommonOptions& options) {
  auto settings = load_settings(options.config);
  if (!settings) return settings;
  if (!options.data.empty()) settings->data = options.data;
  if (!options.queue.empty()) settings->queue_url = options.queue;
  set_log_level(settings->log_level);
  return settings;
}

int run(int argc, char** argv, Host& host) {
  CLI::App app{"Volley: a bulk mail sending engine", "volley"};
  app.set_version_flag("--version", std::string("volley ") + VOLLEY_VERSION);
  app.require_subcommand(1);
  app.footer("Exit codes: 0 finished, 64 usage, 65 data, 66 file, 69 queue unavailable or data directory in use,\n"
             "73/74 disk, 75 paused or still queued, 77 refused credentials, 78 configuration.");
  Context context{host};
  add_send(app, context);
  add_serve(app, context);
  add_campaign(app, context);
  add_status(app, context);
  add_render(app, context);
  add_check(app, context);
  add_dkim(app, context);
  add_sink(app, context);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kExitUsage;
  }
  return context.exit_code;
}

}  // namespace volley::cli
