// Operational log lines on standard error (spdlog behind it).
//
// Purpose  What an operator should read: start, stop, a path paused, a queue lost and found. Deliveries go to the event
//          log instead. Text from peers passes through sanitize() first. Secrets never come here.
// Thread   Any.
#pragma once

#include <string>
#include <string_view>

namespace volley {

enum class LogLevel { kDebug, kInfo, kWarn, kError, kOff };

void set_log_level(LogLevel level);
bool parse_log_level(std::string_view text, LogLevel& out);
// A line is being redrawn on the terminal that standard error is: log lines take its place instead of following it.
void log_over_redrawn_line();
void log_debug(std::string_view message);
void log_info(std::string_view message);
void log_warn(std::string_view message);
void log_error(std::string_view message);

// Printable one-line text: control characters and invalid UTF-8 become '?', length is capped at `cap` bytes.
std::string sanitize(std::string_view text, size_t cap = 1024);

}  // namespace volley
