#include "engine/smtp/dotstuff.h"

#include <cstring>

#include "base/line_scan.h"

namespace volley::smtp {
namespace {

constexpr size_t kLineMax = 998;

size_t find_byte(std::string_view text, size_t from, char c) {
  if (from >= text.size()) return std::string_view::npos;
  const void* at = std::memchr(text.data() + from, c, text.size() - from);
  return at ? static_cast<size_t>(static_cast<const char*>(at) - text.data())
            : std::string_view::npos;
}

}  // namespace

BodyScan scan_body(std::string_view body) {
  BodyScan scan;
  const LineScan lines = scan_lines(body, [&](size_t at) { scan.dot_lines += body[at] == '.'; });
  scan.nul = lines.nul;
  scan.ends_crlf = body.empty() || body.ends_with("\r\n");
  scan.eight_bit = lines.eight_bit > 0;
  scan.bare_lf = lines.bare_lf;
  scan.bare_cr = lines.bare_cr;
  scan.long_line = lines.longest > kLineMax;
  return scan;
}

const char* check_canonical(std::string_view body) {
  const BodyScan scan = scan_body(body);
  if (scan.bare_cr) return "a carriage return without a line feed";
  if (scan.bare_lf) return "a line feed without a carriage return";
  if (scan.nul) return "a NUL";
  if (scan.long_line) return "a line over 998 octets";
  return nullptr;
}

DotStuffer::DotStuffer(std::string_view body, bool has_dot_lines) : body_(body) {
  if (!has_dot_lines) return;
  if (!body_.empty() && body_[0] == '.') {
    next_dot_ = 0;
  } else {
    find_dot(0);
  }
}

void DotStuffer::find_dot(size_t from) {
  for (size_t lf = find_byte(body_, from, '\n'); lf != std::string_view::npos;
       lf = find_byte(body_, lf + 1, '\n')) {
    if (lf + 1 < body_.size() && body_[lf + 1] == '.') {
      next_dot_ = lf + 1;
      return;
    }
  }
  next_dot_ = std::string_view::npos;
}

std::string_view DotStuffer::next(size_t max) {
  if (max == 0 || pos_ == body_.size()) return {};
  if (pos_ == next_dot_) {
    find_dot(pos_ + 1);
    return ".";
  }
  const size_t end = std::min(next_dot_, body_.size());
  const std::string_view slice = body_.substr(pos_, std::min(max, end - pos_));
  pos_ += slice.size();
  return slice;
}

DotDecoder::Step DotDecoder::feed(std::string_view bytes, size_t& used, std::string_view& out) {
  out = {};
  size_t from = 0;
  // What stands before content: the dots of dot lines, and the terminator.
  for (bool content = false; !content;) {
    if (from == bytes.size()) {
      used = from;
      return Step::kNeedMore;
    }
    const char c = bytes[from];
    if (at_ == At::kLineStart && c == '.') {
      at_ = At::kDot;
      ++from;
    } else if (at_ == At::kDot && c == '\r') {
      at_ = At::kDotCr;
      ++from;
    } else if (at_ == At::kDotCr && c == '\n') {
      used = from + 1;
      at_ = At::kLineStart;
      return Step::kEnd;
    } else if (at_ == At::kDotCr) {
      // The dot was transparency, the CR is content.
      at_ = At::kCr;
      line_ = 1;
      used = from;
      out = "\r";
      return Step::kContent;
    } else {
      if (at_ != At::kCr) at_ = At::kMid;
      content = true;
    }
  }
  size_t at = from;
  while (at < bytes.size()) {
    const size_t lf = find_byte(bytes, at, '\n');
    const size_t end = std::min(lf, bytes.size());
    if (end > at) {
      if (at_ == At::kCr) bare_cr_ = true;  // the CR before was no line end
      at_ = bytes[end - 1] == '\r' ? At::kCr : At::kMid;
      const size_t before = end - at - (at_ == At::kCr ? 1 : 0);
      if (before > 0 && std::memchr(bytes.data() + at, '\r', before)) bare_cr_ = true;
      line_ += end - at;
    }
    if (line_ > kLineMax + (at_ == At::kCr ? 1 : 0)) long_line_ = true;
    at = end;
    if (lf == std::string_view::npos) break;
    ++at;
    if (at_ != At::kCr) {
      bare_lf_ = true;
      at_ = At::kMid;
      continue;
    }
    at_ = At::kLineStart;
    line_ = 0;
    if (at < bytes.size()) {
      if (bytes[at] == '.') break;
      at_ = At::kMid;
    }
  }
  out = bytes.substr(from, at - from);
  used = at;
  if (std::memchr(out.data(), '\0', out.size())) nul_ = true;
  return Step::kContent;
}

}  // namespace volley::smtp
