// The words of scripted dialogues (dialog.h): how a line is read, and how what the client did is written down to be compared
// with one.
//
// Purpose  dialog_text.cc reads the files, dialog.cc plays them; both use these.
// Errors   A malformed escape throws, and fails the test that reads it. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/smtp/client.h"

namespace volley::smtp::testing {

std::string unescape(std::string_view text);  // \r \n \s \xHH, and {N*TEXT}
std::vector<std::string> words(const std::string& line);
std::string quirk_names(Quirks quirks);  // each with a space before it
std::string describe(const ClientEvent& event);
// Each word of `expected` must be found in `got`, in order; "now", "here" and limits must agree both ways.
bool fits(const std::string& expected, const std::string& got);

}  // namespace volley::smtp::testing
