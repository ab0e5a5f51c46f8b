#include <charconv>
#include <utility>

#include "base/units.h"
#include "engine/sink/escapes.h"
#include "engine/sink/rule.h"

namespace volley::sink {
namespace {

constexpr std::pair<std::string_view, Step> kStepNames[] = {
    {"connect", Step::kConnect}, {"ehlo", Step::kEhlo},          {"starttls", Step::kStartTls},
    {"auth", Step::kAuth},       {"mail", Step::kMail},          {"rcpt", Step::kRcpt},
    {"data", Step::kData},       {"body", Step::kBody},          {"bdat", Step::kBdat},
    {"dot", Step::kEndOfData},   {"data-end", Step::kEndOfData}, {"rset", Step::kReset},
    {"quit", Step::kQuit},       {"idle", Step::kIdle}};

constexpr std::pair<std::string_view, Action> kPlainActions[] = {{"", Action::kClose},
                                                                 {"close", Action::kClose},
                                                                 {"reset", Action::kAbort},
                                                                 {"stall", Action::kStall},
                                                                 {"twice", Action::kTwice},
                                                                 {"early", Action::kEarly},
                                                                 {"late-close", Action::kLateClose},
                                                                 {"shut-read", Action::kShutRead}};

Error bad(std::string_view text, std::string_view why) {
  return Error{Errc::kUsage, "rule \"" + std::string(text) + "\": " + std::string(why) +
                                 "; it is STEP:ODDS[:MATCH[=TIMES]]:ACTION, for instance "
                                 "\"rcpt:0.1:451 4.7.1 try later\""};
}

bool is_number(std::string_view text, uint32_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return !text.empty() && error == std::errc() && end == text.data() + text.size();
}

// "451" or "451 text", with one of these first digits.
bool is_reply(std::string_view text, std::string_view first) {
  const auto digit = [&](size_t i) { return text[i] >= '0' && text[i] <= '9'; };
  if (text.size() < 3 || first.find(text[0]) == std::string_view::npos || !digit(1) || !digit(2)) {
    return false;
  }
  return text.size() == 3 ||
         (text[3] == ' ' && text.find_first_of("\r\n") == std::string_view::npos);
}

bool parse_drip(std::string_view numbers, Rule& rule) {
  const size_t slash = numbers.find('/');
  uint32_t ms = 0;
  if (slash == std::string_view::npos || !is_number(numbers.substr(0, slash), rule.bytes) ||
      !is_number(numbers.substr(slash + 1), ms)) {
    return false;
  }
  rule.every = std::chrono::milliseconds(ms);
  return rule.bytes > 0 && ms > 0;
}

// False: `text` is no action (it may be MATCH and an action). Errors are for actions that are broken.
Result<bool> parse_action(std::string_view text, Rule& rule) {
  if (is_reply(text, "45")) {
    rule.action = Action::kReply;
    rule.reply = text;
    return true;
  }
  if (text.starts_with("raw:")) {
    auto bytes = unescape(text.substr(4));
    if (!bytes) return bytes.error();
    rule.action = Action::kRaw;
    rule.reply = std::move(*bytes);
    return true;
  }
  if (text.starts_with("junk:")) {
    rule.action = Action::kJunk;
    if (is_number(text.substr(5), rule.bytes) && rule.bytes <= (64u << 20)) return true;
    return Error{Errc::kUsage, "junk:N has a number of octets, at most 64 MiB"};
  }
  const std::string_view word = text.substr(0, text.find(' '));
  const std::string_view reply = text.substr(std::min(word.size() + 1, text.size()));
  const bool drip = word.starts_with("drip:");
  bool known = drip;
  rule.action = Action::kDrip;
  for (const auto& [name, action] : kPlainActions) {
    if (word == name) known = true, rule.action = action;
  }
  if (!known) return false;
  if (drip && !parse_drip(word.substr(5), rule)) {
    return Error{Errc::kUsage, "drip:BYTES/MS has two numbers from 1"};
  }
  const bool takes_reply = rule.action == Action::kDrip || rule.action == Action::kTwice ||
                           rule.action == Action::kEarly;
  if (!reply.empty() && !(takes_reply && is_reply(reply, "245"))) return false;
  rule.reply = reply;
  return true;
}

// nullptr, or why this action is none at this step.
const char* misfit(Rule& rule) {
  const bool answers = rule.step != Step::kBody && rule.step != Step::kIdle;
  switch (rule.action) {
    case Action::kEarly:
      if (rule.step != Step::kEndOfData && rule.step != Step::kBody) {
        return "early belongs to dot or body";
      }
      rule.step = Step::kBody;
      return nullptr;
    case Action::kReply:
      if (rule.step == Step::kBody) rule.action = Action::kEarly;
      return nullptr;
    case Action::kDrip:
    case Action::kTwice:
    case Action::kLateClose:
      return answers ? nullptr : "there is no reply at this step";
    default:
      return nullptr;
  }
}

bool parse_match(std::string_view match, Rule& rule) {
  const size_t equals = match.rfind('=');
  rule.match = match.substr(0, equals);
  if (equals == std::string_view::npos) return true;
  return is_number(match.substr(equals + 1), rule.times) && rule.times > 0;
}

}  // namespace

bool parse_step(std::string_view name, Step& out) {
  for (const auto& [known, step] : kStepNames) {
    if (name == known) return out = step, true;
  }
  return false;
}

Result<Rule> parse_rule(std::string_view text) {
  Rule rule;
  const size_t first = text.find(':');
  if (first == std::string_view::npos || !parse_step(text.substr(0, first), rule.step)) {
    return bad(
        text,
        "the step is connect, ehlo, starttls, auth, mail, rcpt, data, body, bdat, dot, rset, "
        "quit or idle");
  }
  const size_t second = text.find(':', first + 1);
  if (second == std::string_view::npos) return bad(text, "no action");
  Result<double> odds = parse_fraction(text.substr(first + 1, second - first - 1));
  if (!odds) return bad(text, odds.error().message);
  rule.odds = *odds;
  const std::string_view rest = text.substr(second + 1);
  Result<bool> action = parse_action(rest, rule);
  if (action && !*action) {
    const size_t third = rest.find(':');
    if (third != std::string_view::npos) {
      action = parse_action(rest.substr(third + 1), rule);
      if (!parse_match(rest.substr(0, third), rule)) return bad(text, "TIMES is a number from 1");
    }
  }
  if (!action) return bad(text, action.error().message);
  if (!*action) {
    return bad(text,
               "the action is a 4xx or 5xx reply, close (or nothing), reset, stall, shut-read, "
               "drip:BYTES/MS, twice, early, junk:N, raw:TEXT or late-close");
  }
  if (const char* why = misfit(rule)) return bad(text, why);
  return rule;
}

}  // namespace volley::sink
