#include <fmt/format.h>

#include <charconv>
#include <ctime>
#include <iterator>

#include "base/utf8.h"
#include "metrics/event_log.h"

namespace volley::metrics {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

bool is_plain(unsigned char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; }

void append_control(std::string& out, unsigned char c) {
  constexpr char kHex[] = "0123456789abcdef";
  switch (c) {
    case '"':
      out += "\\\"";
      break;
    case '\\':
      out += "\\\\";
      break;
    case '\n':
      out += "\\n";
      break;
    case '\r':
      out += "\\r";
      break;
    case '\t':
      out += "\\t";
      break;
    default:
      out += "\\u00";
      out += kHex[c >> 4];
      out += kHex[c & 15];
  }
}

void append_string(std::string& out, std::string_view text) {
  out += '"';
  size_t at = 0;
  while (at < text.size()) {
    size_t start = at;
    while (at < text.size() && is_plain(static_cast<unsigned char>(text[at]))) ++at;
    out.append(text, start, at - start);
    if (at == text.size()) break;
    auto c = static_cast<unsigned char>(text[at]);
    if (c < 0x80) {
      append_control(out, c);
      ++at;
      continue;
    }
    start = at;
    if (next_code_point(text, at)) {
      out.append(text, start, at - start);
    } else {
      out += kReplacement;
      ++at;
    }
  }
  out += '"';
}

void append_field(std::string& out, std::string_view key, std::string_view value) {
  out += ",\"";
  out += key;
  out += "\":";
  append_string(out, value);
}

void append_number(std::string& out, std::string_view key, uint32_t value) {
  char digits[10];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out += ",\"";
  out += key;
  out += "\":";
  out.append(digits, end);
}

std::string format_second(std::chrono::sys_seconds when) {
  const std::time_t t = std::chrono::system_clock::to_time_t(when);
  std::tm utc{};
  gmtime_r(&t, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", utc.tm_year + 1900, utc.tm_mon + 1,
                     utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

// "2025-11-03T09:14:07.031Z"; thousands of lines share a second.
void append_time(std::string& out, WallTime time) {
  thread_local std::pair<std::chrono::sys_seconds, std::string> last;
  const auto second = std::chrono::floor<std::chrono::seconds>(time);
  if (last.second.empty() || last.first != second) last = {second, format_second(second)};
  const auto ms = static_cast<unsigned>((time - second).count());
  const char tail[] = {'.', static_cast<char>('0' + ms / 100),
                       static_cast<char>('0' + ms / 10 % 10), static_cast<char>('0' + ms % 10),
                       'Z'};
  out += last.second;
  out.append(tail, sizeof tail);
}

}  // namespace

std::string_view to_string(EventKind kind) {
  switch (kind) {
    case EventKind::kDelivered:
      return "delivered";
    case EventKind::kDeferred:
      return "deferred";
    case EventKind::kBounced:
      return "bounced";
    case EventKind::kExpired:
      return "expired";
    case EventKind::kSuppressed:
      return "suppressed";
    case EventKind::kInDoubt:
      return "in_doubt";
  }
  return "unknown";
}

std::string to_json_line(const Event& event) {
  std::string out;
  out.reserve(320 + event.text.size());
  out += "{\"time\":\"";
  append_time(out, event.time);
  out += '"';
  append_field(out, "event", to_string(event.kind));
  append_field(out, "id", event.id);
  append_field(out, "campaign", event.campaign);
  append_field(out, "lane", event.lane);
  append_field(out, "recipient", event.recipient);
  append_field(out, "site", event.site);
  append_field(out, "host", event.host);
  append_field(out, "source", event.source);
  append_number(out, "code", event.code);
  append_field(out, "enhanced", event.enhanced);
  append_field(out, "text", event.text);
  append_number(out, "attempt", event.attempt);
  append_number(out, "generation", event.generation);
  append_number(out, "revision", event.revision);
  out += "}\n";
  return out;
}

}  // namespace volley::metrics
