// One pass over text that is meant to be lines ended by CRLF: what breaks a line, what is no ASCII, how long lines get.
//
// Purpose  Every message is looked at twice, when its encoding is chosen and before it goes out: 64 bytes at a time where the machine
//          has SSE2 (all x86-64 have), else one by one. scan_lines_plainly() is the same without haste; tests hold one against the other.
// Thread   Pure.
#pragma once

#ifdef __SSE2__
#include <immintrin.h>
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace volley {

struct LineScan {
  bool nul = false;
  bool bare_cr = false, bare_lf = false;  // one without the other
  size_t eight_bit = 0;                   // bytes that are no ASCII
  size_t longest = 0;  // line, in bytes, without its CRLF; with a CR or LF of its own
};

// A block of at most 64 bytes, a bit for each byte. Lines end at a line feed.
class LineScanner {
 public:
  // at_line(start): each line's first byte.
  template <typename AtLine>
  void block(size_t at, uint64_t cr, uint64_t lf, unsigned bytes, const AtLine& at_line) {
    const uint64_t after_cr = cr << 1 | (last_was_cr_ ? 1 : 0);
    const uint64_t all = bytes == 64 ? ~uint64_t{0} : (uint64_t{1} << bytes) - 1;
    scan.bare_lf |= (lf & ~after_cr) != 0;
    scan.bare_cr |= (after_cr & ~lf & all) != 0;
    for (uint64_t left = lf; left != 0; left &= left - 1) {
      const auto bit = static_cast<unsigned>(__builtin_ctzll(left));
      end_line(at + bit, (after_cr >> bit & 1) != 0);
      if (at + bit + 1 < size_) at_line(at + bit + 1);
    }
    last_was_cr_ = (cr >> (bytes - 1) & 1) != 0;
  }
  template <typename AtLine>
  void byte(size_t at, char c, const AtLine& at_line) {
    scan.nul |= c == 0;
    scan.eight_bit += static_cast<unsigned char>(c) >> 7;
    block(at, c == '\r', c == '\n', 1, at_line);
  }
  void finish() {
    if (line_ < size_) end_line(size_, false);
    scan.bare_cr |= last_was_cr_;
  }

  explicit LineScanner(size_t size) : size_(size) {}
  LineScan scan;

 private:
  void end_line(size_t at, bool crlf) {
    scan.longest = std::max(scan.longest, at - line_ - (crlf ? 1 : 0));
    line_ = at + 1;
  }

  size_t size_;
  size_t line_ = 0;  // where the line begins
  bool last_was_cr_ = false;
};

template <typename AtLine>
LineScan scan_lines_plainly(std::string_view text, const AtLine& at_line) {
  LineScanner scanner(text.size());
  if (!text.empty()) at_line(size_t{0});
  for (size_t at = 0; at < text.size(); ++at) scanner.byte(at, text[at], at_line);
  scanner.finish();
  return scanner.scan;
}

#ifdef __SSE2__
template <typename AtLine>
LineScan scan_lines(std::string_view text, const AtLine& at_line) {
  LineScanner scanner(text.size());
  if (!text.empty()) at_line(size_t{0});
  const __m128i cr = _mm_set1_epi8('\r'), lf = _mm_set1_epi8('\n'), zero = _mm_setzero_si128();
  const auto mask = [](__m128i bytes) {
    return static_cast<uint64_t>(static_cast<uint32_t>(_mm_movemask_epi8(bytes)));
  };
  size_t at = 0;
  for (; at + 64 <= text.size(); at += 64) {
    uint64_t crs = 0, lfs = 0, high = 0;
    __m128i nul = zero;
    for (unsigned i = 0; i < 64; i += 16) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + at + i));
      crs |= mask(_mm_cmpeq_epi8(bytes, cr)) << i;
      lfs |= mask(_mm_cmpeq_epi8(bytes, lf)) << i;
      high |= mask(bytes) << i;
      nul = _mm_or_si128(nul, _mm_cmpeq_epi8(bytes, zero));
    }
    if (mask(nul) != 0) scanner.scan.nul = true;
    if (high != 0) scanner.scan.eight_bit += static_cast<size_t>(__builtin_popcountll(high));
    scanner.block(at, crs, lfs, 64, at_line);
  }
  for (; at < text.size(); ++at) scanner.byte(at, text[at], at_line);
  scanner.finish();
  return scanner.scan;
}
#else
template <typename AtLine>
LineScan scan_lines(std::string_view text, const AtLine& at_line) {
  return scan_lines_plainly(text, at_line);
}
#endif

}  // namespace volley
