// The commands of the server core, one function each.
#include <charconv>
#include <utility>

#include "engine/smtp/command.h"
#include "engine/smtp/server.h"

namespace volley::smtp {
namespace {

constexpr std::string_view kSync = "554 5.5.0 Error: SMTP protocol synchronization";

bool equals(std::string_view text, std::string_view upper) {
  if (text.size() != upper.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if ((c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c) != upper[i]) return false;
  }
  return true;
}

bool has_bad_bytes(std::string_view line, bool utf8) {
  for (const char ch : line) {
    const auto c = static_cast<unsigned char>(ch);
    if (c < 0x20 && c != '\t') return true;
    if (c == 0x7f || (c >= 0x80 && !utf8)) return true;
  }
  return false;
}

std::string_view next_word(std::string_view& text) {
  while (!text.empty() && (text[0] == ' ' || text[0] == '\t')) text.remove_prefix(1);
  const std::string_view word = text.substr(0, text.find_first_of(" \t"));
  text.remove_prefix(word.size());
  return word;
}

}  // namespace

std::optional<Server::Event> Server::on_line(std::string_view line) {
  if (has_bad_bytes(line, options_.smtputf8)) {
    bad("500 5.5.2 Error: bad character in command");
    return {};
  }
  std::string_view argument = line;
  const std::string_view verb = next_word(argument);
  while (!argument.empty() && argument[0] == ' ') argument.remove_prefix(1);
  while (!argument.empty() && argument.back() == ' ') argument.remove_suffix(1);
  const bool group_end = equals(verb, "EHLO") || equals(verb, "HELO") || equals(verb, "DATA");
  if (!input_.empty() && !options_.pipelining) {
    close("500 5.5.0 Error: pipelining not supported", "pipelining");
    return {};
  }
  if (!input_.empty() && group_end) {
    close(kSync, "talked on after a command that ends a group");
    return {};
  }
  if (equals(verb, "EHLO")) return on_hello(argument, true);
  if (equals(verb, "HELO")) return on_hello(argument, false);
  if (equals(verb, "MAIL")) return on_mail(argument);
  if (equals(verb, "RCPT")) return on_rcpt(argument);
  if (equals(verb, "DATA")) return on_data(argument);
  if (equals(verb, "STARTTLS")) return on_starttls(argument);
  if (equals(verb, "RSET")) return on_rset();
  return on_other(verb);
}

std::optional<Server::Event> Server::on_hello(std::string_view argument, bool esmtp) {
  if (argument.empty() || argument.find(' ') != std::string_view::npos) {
    bad("501 5.5.4 Error: a host name is needed");
    return {};
  }
  end_transaction();
  esmtp_ = esmtp;
  Event event;
  event.type = Event::Type::kEhlo;
  event.text = argument;
  event.esmtp = esmtp;
  return decide(Decision::kEhlo, event);
}

void Server::append_ehlo_reply() {
  if (!esmtp_) {
    out_.append("250 ");
    return reply(options_.name);
  }
  out_.append("250-");
  reply(options_.name);
  if (options_.pipelining) reply("250-PIPELINING");
  if (options_.eight_bit) reply("250-8BITMIME");
  if (options_.smtputf8) reply("250-SMTPUTF8");
  if (options_.enhanced_codes) reply("250-ENHANCEDSTATUSCODES");
  if (options_.dsn) reply("250-DSN");
  if (options_.starttls && !tls_) reply("250-STARTTLS");
  reply(options_.max_size > 0 ? "250 SIZE " + std::to_string(options_.max_size) : "250 SIZE");
}

std::optional<Server::Event> Server::on_mail(std::string_view argument) {
  if (!hello_ || mail_) {
    bad(mail_ ? "503 5.5.1 Error: nested MAIL command" : "503 5.5.1 Error: send HELO/EHLO first");
    return {};
  }
  const PathArgument path = parse_path_argument(argument, "FROM:");
  if (path.status != PathArgument::Status::kOk) {
    const bool syntax = path.status == PathArgument::Status::kBadSyntax;
    bad(syntax ? "501 5.5.4 Syntax: MAIL FROM:<address>" : "501 5.1.7 Bad sender address syntax");
    return {};
  }
  Event event;
  event.type = Event::Type::kMail;
  event.text = path.address;
  if (const char* refusal = parse_mail_parameters(path.parameters, event)) {
    bad(refusal);
    return {};
  }
  if (!event.smtputf8 && has_bad_bytes(path.address, false)) {
    bad("553 5.6.7 Address needs SMTPUTF8");
    return {};
  }
  smtputf8_ = event.smtputf8;
  rcpts_ = 0;
  return decide(Decision::kMail, event);
}

// nullptr, or the reply.
const char* Server::parse_mail_parameters(std::string_view rest, Event& event) const {
  bool ret = false, envid = false, body = false;
  for (auto word = next_word(rest); !word.empty(); word = next_word(rest)) {
    const size_t eq = word.find('=');
    const std::string_view key = word.substr(0, eq);
    const std::string_view value = eq == std::string_view::npos ? "" : word.substr(eq + 1);
    if (!esmtp_) return "555 5.5.4 No parameters after HELO";
    if (equals(key, "SIZE")) {
      uint64_t size = 0;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), size);
      const bool whole = !value.empty() && end == value.data() + value.size();
      if (event.size || error != std::errc() || !whole) return "501 5.5.4 Bad SIZE";
      if (options_.max_size > 0 && size > options_.max_size) return "552 5.3.4 Message too big";
      event.size = size;
    } else if (equals(key, "BODY") && options_.eight_bit) {
      if (std::exchange(body, true)) return "501 5.5.4 BODY twice";
      if (!equals(value, "7BIT") && !equals(value, "8BITMIME")) return "501 5.5.4 Bad BODY";
      event.body_8bit = equals(value, "8BITMIME");
    } else if (equals(word, "SMTPUTF8") && options_.smtputf8) {
      if (std::exchange(event.smtputf8, true)) return "501 5.5.4 SMTPUTF8 twice";
    } else if (equals(key, "RET") && options_.dsn) {
      const bool known = equals(value, "FULL") || equals(value, "HDRS");
      if (std::exchange(ret, true) || !known) return "501 5.5.4 Bad RET";
    } else if (equals(key, "ENVID") && options_.dsn) {
      if (std::exchange(envid, true) || !from_xtext(value)) return "501 5.5.4 Bad ENVID";
    } else if (!equals(key, "AUTH")) {  // RFC 4954: taken and not trusted
      return "555 5.5.4 Unknown MAIL parameter";
    }
  }
  return nullptr;
}

std::optional<Server::Event> Server::on_rcpt(std::string_view argument) {
  if (!mail_) {
    bad("503 5.5.1 Error: need MAIL command");
    return {};
  }
  const PathArgument path = parse_path_argument(argument, "TO:");
  if (path.status != PathArgument::Status::kOk || path.address.empty()) {
    const bool syntax = path.status == PathArgument::Status::kBadSyntax;
    bad(syntax ? "501 5.5.4 Syntax: RCPT TO:<address>" : "501 5.1.3 Bad recipient address syntax");
    return {};
  }
  if (const char* refusal = parse_rcpt_parameters(path.parameters)) {
    bad(refusal);
    return {};
  }
  if (!smtputf8_ && has_bad_bytes(path.address, false)) {
    bad("553 5.6.7 Address needs SMTPUTF8");
    return {};
  }
  if (rcpts_ >= options_.max_rcpts) {
    reply("452 4.5.3 Error: too many recipients");
    return {};
  }
  Event event;
  event.type = Event::Type::kRcpt;
  event.text = path.address;
  return decide(Decision::kRcpt, event);
}

const char* Server::parse_rcpt_parameters(std::string_view rest) const {
  bool notify = false, orcpt = false;
  for (auto word = next_word(rest); !word.empty(); word = next_word(rest)) {
    const std::string_view key = word.substr(0, word.find('='));
    if (!options_.dsn || (!equals(key, "NOTIFY") && !equals(key, "ORCPT"))) {
      return "555 5.5.4 Unknown RCPT parameter";
    }
    bool& seen = equals(key, "NOTIFY") ? notify : orcpt;
    if (std::exchange(seen, true) || key.size() + 1 >= word.size()) {
      return "501 5.5.4 Bad RCPT parameter";
    }
  }
  return nullptr;
}

std::optional<Server::Event> Server::on_data(std::string_view argument) {
  if (!argument.empty()) {
    bad("501 5.5.4 Syntax: DATA");
  } else if (!mail_) {
    bad("503 5.5.1 Error: need MAIL command");
  } else if (rcpts_ == 0) {
    bad("554 5.5.1 Error: no valid recipients");
  } else {
    Event event;
    event.type = Event::Type::kDataStart;
    return decide(Decision::kDataStart, event);
  }
  return {};
}

std::optional<Server::Event> Server::on_starttls(std::string_view argument) {
  // What stands behind it was sent in the clear by who knows whom (CVE-2011-0411).
  if (!input_.empty()) {
    close("554 5.7.0 Error: no commands allowed after STARTTLS", "talked on after STARTTLS");
  } else if (!options_.starttls) {
    bad("502 5.5.1 Error: STARTTLS is not offered");
  } else if (tls_) {
    bad("503 5.5.1 Error: TLS is active already");
  } else if (!argument.empty()) {
    bad("501 5.5.4 Syntax: STARTTLS");
  } else {
    reply("220 2.0.0 Ready to start TLS");
    state_ = State::kTlsHandshake;
    Event event;
    event.type = Event::Type::kNeedTls;
    return event;
  }
  return {};
}

std::optional<Server::Event> Server::on_rset() {
  idle_command("250 2.0.0 Ok");
  const bool open = mail_;
  end_transaction();
  if (!open || closing_) return {};
  Event event;
  event.type = Event::Type::kReset;
  return event;
}

std::optional<Server::Event> Server::on_other(std::string_view verb) {
  if (equals(verb, "NOOP")) {
    idle_command("250 2.0.0 Ok");
  } else if (equals(verb, "VRFY")) {
    idle_command("252 2.0.0 Send some mail and see");
  } else if (equals(verb, "HELP")) {
    idle_command("214 2.0.0 See RFC 5321");
  } else if (equals(verb, "QUIT")) {
    close("221 2.0.0 Bye", "quit");
  } else if (equals(verb, "GET") || equals(verb, "POST") || equals(verb, "HEAD")) {
    close("554 5.7.0 Error: this is SMTP", "HTTP where SMTP was expected");
  } else {
    bad("502 5.5.1 Error: command not implemented");
  }
  return {};
}

}  // namespace volley::smtp
