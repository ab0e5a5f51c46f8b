#include <algorithm>
#include <charconv>
#include <string>
#include <utility>

#include "engine/sink/sasl.h"
#include "engine/sink/sink.h"

namespace volley::sink {
namespace {

bool same_word(std::string_view word, std::string_view upper) {
  if (word.size() != upper.size()) return false;
  for (size_t i = 0; i < word.size(); ++i) {
    const char c = word[i];
    if ((c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c) != upper[i]) return false;
  }
  return true;
}

Error usage(std::string message) { return Error{Errc::kUsage, std::move(message)}; }

}  // namespace

smtp::ServerOptions everything_offered() {
  smtp::ServerOptions options;
  options.starttls = options.dsn = options.chunking = options.require_tls = true;
  options.auth = kMechanisms;
  return options;
}

bool parse_tls_fault(std::string_view name, TlsFault& out) {
  static constexpr std::pair<std::string_view, TlsFault> kFaults[] = {
      {"self-signed", TlsFault::kNone},     {"expired", TlsFault::kExpired},
      {"wrong-name", TlsFault::kWrongName}, {"tls10", TlsFault::kTls10},
      {"garbage", TlsFault::kGarbage},      {"stall", TlsFault::kStall},
      {"refuse-454", TlsFault::kRefuse454}, {"refuse-502", TlsFault::kRefuse502}};
  for (const auto& [known, fault] : kFaults) {
    if (name == known) return out = fault, true;
  }
  return false;
}

Status leave_out(std::string_view keyword, smtp::ServerOptions& options) {
  const std::pair<std::string_view, bool*> flags[] = {
      {"PIPELINING", &options.pipelining},
      {"8BITMIME", &options.eight_bit},
      {"SMTPUTF8", &options.smtputf8},
      {"ENHANCEDSTATUSCODES", &options.enhanced_codes},
      {"SIZE", &options.size},
      {"STARTTLS", &options.starttls},
      {"DSN", &options.dsn},
      {"CHUNKING", &options.chunking},
      {"REQUIRETLS", &options.require_tls}};
  for (const auto& [name, flag] : flags) {
    if (same_word(keyword, name)) {
      *flag = false;
      return {};
    }
  }
  if (same_word(keyword, "AUTH")) {
    options.auth.clear();
  } else if (same_word(keyword, "LIMITS")) {
    options.limits = {};
  } else {
    return usage("no EHLO keyword that the sink offers: " + std::string(keyword));
  }
  return {};
}

Status choose_mechanisms(std::string_view words, smtp::ServerOptions& options) {
  options.auth.clear();
  const std::string known = ' ' + std::string(kMechanisms) + ' ';
  while (!words.empty()) {
    std::string word(words.substr(0, words.find_first_of(" ,")));
    words.remove_prefix(std::min(word.size() + 1, words.size()));
    if (word.empty()) continue;
    for (char& c : word) {
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    if (known.find(' ' + word + ' ') == std::string::npos) {
      return usage("no mechanism of the sink's: " + word + "; it has " + std::string(kMechanisms));
    }
    if (!options.auth.empty()) options.auth += ' ';
    options.auth += word;
  }
  return {};
}

Status parse_limits(std::string_view text, smtp::AnnouncedLimits& limits) {
  const std::pair<std::string_view, uint32_t*> known[] = {
      {"MAILMAX", &limits.mail_max},
      {"RCPTMAX", &limits.rcpt_max},
      {"RCPTDOMAINMAX", &limits.rcpt_domain_max}};
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view item = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(item.size() + 1, rest.size()));
    const std::string_view name = item.substr(0, item.find('='));
    const std::string_view value = item.substr(std::min(name.size() + 1, item.size()));
    bool good = false;
    for (const auto& [word, limit] : known) {
      if (!same_word(name, word)) continue;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), *limit);
      good = error == std::errc() && end == value.data() + value.size() && *limit > 0;
    }
    if (!good) {
      return usage("limits \"" + std::string(text) +
                   "\": MAILMAX=N, RCPTMAX=N and RCPTDOMAINMAX=N with commas between");
    }
  }
  return {};
}

Status parse_login(std::string_view text, std::optional<Login>& login) {
  const size_t colon = text.find(':');
  if (colon == 0 || colon == std::string_view::npos || colon + 1 == text.size()) {
    return usage("a login is USER:PASSWORD");
  }
  login = Login{std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
  return {};
}

}  // namespace volley::sink
