#include "engine/message/headers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "base/utf8.h"
#include "engine/message/mime.h"

namespace volley::message {
namespace {

constexpr size_t kFoldAt = 76;
constexpr size_t kMaxUnbroken = 900;  // room for the name on the same line of 998

bool is_control(char raw) {
  const auto c = static_cast<unsigned char>(raw);
  return c < 0x20 || c == 0x7F;
}

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return ascii_lower(x) == ascii_lower(y); });
}

// A blank run and the word after it, starting at `at`: what folding cannot divide.
size_t segment_end(std::string_view value, size_t at) {
  size_t end = value.find_first_not_of(' ', at);
  if (end == std::string_view::npos) return value.size();
  end = value.find(' ', end);
  return end == std::string_view::npos ? value.size() : end;
}

// Printable ASCII that folds within 998 octets and that no reader takes for an encoded-word.
bool plain_and_foldable(std::string_view value) {
  for (char raw : value) {
    const auto c = static_cast<unsigned char>(raw);
    if (c < 0x20 || c > 0x7E) return false;
  }
  if (value.find("=?") != std::string_view::npos) return false;
  if (value.size() <= kMaxUnbroken) return true;
  for (size_t at = 0; at < value.size();) {
    const size_t end = segment_end(value, at);
    if (end - at > kMaxUnbroken) return false;
    at = end;
  }
  return true;
}

void append_folded(std::string_view value, size_t column, std::string& out) {
  bool first = true;
  for (size_t at = 0; at < value.size();) {
    const size_t end = segment_end(value, at);
    if (!first && column + (end - at) > kFoldAt) {
      out += "\r\n";
      column = 0;
    }
    out += value.substr(at, end - at);
    column += end - at;
    first = false;
    at = end;
  }
}

// RFC 5322 3.2.3 atext, and single blanks between.
bool is_atoms(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool atext = (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') || (c >= '0' && c <= '9') ||
                       std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
    const bool single_blank = c == ' ' && i > 0 && text[i - 1] != ' ';
    if (!atext && !single_blank) return false;
  }
  return true;
}

void append_phrase(std::string_view display, size_t column, std::string& out) {
  const bool printable = std::none_of(display.begin(), display.end(), is_control);
  const bool encoded = !printable || !is_ascii(display) || display.size() > 64 ||
                       display.find("=?") != std::string_view::npos;
  if (encoded) {
    append_encoded_words(display, column, out);
  } else if (is_atoms(display)) {
    out += display;
  } else {
    out += '"';
    for (char c : display) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    out += '"';
  }
}

struct Owned {
  std::string_view name;
  std::string_view remedy;
};
constexpr std::array kOwned = {
    Owned{"From", "use the key `from`"},
    Owned{"To", "every recipient has a message of their own; use the key `to` for the name shown"},
    Owned{"Subject", "use the key `subject`"},
    Owned{"Reply-To", "use the key `reply_to`"},
    Owned{"Date", "Volley writes it"},
    Owned{"Message-ID", "Volley writes it, the same for every attempt"},
    Owned{"DKIM-Signature", "set up [dkim] in volley.toml"},
    Owned{"Bcc", "every recipient has a message of their own"},
    Owned{"Received", "mail servers write it"},
    Owned{"Return-Path", "use the key `return_path`"},
    Owned{"MIME-Version", "Volley writes it"},
};

}  // namespace

Status check_user_header_name(std::string_view name) {
  if (name.empty()) return Error{Errc::kData, "a header has an empty name: remove it"};
  for (char raw : name) {
    const auto c = static_cast<unsigned char>(raw);
    if (c < 33 || c > 126 || c == ':') {
      return Error{Errc::kData,
                   "a header name has a blank, a colon or a character beyond ASCII: use letters, "
                   "digits and hyphens"};
    }
  }
  if (name.size() > 76) return Error{Errc::kData, "a header name is longer than 76 characters"};
  for (const Owned& owned : kOwned) {
    if (same_name(owned.name, name)) {
      return Error{Errc::kData,
                   fmt::format("header {} cannot be set here: {}", owned.name, owned.remedy)};
    }
  }
  if (same_name(name.substr(0, 8), "Content-")) {
    return Error{Errc::kData, fmt::format("header {} cannot be set here: Volley writes it", name)};
  }
  return {};
}

Status check_header_text(std::string_view what, std::string_view value) {
  for (char c : value) {
    if (c == '\r' || c == '\n' || c == '\0') {
      return Error{Errc::kData, fmt::format("{}: contains {}: write it on one line", what,
                                            c == '\0' ? "a NUL" : "a line break")};
    }
  }
  const size_t bad = find_invalid_utf8(value);
  if (bad != std::string_view::npos) {
    return Error{Errc::kData,
                 fmt::format("{}: byte {} is not UTF-8: save it as UTF-8", what, bad + 1)};
  }
  return {};
}

void append_unstructured(std::string_view name, std::string_view value, std::string& out) {
  value = trim(value);
  out += name;
  out += ':';
  if (!value.empty()) {
    out += ' ';
    const size_t column = name.size() + 2;
    if (std::any_of(value.begin(), value.end(), is_control)) {
      std::string clean(value);
      std::replace_if(clean.begin(), clean.end(), is_control, ' ');
      if (plain_and_foldable(clean)) {
        append_folded(clean, column, out);
      } else {
        append_encoded_words(clean, column, out);
      }
    } else if (!plain_and_foldable(value)) {
      append_encoded_words(value, column, out);
    } else if (column + value.size() <= kFoldAt) {
      out += value;
    } else {
      append_folded(value, column, out);
    }
  }
  out += "\r\n";
}

Status append_mailbox(std::string_view name, std::string_view display, std::string_view address,
                      std::string& out, bool utf8) {
  if (!utf8 && !is_ascii(address)) return Error{Errc::kData, fmt::format("{}: {}", name, kNeedsAscii)};
  if (!is_valid_utf8(address)) return Error{Errc::kData, fmt::format("{}: the address is not UTF-8", name)};
  if (std::any_of(address.begin(), address.end(), is_control)) {
    return Error{Errc::kData, fmt::format("{}: the address has a control character", name)};
  }
  out += name;
  out += ": ";
  display = trim(display);
  if (display.empty()) {
    out += address;
  } else {
    const size_t line = out.size() - name.size() - 2;
    append_phrase(display, name.size() + 2, out);
    const size_t newline = out.rfind('\n');
    const size_t start = newline == std::string::npos || newline < line ? line : newline + 1;
    out += out.size() - start + address.size() + 3 > kFoldAt ? "\r\n <" : " <";
    out += address;
    out += '>';
  }
  out += "\r\n";
  return {};
}

Status append_uris(std::string_view name, std::span<const std::string> uris, std::string& out) {
  constexpr char kHex[] = "0123456789ABCDEF";
  constexpr std::string_view kNever = "<>\"\\^`{|} ";
  out += name;
  out += ": ";
  bool first = true;
  for (const std::string& uri : uris) {
    const size_t start = out.size();
    out += first ? "<" : ",\r\n <";
    first = false;
    for (char raw : trim(uri)) {
      const auto c = static_cast<unsigned char>(raw);
      if (c >= 0x7F || c < 0x20 || kNever.find(raw) != std::string_view::npos) {
        out += '%';
        out += kHex[c >> 4];
        out += kHex[c & 15];
      } else {
        out += raw;
      }
    }
    out += '>';
    if (out.size() - start > kMaxUnbroken) {
      return Error{Errc::kData,
                   fmt::format("{}: the URI is longer than 900 characters: shorten it", name)};
    }
  }
  out += "\r\n";
  return {};
}

namespace {

std::string format_date(std::chrono::sys_seconds when) {
  using namespace std::chrono;
  constexpr std::array kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = floor<days>(when);
  const year_month_day date(day);
  const hh_mm_ss clock(when - day);
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} +0000", kDays[weekday(day).c_encoding()],
                     static_cast<unsigned>(date.day()),
                     kMonths[static_cast<unsigned>(date.month()) - 1],
                     static_cast<int>(date.year()), clock.hours().count(), clock.minutes().count(),
                     clock.seconds().count());
}

}  // namespace

// All messages of a campaign have the same.
std::string date_header(WallTime when) {
  thread_local std::pair<std::chrono::sys_seconds, std::string> last;
  const auto second = std::chrono::floor<std::chrono::seconds>(when);
  if (last.second.empty() || last.first != second) last = {second, format_date(second)};
  return last.second;
}

}  // namespace volley::message
