#include "base/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_color_sinks.h>

#include <memory>
#include <string>

#include "base/utf8.h"

namespace volley {
namespace {

constexpr const char* kPattern = "%Y-%m-%dT%H:%M:%S.%e%z %^%l%$ %v";
constexpr const char* kClearLine = "\r\033[K";

// Standard error belongs to the whole process, and so does its logger. Never destroyed: the last words of other
// statics must find it.
spdlog::logger& logger() {
  static spdlog::logger* const kLogger = [] {
    auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
    auto* made = new spdlog::logger("volley", sink);
    made->set_pattern(kPattern);
    made->set_level(spdlog::level::info);
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  return *kLogger;
}

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarn:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
    case LogLevel::kOff:
      return spdlog::level::off;
  }
  return spdlog::level::info;
}

void log(spdlog::level::level_enum level, std::string_view message) {
  logger().log(level, spdlog::string_view_t(message.data(), message.size()));
}

// What would move the cursor, end the line or turn the text around (bidirectional overrides).
bool is_unprintable(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029 ||
         (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}

}  // namespace

void set_log_level(LogLevel level) { logger().set_level(to_spdlog(level)); }

void log_over_redrawn_line() { logger().set_pattern(std::string(kClearLine) + kPattern); }

bool parse_log_level(std::string_view text, LogLevel& out) {
  if (text == "debug") {
    out = LogLevel::kDebug;
  } else if (text == "info") {
    out = LogLevel::kInfo;
  } else if (text == "warn" || text == "warning") {
    out = LogLevel::kWarn;
  } else if (text == "error") {
    out = LogLevel::kError;
  } else if (text == "off") {
    out = LogLevel::kOff;
  } else {
    return false;
  }
  return true;
}

void log_debug(std::string_view message) { log(spdlog::level::debug, message); }
void log_info(std::string_view message) { log(spdlog::level::info, message); }
void log_warn(std::string_view message) { log(spdlog::level::warn, message); }
void log_error(std::string_view message) { log(spdlog::level::err, message); }

std::string sanitize(std::string_view text, size_t cap) {
  std::string out;
  out.reserve(text.size() < cap ? text.size() : cap);
  size_t position = 0;
  while (position < text.size()) {
    const size_t start = position;
    const auto c = next_code_point(text, position);
    if (!c) ++position;
    const bool keep = c && !is_unprintable(*c);
    const size_t width = keep ? position - start : 1;
    if (out.size() + width > cap) break;
    if (keep) {
      out.append(text.substr(start, width));
    } else {
      out += '?';
    }
  }
  return out;
}

}  // namespace volley
