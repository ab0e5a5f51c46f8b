// MIME building blocks: transfer encodings, encoded-words, parameters, boundaries.
//
// Purpose  Bytes in, encoded bytes appended to `out`. RFC 2045 (quoted-printable, base64), RFC 2047
// (encoded-words),
//          RFC 2231 (parameters), RFC 5322 2.1.1 (line lengths).
// Thread   Pure.
// Not for  Parsing: this engine only writes mail.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace volley::message {

inline constexpr size_t kMaxLine = 998;  // octets without CRLF

enum class TransferEncoding : uint8_t { k7bit, kQuotedPrintable, kBase64 };
std::string_view name_of(TransferEncoding encoding);

// Cheapest encoding that survives any receiver. 7bit needs pure ASCII, lines of at most 998 octets,
// none beginning "From " or "--=" (our boundaries). Mostly non-ASCII text goes base64. `text` has
// CRLF line ends only.
TransferEncoding choose_encoding(std::string_view text);

void append_encoded(TransferEncoding encoding, std::string_view text, std::string& out);
// Text with CRLF line ends; lines of at most 76, no white space at a line's end, no leading dot, no
// leading "From ".
void append_quoted_printable(std::string_view text, std::string& out);
// Lines of 76 and CRLF after each, the last one included; nothing for nothing.
void append_base64_lines(std::string_view bytes, std::string& out);
std::string base64(std::string_view bytes);

// Lone CR and lone LF become CRLF.
std::string to_crlf(std::string_view text);
// Offset of the first byte that is not UTF-8, or npos.
size_t find_invalid_utf8(std::string_view text);

// Encoded-words for the whole of `text`, folded; `column` is how far the current line has come.
// Words are at most 75 characters, never split a character, and use the alphabet that is safe in a
// phrase.
void append_encoded_words(std::string_view text, size_t column, std::string& out);

// `; name="value"`, or RFC 2231 continuations when the value is long or not ASCII, each on a line
// of its own.
void append_parameter(std::string_view name, std::string_view value, std::string& out);

// `=_<kind>_<16 hex>`: can occur in no quoted-printable or base64 text, and choose_encoding keeps
// it out of 7bit.
std::string boundary(char kind, uint64_t seed);

}  // namespace volley::message
