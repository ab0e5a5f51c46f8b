// The relaxed forms of header fields and body (RFC 6376 3.4.2, 3.4.4).
#ifdef __SSE2__
#include <immintrin.h>
#endif

#include <algorithm>

#include "base/hash.h"
#include "engine/message/dkim.h"
#include "engine/message/mime.h"

namespace volley::message {
namespace {

bool blank(char c) { return c == ' ' || c == '\t'; }

// Anything but a single space within a line; `next` follows `c`.
bool goes(char c, char next) { return c == '\t' || (c == ' ' && (blank(next) || next == '\r')); }

// Where the next blank is that goes, from `at` on; the size of the body: nowhere.
size_t next_to_relax(std::string_view body, size_t at) {
#ifdef __SSE2__
  const __m128i tab = _mm_set1_epi8('\t'), space = _mm_set1_epi8(' '), cr = _mm_set1_epi8('\r');
  const auto load = [&](size_t from) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(body.data() + from));
  };
  for (; at + 17 <= body.size(); at += 16) {
    const __m128i c = load(at), next = load(at + 1);
    const __m128i ends = _mm_or_si128(_mm_cmpeq_epi8(next, space), _mm_or_si128(_mm_cmpeq_epi8(next, tab), _mm_cmpeq_epi8(next, cr)));
    const __m128i found = _mm_or_si128(_mm_cmpeq_epi8(c, tab), _mm_and_si128(_mm_cmpeq_epi8(c, space), ends));
    const auto bits = static_cast<unsigned>(_mm_movemask_epi8(found));
    if (bits != 0) return at + static_cast<size_t>(__builtin_ctz(bits));
  }
#endif
  for (; at + 1 < body.size(); ++at) {
    if (goes(body[at], body[at + 1])) return at;
  }
  return body.size();
}

// Without the blanks and empty lines at its end.
std::string_view without_end(std::string_view body) {
  while (true) {
    if (body.ends_with("\r\n")) {
      body.remove_suffix(2);
    } else if (!body.empty() && blank(body.back())) {
      body.remove_suffix(1);
    } else {
      return body;
    }
  }
}

}  // namespace

void append_relaxed_body(std::string_view body, std::string& out) {
  body = without_end(body);
  if (body.empty()) return;
  for (size_t at = 0; at < body.size();) {
    const size_t gap = next_to_relax(body, at);
    out += body.substr(at, gap - at);
    at = gap;
    if (at == body.size()) break;
    while (blank(body[at])) ++at;  // stops: the last character is not blank
    if (!body.substr(at).starts_with("\r\n")) out += ' ';
  }
  out += "\r\n";
}

std::string relaxed_body_hash(std::string_view body) {
  Sha256 hash;
  const std::string_view text = without_end(body);
  if (next_to_relax(text, 0) == text.size()) {
    hash.update(text);
    if (!text.empty()) hash.update("\r\n");
  } else {
    std::string relaxed;
    relaxed.reserve(text.size() + 2);
    append_relaxed_body(text, relaxed);
    hash.update(relaxed);
  }
  const auto digest = hash.finish();
  return base64({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

void append_relaxed_header(std::string_view field, std::string& out) {
  const size_t colon = std::min(field.find(':'), field.size());
  std::string_view name = field.substr(0, colon);
  while (!name.empty() && blank(name.back())) name.remove_suffix(1);
  for (const char c : name) out += c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  out += ':';
  const size_t start = out.size();
  bool gap = false;
  for (const char c : field.substr(std::min(colon + 1, field.size()))) {
    if (c == '\r' || c == '\n') continue;
    if (blank(c)) {
      gap = true;
      continue;
    }
    if (gap && out.size() > start) out += ' ';
    gap = false;
    out += c;
  }
}

}  // namespace volley::message
