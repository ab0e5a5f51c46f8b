#include "engine/sink/escapes.h"

#include <charconv>
#include <optional>
#include <utility>

namespace volley::sink {
namespace {

constexpr size_t kMost = size_t{64} << 20;

Error bad(std::string_view text, std::string_view why) {
  std::string message(text.substr(0, 60));
  message.append(": ").append(why);
  return Error{Errc::kUsage, std::move(message)};
}

template <typename Number>
std::optional<Number> number(std::string_view digits, int base) {
  Number value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) return {};
  return value;
}

// `at` is behind a backslash; moves it behind the escape.
bool escape(std::string_view text, size_t& at, std::string& out) {
  if (at == text.size()) return false;
  const char c = text[at++];
  switch (c) {
    case 'r':
      out += '\r';
      return true;
    case 'n':
      out += '\n';
      return true;
    case 't':
      out += '\t';
      return true;
    case 's':
      out += ' ';
      return true;
    case 'x': {
      const auto value =
          text.size() - at < 2 ? std::nullopt : number<unsigned>(text.substr(at, 2), 16);
      if (!value) return false;
      out += static_cast<char>(*value);
      at += 2;
      return true;
    }
    default:
      out += c;
      return true;
  }
}

}  // namespace

Result<std::string> unescape(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const char c = text[at++];
    if (c == '\\') {
      if (!escape(text, at, out)) return bad(text, "an escape is \\r \\n \\t \\s or \\xHH");
    } else if (c != '{') {
      out += c;
    } else {
      const size_t star = text.find('*', at), end = text.find('}', at);
      if (star == std::string_view::npos || end == std::string_view::npos || star > end) {
        out += c;
        continue;
      }
      const auto times = number<size_t>(text.substr(at, star - at), 10);
      if (!times) return bad(text, "a repetition is {N*TEXT}");
      auto piece = unescape(text.substr(star + 1, end - star - 1));
      if (!piece) return piece;
      if (!piece->empty() && *times > (kMost - out.size()) / piece->size()) {
        return bad(text, "more than 64 MiB");
      }
      for (size_t i = 0; i < *times; ++i) out += *piece;
      at = end + 1;
    }
    if (out.size() > kMost) return bad(text, "more than 64 MiB");
  }
  return out;
}

}  // namespace volley::sink
