// SMTP replies: what they are, and an incremental parser for them.
//
// Purpose    ReplyParser eats bytes in any split and yields one Reply at a time (RFC 5321 section 4.2, RFC 2034).
// Ownership  Values. The parser keeps at most the caps below, whatever a peer sends.
// Thread     One owner; no clocks, no sockets.
// Errors     Peer input never asserts: kBad with a reason, after which the parser must not be used any more.
// Rules      A line ends at LF, a CR before it is dropped (bare LF is accepted, when reading only). A line must match
//            ^\d{3}([ -]|$) with a first digit of 2 to 5. Of differing codes in one reply the last line's counts;
//            when first digits differ the worst class counts (5 over 4 over the rest) and `conflict` is set.
//            An enhanced code is kept only if its class equals the first digit; it is cut from the text.
// Not for    deciding what a reply means for a recipient: see classify.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace volley::smtp {

struct EnhancedCode {
  uint8_t cls = 0;  // 2, 4 or 5
  uint16_t subject = 0;
  uint16_t detail = 0;
  bool operator==(const EnhancedCode&) const = default;
  std::string str() const;  // "5.7.1"
};

// "5.7.1" at the start of `text`, followed by a space or the end; returns how many bytes it takes, 0 if none.
size_t parse_enhanced(std::string_view text, EnhancedCode& out);

struct Reply {
  int code = 0;  // 0: there was no reply
  std::optional<EnhancedCode> enhanced;
  std::string
      text;  // all lines joined by spaces, sanitised, at most 1 KiB, without the enhanced code
  bool conflict = false;  // lines disagreed about the first digit

  int first_digit() const { return code / 100; }
  // "550 5.1.1 no such user": what rules match against and people read.
  std::string str() const;
};

class ReplyParser {
 public:
  static constexpr size_t kLineCap = 4096;  // kept of one line; the rest is counted and dropped
  static constexpr size_t kReplyCap = size_t{64} << 10;  // bytes of one reply
  static constexpr int kLinesCap = 512;           // lines of one reply

  enum class Progress : uint8_t { kNeedMore, kReply, kBad };

  // Eats from `bytes` up to the end of one reply; `used` says how much. kReply: call take() before parsing on.
  Progress parse(std::string_view bytes, size_t& used);
  Reply take();
  // The raw text of the reply that was just taken, lines separated by '\n', codes removed. Valid until parse().
  const std::string& raw() const { return raw_; }
  // Why kBad was returned.
  const char* error() const { return error_; }
  // True while part of a reply is held.
  bool partial() const { return !line_.empty() || lines_ > 0; }
  // The first bytes of a reply of which no line is complete yet.
  std::string_view held_line() const { return line_; }

 private:
  Progress fail(const char* why);
  Progress line_done(std::string_view line);

  std::string line_;  // an unfinished line
  std::string raw_;   // text of the finished lines
  size_t size_ = 0;   // bytes of this reply so far
  int lines_ = 0;
  int code_ = 0;
  int worst_ = 0;  // worst first digit seen
  int worst_code_ = 0;
  bool conflict_ = false;
  bool done_ = false;
  const char* error_ = "";
};

}  // namespace volley::smtp
