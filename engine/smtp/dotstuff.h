// Transparency (RFC 5321 section 4.5.2) and what makes a body fit to send.
//
// Purpose    scan_body()/check_canonical() say whether bytes may go out as they are; DotStuffer cuts a body into slices
//            to send, adding dots without copying; DotDecoder is the receiving side, strict: only CRLF.CRLF ends data.
// Ownership  Everything works on views of the caller's bytes.
// Thread     Pure or one owner.
// Not for    repairing: canonical line ends are made before signing, in engine/message.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace volley::smtp {

struct BodyScan {
  bool bare_cr = false, bare_lf = false, nul = false,
       long_line = false;  // long: over 998 without CRLF
  size_t dot_lines = 0;    // lines that start with '.'
  bool ends_crlf = false;  // or the body is empty
  bool eight_bit = false;
  bool canonical() const { return !(bare_cr || bare_lf || nul || long_line); }
};
BodyScan scan_body(std::string_view body);

// No lone CR or LF, no NUL, no line over 998 octets: nullptr, else what is wrong.
const char* check_canonical(std::string_view body);

// Yields the slices of a body as they go on the wire, without the terminator. The body must be canonical.
class DotStuffer {
 public:
  DotStuffer() = default;
  explicit DotStuffer(std::string_view body, bool has_dot_lines = true);
  // The next slice, at most `max` bytes; empty at the end.
  std::string_view next(size_t max);
  bool done() const { return pos_ == body_.size(); }

 private:
  std::string_view body_;
  size_t pos_ = 0;
  size_t next_dot_ = std::string_view::npos;  // where the next '.' at a line start stands
  void find_dot(size_t from);
};

// Un-stuffs. feed() returns after each slice of content, so that a caller can hand it on without a copy.
class DotDecoder {
 public:
  enum class Step : uint8_t { kContent, kNeedMore, kEnd };
  // Looks at `bytes`; `used` is how much to drop from its front. kContent: `out` is content, a view of `bytes` or of a
  // static string; call again with the rest. kEnd: the terminator was eaten; what follows is the next command.
  Step feed(std::string_view bytes, size_t& used, std::string_view& out);

  bool bare_newline() const {
    return bare_cr_ || bare_lf_;
  }  // a lone CR or LF was seen in the content
  bool nul() const { return nul_; }
  bool long_line() const { return long_line_; }
  void reset() { *this = DotDecoder(); }

 private:
  enum class At : uint8_t { kLineStart, kMid, kCr, kDot, kDotCr };
  At at_ = At::kLineStart;
  bool bare_cr_ = false, bare_lf_ = false, nul_ = false, long_line_ = false;
  size_t line_ = 0;  // length of the line so far
};

}  // namespace volley::smtp
