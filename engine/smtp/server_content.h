// What BDAT content is looked at for: nothing but CRLF ends lines, no NUL.
//
// Purpose    Verdicts on content that comes in pieces cut anywhere, chunk borders included.
// Thread     One owner. Errors: none. Not for: DATA, where DotDecoder sees the same while it un-stuffs.
#pragma once

#include <cstring>
#include <string_view>

namespace volley::smtp {

class ContentCheck {
 public:
  void feed(std::string_view piece) {
    if (piece.empty()) return;
    if (std::memchr(piece.data(), '\0', piece.size())) nul_ = true;
    while (!piece.empty()) {
      if (after_cr_) {
        if (piece[0] != '\n') bare_ = true;
        after_cr_ = false;
        if (piece[0] == '\n') {
          piece.remove_prefix(1);
          continue;
        }
      }
      // Up to the next CR there may be no LF.
      const void* cr = std::memchr(piece.data(), '\r', piece.size());
      const size_t length =
          cr ? static_cast<size_t>(static_cast<const char*>(cr) - piece.data()) : piece.size();
      if (std::memchr(piece.data(), '\n', length)) bare_ = true;
      after_cr_ = cr != nullptr;
      piece.remove_prefix(length + (cr ? 1 : 0));
    }
  }
  bool nul() const { return nul_; }
  bool bare_newline(bool at_end) const { return bare_ || (at_end && after_cr_); }
  void reset() { *this = ContentCheck(); }

 private:
  bool nul_ = false, bare_ = false, after_cr_ = false;
};

}  // namespace volley::smtp
