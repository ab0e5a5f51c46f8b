#include "engine/smtp/reply.h"

#include <algorithm>
#include <cstring>

#include "base/log.h"

namespace volley::smtp {
namespace {

constexpr size_t kTextCap = 1024;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// 1 to 3 digits from text[at]; returns how many, 0 if none or too many.
size_t take_number(std::string_view text, size_t at, uint16_t& out) {
  size_t n = 0;
  unsigned value = 0;
  while (at + n < text.size() && is_digit(text[at + n])) {
    if (++n > 3) return 0;
    value = value * 10 + static_cast<unsigned>(text[at + n - 1] - '0');
  }
  out = static_cast<uint16_t>(value);
  return n;
}

// 5 over 4 over the rest.
int badness(int first_digit) { return first_digit >= 4 ? first_digit : 0; }

// The longest start of a line that can still become a reply line.
bool may_be_reply(std::string_view line) {
  const size_t n = std::min<size_t>(line.size(), 4);
  for (size_t i = 0; i < n; ++i) {
    const char c = line[i];
    if (i == 0 && (c < '2' || c > '5')) return false;
    if (i < 3 && !is_digit(c)) return false;
    if (i == 3 && c != ' ' && c != '-' && c != '\r') return false;
  }
  return true;
}

// What nearly all replies are, told apart quickly.
bool is_plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

}  // namespace

std::string EnhancedCode::str() const {
  return std::to_string(cls) + '.' + std::to_string(subject) + '.' + std::to_string(detail);
}

size_t parse_enhanced(std::string_view text, EnhancedCode& out) {
  if (text.size() < 5 || (text[0] != '2' && text[0] != '4' && text[0] != '5') || text[1] != '.') {
    return 0;
  }
  EnhancedCode code;
  code.cls = static_cast<uint8_t>(text[0] - '0');
  size_t at = 2;
  size_t n = take_number(text, at, code.subject);
  if (n == 0 || at + n >= text.size() || text[at + n] != '.') return 0;
  at += n + 1;
  n = take_number(text, at, code.detail);
  if (n == 0) return 0;
  at += n;
  if (at < text.size() && text[at] != ' ' && text[at] != '\t') return 0;
  out = code;
  return at;
}

std::string Reply::str() const {
  if (code == 0) return {};
  std::string out = std::to_string(code);
  if (enhanced) out += ' ' + enhanced->str();
  if (!text.empty()) out += ' ' + text;
  return out;
}

ReplyParser::Progress ReplyParser::fail(const char* why) {
  error_ = why;
  return Progress::kBad;
}

ReplyParser::Progress ReplyParser::parse(std::string_view bytes, size_t& used) {
  used = 0;
  if (done_) {
    raw_.clear();
    size_ = 0;
    lines_ = code_ = worst_code_ = worst_ = 0;
    conflict_ = done_ = false;
  }
  while (used < bytes.size()) {
    const std::string_view rest = bytes.substr(used);
    const void* nl = std::memchr(rest.data(), '\n', rest.size());
    const size_t length =
        nl ? static_cast<size_t>(static_cast<const char*>(nl) - rest.data()) : rest.size();
    size_ += length + (nl ? 1 : 0);
    used += length + (nl ? 1 : 0);
    if (size_ > kReplyCap) return fail("reply over 64 KiB");
    std::string_view line = rest.substr(0, std::min(length, kLineCap));
    if (!nl || !line_.empty()) {
      line_.append(rest.substr(0, std::min(length, kLineCap - line_.size())));
      line = line_;
    }
    if (!may_be_reply(line)) return fail("not an SMTP reply");
    if (!nl) return Progress::kNeedMore;
    const Progress progress = line_done(line);
    line_.clear();
    if (progress != Progress::kNeedMore) return progress;
  }
  return Progress::kNeedMore;
}

ReplyParser::Progress ReplyParser::line_done(std::string_view line) {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  if (line.size() < 3 || (line.size() > 3 && line[3] != ' ' && line[3] != '-')) {
    return fail("not an SMTP reply");
  }
  if (lines_ == kLinesCap) return fail("reply over 512 lines");
  const int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
  const int digit = code / 100;
  if (lines_ > 0 && digit != code_ / 100) conflict_ = true;
  if (lines_ == 0 || badness(digit) >= badness(worst_)) {
    worst_ = digit;
    worst_code_ = code;
  }
  code_ = code;
  if (lines_++ > 0) raw_ += '\n';
  if (line.size() > 4) raw_.append(line.substr(4));
  if (line.size() > 3 && line[3] == '-') return Progress::kNeedMore;
  done_ = true;
  return Progress::kReply;
}

Reply ReplyParser::take() {
  Reply reply;
  reply.conflict = conflict_;
  reply.code = conflict_ ? worst_code_ : code_;
  EnhancedCode code;
  const size_t skip = parse_enhanced(raw_, code);
  const bool has_code = skip > 0 && code.cls == reply.code / 100;
  if (has_code) reply.enhanced = code;
  std::string joined;
  if (lines_ == 1) {
    std::string_view text(raw_);
    if (has_code) text.remove_prefix(std::min(text.size(), skip + 1));
    if (text.size() <= kTextCap) {
      reply.text = is_plain(text) ? std::string(text) : sanitize(text, kTextCap);
      return reply;
    }
    joined = text;
  } else {
    for (size_t at = 0; at <= raw_.size();) {
      const size_t end = std::min(raw_.find('\n', at), raw_.size());
      std::string_view line = std::string_view(raw_).substr(at, end - at);
      EnhancedCode again;
      const size_t cut = has_code ? parse_enhanced(line, again) : 0;
      if (cut > 0 && again == code) line.remove_prefix(std::min(line.size(), cut + 1));
      if (at > 0) joined += ' ';
      joined += line;
      at = end + 1;
    }
  }
  // Some receivers say what matters in the last line, so both ends are kept.
  if (joined.size() > kTextCap) {
    constexpr size_t kHead = 500, kTail = 519;
    joined = joined.substr(0, kHead) + " ... " + joined.substr(joined.size() - kTail);
  }
  reply.text = sanitize(joined, kTextCap);
  return reply;
}

}  // namespace volley::smtp
