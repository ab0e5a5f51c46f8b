#include "engine/cli/command.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/nearest.h"
#include "engine/cli/exit_code.h"

namespace volley::cli {

Command Command::subcommand(const std::string& name, const std::string& help) {
  return Command(*app_->add_subcommand(name, help));
}

void Command::needs_subcommand() { app_->require_subcommand(1); }
void Command::footer(const std::string& text) { app_->footer(text); }
void Command::action(std::function<void()> run) { app_->callback(std::move(run)); }

void Command::text(const std::string& names, std::string& value, const std::string& help, const std::string& type) {
  app_->add_option(names, value, help)->type_name(type);
}

void Command::texts(const std::string& names, std::vector<std::string>& values, const std::string& help,
                    const std::string& type) {
  app_->add_option(names, values, help)->type_name(type)->allow_extra_args(false);
}

void Command::number(const std::string& names, uint32_t& value, const std::string& help, uint32_t min, uint32_t max) {
  app_->add_option(names, value, help)->type_name("N")->check(CLI::Range(min, max));
}

void Command::number(const std::string& names, uint64_t& value, const std::string& help, uint64_t min) {
  app_->add_option(names, value, help)->type_name("N")->check(CLI::Range(min, UINT64_MAX));
}

void Command::required(const std::string& name) { app_->get_option(name)->required(); }

void Command::choice(const std::string& names, std::string& value, const std::string& help,
                     const std::vector<std::string>& choices) {
  app_->add_option(names, value, help)->check(CLI::IsMember(choices));
}

void Command::flag(const std::string& names, bool& value, const std::string& help) { app_->add_flag(names, value, help); }

void Command::argument(const std::string& name, std::string& value, const std::string& help, const std::string& type) {
  app_->add_option(name, value, help)->required()->type_name(type);
}

void Command::arguments(const std::string& name, std::vector<std::string>& values, const std::string& help,
                        const std::string& type) {
  app_->add_option(name, values, help)->type_name(type);
}

namespace {

// The first word that should be a command and is none, told with the one that was probably meant; CLI11 only says that one is
// required.
std::string unknown_command(CLI::App& root, int argc, char** argv) {
  CLI::App* app = &root;
  std::string said;
  for (int i = 1; i < argc && argv[i][0] != '-'; ++i) {
    const std::string word = argv[i];
    const auto commands = app->get_subcommands([](CLI::App*) { return true; });
    if (commands.empty()) return {};
    Nearest meant(word);
    CLI::App* found = nullptr;
    for (CLI::App* command : commands) {
      meant.consider(command->get_name());
      if (command->get_name() == word) found = command;
    }
    if (found == nullptr) {
      const std::string guess = meant.best().empty() ? "" : fmt::format(" (did you mean \"{}\"?)", meant.best());
      return fmt::format("{0}{1}: no such command{2}: `volley {0}--help` lists them", said, word, guess);
    }
    app = found;
    said += word + ' ';
  }
  return {};
}

}  // namespace

ParseOutcome parse_command_line(int argc, char** argv, const std::string& description, const std::string& version,
                                const std::function<void(Command&)>& define) {
  CLI::App app{description, "volley"};
  app.set_version_flag("--version", version);
  Command root(app);
  define(root);
  if (const std::string unknown = unknown_command(app, argc, argv); !unknown.empty()) {
    return {false, report({Errc::kUsage, unknown})};
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return {false, app.exit(error) == 0 ? kExitFinished : kExitUsage};
  }
  return {true, kExitFinished};
}

}  // namespace volley::cli
