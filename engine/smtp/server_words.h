// Reading the words of a command line, for the server core's files.
//
// Purpose    Case, separators, and which bytes a command may hold. Thread: pure. Errors: none.
#pragma once

#include <string_view>

namespace volley::smtp {

// To a client that talked when it was not its turn.
inline constexpr std::string_view kSync = "554 5.5.0 Error: SMTP protocol synchronization";

// ASCII case apart; `upper` is in upper case.
inline bool equals(std::string_view text, std::string_view upper) {
  if (text.size() != upper.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if ((c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c) != upper[i]) return false;
  }
  return true;
}

inline bool has_bad_bytes(std::string_view line, bool utf8) {
  for (const char ch : line) {
    const auto c = static_cast<unsigned char>(ch);
    if (c < 0x20 && c != '\t') return true;
    if (c == 0x7f || (c >= 0x80 && !utf8)) return true;
  }
  return false;
}

inline std::string_view next_word(std::string_view& text) {
  while (!text.empty() && (text[0] == ' ' || text[0] == '\t')) text.remove_prefix(1);
  const std::string_view word = text.substr(0, text.find_first_of(" \t"));
  text.remove_prefix(word.size());
  return word;
}

}  // namespace volley::smtp
