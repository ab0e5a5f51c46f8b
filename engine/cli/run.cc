#include "engine/cli/context.h"
#include "engine/cli/exit_code.h"

namespace volley::cli {

void add_common(Command& command, CommonOptions& options, bool with_json) {
  command.text("-c,--config", options.config, "configuration (default: ./volley.toml, /etc/volley/volley.toml)", "FILE");
  command.text("--data", options.data, "data directory: embedded queue, journal, event log", "DIR");
  command.text("--queue", options.queue, "external queue: redis://HOST[:PORT][/DB] or redis+unix://PATH", "URL");
  if (with_json) command.flag("--json", options.json, "machine-readable output");
}

Result<Settings> settings_for(const CommonOptions& options) {
  auto settings = load_settings(options.config);
  if (!settings) return settings;
  if (!options.data.empty()) settings->data = options.data;
  if (!options.queue.empty()) {
    settings->queue_url = options.queue;
    settings->places.queue_url.clear();
  }
  set_log_level(settings->log_level);
  return settings;
}

int run(int argc, char** argv, Host& host) {
  Context context{host};
  const ParseOutcome parsed = parse_command_line(
      argc, argv, "Volley: a bulk mail sending engine", "volley " VOLLEY_VERSION, [&context](Command& root) {
        root.needs_subcommand();
        root.footer(
            "Exit codes: 0 finished, 64 usage, 65 data, 66 no such file or queue, 69 queue unavailable or data directory in use,\n"
            "73/74 disk, 75 paused or still queued, 77 refused credentials, 78 configuration.");
        add_send(root, context);
        add_serve(root, context);
        add_campaign(root, context);
        add_queue(root, context);
        add_trace(root, context);
        add_forget(root, context);
        add_status(root, context);
        add_render(root, context);
        add_check(root, context);
        add_dkim(root, context);
        add_sink(root, context);
      });
  return parsed.run ? context.exit_code : parsed.exit_code;
}

}  // namespace volley::cli
