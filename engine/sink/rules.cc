#include <charconv>

#include "base/units.h"
#include "engine/sink/sink.h"

namespace volley::sink {
namespace {

Error bad(std::string_view text, std::string_view why) {
  return Error{
      Errc::kUsage,
      "rule \"" + std::string(text) + "\": " + std::string(why) +
          "; it is STEP:ODDS[:MATCH[=TIMES]]:REPLY, for instance \"rcpt:0.1:451 4.7.1 try later\""};
}

bool parse_step(std::string_view text, Step& out) {
  static constexpr std::pair<std::string_view, Step> kSteps[] = {
      {"connect", Step::kConnect}, {"ehlo", Step::kEhlo}, {"mail", Step::kMail},
      {"rcpt", Step::kRcpt},       {"data", Step::kData}, {"data-end", Step::kEndOfData}};
  for (const auto& [name, step] : kSteps) {
    if (text == name) return out = step, true;
  }
  return false;
}

// A refusal, "451" or "451 text"; or nothing, which closes the connection.
bool is_reply(std::string_view text) {
  if (text.empty()) return true;
  const auto digit = [&](size_t i) { return text[i] >= '0' && text[i] <= '9'; };
  if (text.size() < 3 || (text[0] != '4' && text[0] != '5') || !digit(1) || !digit(2)) return false;
  return text.size() == 3 ||
         (text[3] == ' ' && text.find_first_of("\r\n") == std::string_view::npos);
}

}  // namespace

Result<Rule> parse_rule(std::string_view text) {
  Rule rule;
  const size_t first = text.find(':');
  if (first == std::string_view::npos || !parse_step(text.substr(0, first), rule.step)) {
    return bad(text, "the step is connect, ehlo, mail, rcpt, data or data-end");
  }
  const size_t second = text.find(':', first + 1);
  if (second == std::string_view::npos) return bad(text, "no reply");
  Result<double> odds = parse_fraction(text.substr(first + 1, second - first - 1));
  if (!odds) return bad(text, odds.error().message);
  rule.odds = *odds;
  std::string_view rest = text.substr(second + 1);
  if (!is_reply(rest)) {
    const size_t third = rest.find(':');
    if (third == std::string_view::npos || !is_reply(rest.substr(third + 1))) {
      return bad(text, "the reply is empty (close) or starts with a 4xx or 5xx code");
    }
    std::string_view match = rest.substr(0, third);
    const size_t equals = match.rfind('=');
    if (equals != std::string_view::npos) {
      const char* end = match.data() + match.size();
      const auto [stop, error] = std::from_chars(match.data() + equals + 1, end, rule.times);
      if (error != std::errc() || stop != end || rule.times == 0) {
        return bad(text, "TIMES is a number from 1");
      }
      match = match.substr(0, equals);
    }
    rule.match = match;
    rest = rest.substr(third + 1);
  }
  rule.reply = rest;
  return rule;
}

}  // namespace volley::sink
