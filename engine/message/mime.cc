#include "engine/message/mime.h"

#include <algorithm>
#include <array>

#include "base/base64.h"
#include "base/line_scan.h"

namespace volley::message {
namespace {

constexpr char kHex[] = "0123456789ABCDEF";
constexpr size_t kQpLine = 76;  // RFC 2045 6.7 (5), the soft break's '=' included

// What quoted-printable may leave as it is: printable ASCII but '=', and blanks (which a line's end
// makes unsafe).
constexpr std::array<bool, 256> qp_table() {
  std::array<bool, 256> safe{};
  for (int c = 33; c <= 126; ++c) safe[c] = c != '=';
  safe[' '] = safe['\t'] = true;
  return safe;
}
constexpr std::array<bool, 256> kQpSafe = qp_table();

void append_hex(unsigned char c, std::string& out) {
  const char text[3] = {'=', kHex[c >> 4], kHex[c & 15]};
  out.append(text, 3);
}

// Room for `need` more characters on the line, else a soft break; one column stays free for a later
// '='.
void make_room(size_t need, size_t& column, std::string& out) {
  if (column + need > kQpLine - 1) {
    out.append("=\r\n", 3);
    column = 0;
  }
}

void append_qp_line(std::string_view line, std::string& out) {
  size_t column = 0, at = 0;
  while (at < line.size()) {
    auto c = static_cast<unsigned char>(line[at]);
    const bool blank_at_end = (c == ' ' || c == '\t') && at + 1 == line.size();
    // A line that begins with a dot or "From " is at the mercy of careless servers and mailboxes
    // (RFC 2049 3).
    const bool risky =
        column == 0 && (c == '.' || (c == 'F' && line.substr(at).starts_with("From ")));
    if (!kQpSafe[c] || blank_at_end || risky) {
      make_room(3, column, out);
      append_hex(c, out);
      column += 3;
      ++at;
      continue;
    }
    make_room(1, column, out);
    if (column == 0 && (c == '.' || c == 'F')) {
      const bool still_risky = c == '.' || line.substr(at).starts_with("From ");
      if (still_risky) continue;  // the soft break put it at a line's start
    }
    size_t end = at + 1;
    const size_t limit = std::min(line.size(), at + (kQpLine - 1 - column));
    while (end < limit && kQpSafe[static_cast<unsigned char>(line[end])]) ++end;
    if (end == line.size() && end > at + 1 && (line[end - 1] == ' ' || line[end - 1] == '\t')) {
      --end;
    }
    out.append(line.data() + at, end - at);
    column += end - at;
    at = end;
  }
}

}  // namespace

std::string_view name_of(TransferEncoding encoding) {
  switch (encoding) {
    case TransferEncoding::k7bit:
      return "7bit";
    case TransferEncoding::kQuotedPrintable:
      return "quoted-printable";
    case TransferEncoding::kBase64:
      return "base64";
  }
  return "7bit";
}

TransferEncoding choose_encoding(std::string_view text) {
  bool risky = false;
  const LineScan scan = scan_lines(text, [&](size_t at) {
    const std::string_view line = text.substr(at);
    risky = risky || line.starts_with("From ") || line.starts_with("--=");
  });
  // Above a third, base64 (4/3 of the size) is clearly smaller than quoted-printable (3 for each).
  if (scan.eight_bit > text.size() / 3) return TransferEncoding::kBase64;
  if (scan.eight_bit > 0 || risky || scan.longest >= kMaxLine)
    return TransferEncoding::kQuotedPrintable;
  return TransferEncoding::k7bit;
}

void append_encoded(TransferEncoding encoding, std::string_view text, std::string& out) {
  switch (encoding) {
    case TransferEncoding::k7bit:
      out.append(text);
      return;
    case TransferEncoding::kQuotedPrintable:
      append_quoted_printable(text, out);
      return;
    case TransferEncoding::kBase64:
      append_base64_lines(text, out);
      return;
  }
}

void append_quoted_printable(std::string_view text, std::string& out) {
  for (size_t at = 0; at < text.size();) {
    const size_t newline = text.find("\r\n", at);
    const size_t end = newline == std::string_view::npos ? text.size() : newline;
    append_qp_line(text.substr(at, end - at), out);
    if (newline == std::string_view::npos) return;
    out.append("\r\n", 2);
    at = end + 2;
  }
}

void append_base64_lines(std::string_view bytes, std::string& out) {
  constexpr size_t kPerLine = 57;  // 76 characters
  for (size_t at = 0; at < bytes.size(); at += kPerLine) {
    append_base64(bytes.substr(at, kPerLine), out);
    out.append("\r\n", 2);
  }
}

std::string base64(std::string_view bytes) { return to_base64(bytes); }

std::string to_crlf(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 32 + 2);
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\r') {
      out += "\r\n";
      if (at + 1 < text.size() && text[at + 1] == '\n') ++at;
    } else if (text[at] == '\n') {
      out += "\r\n";
    } else {
      out += text[at];
    }
  }
  return out;
}

}  // namespace volley::message
