// Base64 (RFC 4648 section 4): one line, with padding.
//
// Thread   Pure functions.
// Errors   from_base64() takes nothing but the alphabet and its padding: no spaces, no line breaks, no missing '='.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace volley {

void append_base64(std::string_view bytes, std::string& out);
std::string to_base64(std::string_view bytes);
std::optional<std::string> from_base64(std::string_view text);

}  // namespace volley
