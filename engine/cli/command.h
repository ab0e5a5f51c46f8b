// Command: what a subcommand's file needs of the option parser; CLI11 stays behind it.
//
// Purpose  A handful of calls instead of a template library in every file (30 s of compiling each, sanitized).
// Ownership A handle: the parser (run.cc) owns the options, the variables they fill outlive the parse.
// Thread   The main thread. Errors: usage errors end the parse with exit code 64.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace volley::cli {

class Command {
 public:
  explicit Command(CLI::App& app) : app_(&app) {}

  Command subcommand(const std::string& name, const std::string& help);
  void needs_subcommand();
  void footer(const std::string& text);
  void action(std::function<void()> run);

  // `names`: "-c,--config"; `type`: what --help calls the value.
  void text(const std::string& names, std::string& value, const std::string& help, const std::string& type = "TEXT");
  void texts(const std::string& names, std::vector<std::string>& values, const std::string& help,
             const std::string& type);  // one value each time it is given
  void number(const std::string& names, uint32_t& value, const std::string& help, uint32_t min = 0,
              uint32_t max = UINT32_MAX);
  void number(const std::string& names, uint64_t& value, const std::string& help, uint64_t min = 0);
  void required(const std::string& name);  // an option that was added
  void choice(const std::string& names, std::string& value, const std::string& help,
              const std::vector<std::string>& choices);
  void flag(const std::string& names, bool& value, const std::string& help);
  void argument(const std::string& name, std::string& value, const std::string& help, const std::string& type);
  void arguments(const std::string& name, std::vector<std::string>& values, const std::string& help,
                 const std::string& type);  // none or more

 private:
  CLI::App* app_;
};

struct ParseOutcome {
  bool run = false;      // an action ran; otherwise help, version or a usage error was printed
  int exit_code = 0;
};

// Builds the parser with `define`, parses, runs the chosen action.
ParseOutcome parse_command_line(int argc, char** argv, const std::string& description, const std::string& version,
                                const std::function<void(Command&)>& define);

}  // namespace volley::cli
