// The commands of the server core, one function each.
#include <algorithm>
#include <utility>

#include "engine/smtp/command.h"
#include "engine/smtp/server.h"
#include "engine/smtp/server_words.h"

namespace volley::smtp {

std::optional<Server::Event> Server::on_line(std::string_view line) {
  if (has_bad_bytes(line, options_.smtputf8)) {
    bad("500 5.5.2 Error: bad character in command");
    return {};
  }
  std::string_view argument = line;
  const std::string_view verb = next_word(argument);
  while (!argument.empty() && argument[0] == ' ') argument.remove_prefix(1);
  while (!argument.empty() && argument.back() == ' ') argument.remove_suffix(1);
  if (equals(verb, "BDAT")) return on_bdat(argument);  // what stands behind it is its content
  const bool group_end =
      equals(verb, "EHLO") || equals(verb, "HELO") || equals(verb, "DATA") || equals(verb, "AUTH");
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
  if (equals(verb, "AUTH")) return on_auth(argument);
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
  std::string lines = options_.name;
  const auto offer = [&lines](bool offered, std::string_view keyword) {
    if (offered) lines.append("\n").append(keyword);
  };
  offer(options_.pipelining, "PIPELINING");
  offer(options_.eight_bit, "8BITMIME");
  offer(options_.smtputf8, "SMTPUTF8");
  offer(options_.enhanced_codes, "ENHANCEDSTATUSCODES");
  offer(options_.dsn, "DSN");
  offer(options_.chunking, "CHUNKING");
  offer(options_.starttls && !tls_, "STARTTLS");
  offer(options_.require_tls && tls_, "REQUIRETLS");
  offer(!options_.auth.empty() && (tls_ || options_.auth_in_clear), "AUTH " + options_.auth);
  const AnnouncedLimits& limits = options_.limits;
  offer(limits.mail_max > 0 || limits.rcpt_max > 0 || limits.rcpt_domain_max > 0, "LIMITS");
  const auto limit = [&lines](uint32_t value, std::string_view name) {
    if (value > 0) lines.append(name).append(std::to_string(value));
  };
  limit(limits.mail_max, " MAILMAX=");
  limit(limits.rcpt_max, " RCPTMAX=");
  limit(limits.rcpt_domain_max, " RCPTDOMAINMAX=");
  const bool fixed = options_.max_size > 0;
  offer(options_.size, fixed ? "SIZE " + std::to_string(options_.max_size) : "SIZE");
  for (std::string_view rest = lines; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    out_.append(rest.empty() ? "250 " : "250-");
    reply(line);
  }
}

std::optional<Server::Event> Server::on_mail(std::string_view argument) {
  if (!hello_ || mail_) {
    bad(mail_ ? "503 5.5.1 Error: nested MAIL command" : "503 5.5.1 Error: send HELO/EHLO first");
    return {};
  }
  if (options_.auth_required && !auth_) {
    bad("530 5.7.0 Authentication required");
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

std::optional<Server::Event> Server::on_rcpt(std::string_view argument) {
  if (!mail_) {
    bad("503 5.5.1 Error: need MAIL command");
    return {};
  }
  if (bdat_ || bdat_failed_) {
    bad("503 5.5.1 Error: RCPT after BDAT");
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

std::optional<Server::Event> Server::on_data(std::string_view argument) {
  if (!argument.empty()) {
    bad("501 5.5.4 Syntax: DATA");
  } else if (!mail_) {
    bad("503 5.5.1 Error: need MAIL command");
  } else if (bdat_ || bdat_failed_) {
    bad("503 5.5.1 Error: DATA after BDAT");
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
    Event event;
    event.type = Event::Type::kStartTls;
    return decide(Decision::kStartTls, event);
  }
  return {};
}

std::optional<Server::Event> Server::on_rset() {
  if (!count_idle()) return {};
  Event event;
  event.type = Event::Type::kReset;
  return decide(Decision::kReset, event);
}

std::optional<Server::Event> Server::on_other(std::string_view verb) {
  if (equals(verb, "NOOP")) {
    idle_command("250 2.0.0 Ok");
  } else if (equals(verb, "VRFY")) {
    idle_command("252 2.0.0 Send some mail and see");
  } else if (equals(verb, "HELP")) {
    idle_command("214 2.0.0 See RFC 5321");
  } else if (equals(verb, "QUIT")) {
    Event event;
    event.type = Event::Type::kQuit;
    return decide(Decision::kQuit, event);
  } else if (equals(verb, "GET") || equals(verb, "POST") || equals(verb, "HEAD")) {
    close("554 5.7.0 Error: this is SMTP", "HTTP where SMTP was expected");
  } else {
    bad("502 5.5.1 Error: command not implemented");
  }
  return {};
}

}  // namespace volley::smtp
