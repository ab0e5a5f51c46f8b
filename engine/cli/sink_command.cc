// volley sink: the test receiver, until interrupted.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <thread>

#include "base/log.h"
#include "base/units.h"
#include "engine/cli/context.h"
#include "engine/cli/exit_code.h"
#include "engine/cli/interrupt.h"
#include "engine/sink/sink.h"

namespace volley::cli {
namespace {

struct Options {
  sink::Options sink;
  std::vector<std::string> rules, delays, left_out;
  std::string limits, max_size, login, mechanisms, tls, totals;
  uint32_t max_rcpts = 0;
  bool no_starttls = false, no_pipelining = false;
};

// What is text on the command line, into what the sink takes.
Status read_options(Options& options) {
  sink::Options& out = options.sink;
  for (const std::string& text : options.rules) {
    auto rule = sink::parse_rule(text);
    if (!rule) return rule.error();
    out.rules.push_back(std::move(*rule));
  }
  for (const std::string& text : options.delays) {
    if (Status status = sink::parse_delay(text, out.delays); !status) return status;
  }
  if (Status status = sink::parse_limits(options.limits, out.server.limits); !status) return status;
  if (!options.login.empty()) {
    if (Status status = sink::parse_login(options.login, out.login); !status) return status;
  }
  if (!options.max_size.empty()) {
    auto size = parse_size(options.max_size);
    if (!size) return Error{Errc::kUsage, "--max-size: " + size.error().message};
    out.server.max_size = *size;
  }
  if (!options.mechanisms.empty()) {
    Status status = sink::choose_mechanisms(options.mechanisms, out.server);
    if (!status) return status;
  }
  if (!options.tls.empty() && !sink::parse_tls_fault(options.tls, out.tls_fault)) {
    return Error{Errc::kUsage, "--tls: no such fault: " + options.tls};
  }
  if (options.max_rcpts > 0) out.server.max_rcpts = options.max_rcpts;
  if (options.no_starttls) options.left_out.emplace_back("STARTTLS");
  if (options.no_pipelining) options.left_out.emplace_back("PIPELINING");
  for (const std::string& keyword : options.left_out) {
    if (Status status = sink::leave_out(keyword, out.server); !status) return status;
  }
  return {};
}

// The totals so far, in a file: what a benchmark watches, because it costs the sink nothing per message.
class TotalsFile {
 public:
  TotalsFile() = default;
  ~TotalsFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  TotalsFile(const TotalsFile&) = delete;
  TotalsFile& operator=(const TotalsFile&) = delete;

  Status open(const std::string& path) {
    fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd_ < 0) return Error{Errc::kCantCreate, path + ": " + std::strerror(errno)};
    return {};
  }

  // Numbers only grow, so a new line covers the whole of the one before.
  Status write(const sink::Totals& totals) {
    if (fd_ < 0) return {};
    char line[160];
    const int size = std::snprintf(line, sizeof line, "{\"connections\":%llu,\"messages\":%llu,\"bytes\":%llu,\"refused\":%llu}\n",
                                   static_cast<unsigned long long>(totals.connections), static_cast<unsigned long long>(totals.messages),
                                   static_cast<unsigned long long>(totals.bytes), static_cast<unsigned long long>(totals.refused));
    if (last_ == line) return {};
    last_ = line;
    if (::pwrite(fd_, line, static_cast<size_t>(size), 0) == size) return {};
    return Error{Errc::kIo, std::string("--totals: ") + std::strerror(errno)};
  }

 private:
  int fd_ = -1;
  std::string last_;
};

int run_sink(Options& options) {
  watch_interrupts();
  set_log_level(LogLevel::kWarn);
  if (Status status = read_options(options); !status) return report(status.error());
  auto sink = sink::Sink::start(options.sink);
  if (!sink) return report(sink.error());
  TotalsFile file;
  if (!options.totals.empty()) {
    if (Status status = file.open(options.totals); !status) return report(status.error());
  }
  std::printf("listening %s\n", (*sink)->address().c_str());
  std::fflush(stdout);
  for (;;) {
    const bool last = interrupted();  // before the totals are taken: they are the final ones then
    if (Status status = file.write((*sink)->totals()); !status) return report(status.error());
    if (last) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  const sink::Totals totals = (*sink)->totals();
  std::fprintf(stderr, "%llu connections, %llu messages, %llu bytes, %llu refused\n",
               static_cast<unsigned long long>(totals.connections), static_cast<unsigned long long>(totals.messages),
               static_cast<unsigned long long>(totals.bytes), static_cast<unsigned long long>(totals.refused));
  return kExitFinished;
}

void add_offers(Command& command, Options& options) {
  smtp::ServerOptions& server = options.sink.server;
  command.text("--name", server.name, "what it calls itself, and its certificate's name", "HOST");
  command.texts("--no", options.left_out, "an EHLO keyword not to offer: PIPELINING, STARTTLS, CHUNKING, SIZE...", "KEYWORD");
  command.flag("--no-starttls", options.no_starttls, "the same as --no STARTTLS");
  command.flag("--no-pipelining", options.no_pipelining, "the same as --no PIPELINING");
  command.text("--limits", options.limits, "announce and keep MAILMAX=N,RCPTMAX=N,RCPTDOMAINMAX=N", "LIST");
  command.text("--max-size", options.max_size, "of a message, e.g. 10MB: 552 beyond (default 64MiB)", "SIZE");
  command.number("--max-rcpts", options.max_rcpts, "of a transaction, 452 beyond (default 1000)", 1);
  command.number("--max-messages", options.sink.max_messages, "of a connection, 421 beyond");
  command.number("--max-connections", options.sink.max_connections, "at a time, 421 beyond");
  command.number("--rate", options.sink.rate, "messages a second, 454 beyond");
  command.number("--daily", options.sink.daily, "messages, then 550 5.4.5");
  command.text("--auth", options.login, "offer AUTH to this one; for XOAUTH2 and OAUTHBEARER the password is the token",
               "USER:PASSWORD");
  command.text("--auth-mechanisms", options.mechanisms,
               "default 'PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256 XOAUTH2 OAUTHBEARER'", "LIST");
  command.flag("--auth-in-clear", server.auth_in_clear, "offer AUTH outside TLS as well");
  command.flag("--require-auth", server.auth_required, "530 to MAIL without a login");
}

void add_tls(Command& command, Options& options) {
  command.flag("--implicit-tls", options.sink.implicit_tls, "TLS from the first byte");
  command.choice("--tls", options.tls, "what is wrong with TLS (default: self-signed, of its own name)",
                 {"self-signed", "expired", "wrong-name", "tls10", "garbage", "stall", "refuse-454", "refuse-502"});
  command.text("--certificate", options.sink.certificate, "PEM chain to present, leaf first", "FILE");
  command.text("--key", options.sink.key, "its private key, PEM", "FILE");
  command.text("--save-certificate", options.sink.save_certificate, "write what is presented, for a client to trust", "FILE");
}

void add_faults(Command& command, Options& options) {
  command.texts("--rule", options.rules,
                "STEP:ODDS[:MATCH[=TIMES]]:ACTION, e.g. 'rcpt:0.1:451 4.7.1 later'; see below", "RULE");
  command.texts("--delay", options.delays,
                "MS[..MS]: distance, each answer that much later; STEP=MS[..MS]: work, one command after the other", "DELAY");
  command.number("--seed", options.sink.seed, "of odds, ranges and noise");
  command.text("--dialog", options.sink.dialog, "play the server's side of this file to each connection", "FILE");
  command.footer(
      "Steps: connect ehlo starttls auth mail rcpt data body bdat dot (or data-end) rset quit idle.\n"
      "Actions: a 4xx or 5xx reply; close (or nothing); reset; stall; shut-read; late-close; junk:N; raw:TEXT with \\r \\n \\xHH\n"
      "{N*TEXT}; and drip:BYTES/MS, twice, early (at dot or body), each with a reply of its own or the one that was due.\n"
      "docs/rehearsing.md has rehearsals with them.");
}

}  // namespace

void add_sink(Command& root, Context& context) {
  auto options = std::make_shared<Options>();
  Command command = root.subcommand("sink", "a receiver to test against: accepts everything, keeps nothing; rude on request");
  command.text("--listen", options->sink.listen, "default 127.0.0.1:2525; port 0 takes a free one", "HOST:PORT");
  command.text("--log", options->sink.log, "one JSON line per message, there before its 250", "FILE");
  command.text("--totals", options->totals, "what it took so far, one JSON line, kept up to date", "FILE");
  command.number("--threads", options->sink.threads, "loops", 1, 64);
  add_offers(command, *options);
  add_tls(command, *options);
  add_faults(command, *options);
  command.action([options, &context] { context.exit_code = run_sink(*options); });
}

}  // namespace volley::cli
