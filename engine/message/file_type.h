// Media types of files people attach.
//
// Purpose  A guess by suffix, and a check of a type somebody wrote. Thread: pure.
#pragma once

#include <string>
#include <string_view>

namespace volley::message {

// "application/octet-stream" for what is not known.
std::string type_by_suffix(std::string_view path);
// token/token, with or without parameters, printable ASCII on one line.
bool is_media_type(std::string_view text);

}  // namespace volley::message
