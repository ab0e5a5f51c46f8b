// UTF-8, one code point at a time; and the case of ASCII letters.
//
// Purpose  Strict decoding (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF).
// Thread   Pure. Errors: nullopt / false for a malformed sequence.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace volley {

// Decodes at `position` and moves it past the code point. Malformed: nullopt, position unchanged.
std::optional<char32_t> next_code_point(std::string_view text, size_t& position);
void append_utf8(std::string& out, char32_t code_point);
bool is_valid_utf8(std::string_view text);
bool is_ascii(std::string_view text);

// Letters A to Z in lower case, whatever the locale; all else as it is.
constexpr char ascii_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
std::string ascii_lower(std::string_view text);

}  // namespace volley
