// Reading the delivery event log: the file and those that were rotated away, oldest line first.
//
// Purpose  each_event_line() passes every whole line by, without its newline, until `visit` returns false. While an engine
//          writes and rotates, no line is passed over and none comes twice. event_field() finds a field without parsing all
//          of a line.
// Thread   Any; blocks on the disk. Errors: kNoInput for a file that cannot be read. Files that are not there have no lines,
//          nor have those that only pass them on: FIFOs, terminals, sockets.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace volley::metrics {

Status each_event_line(const std::string& path,
                       const std::function<bool(std::string_view line)>& visit);

// The text of a field that has a string, as it stands in the line: escapes and all. Empty when it has none.
std::string_view event_field(std::string_view line, std::string_view name);

}  // namespace volley::metrics
