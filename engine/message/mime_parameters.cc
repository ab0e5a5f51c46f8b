// The header side of MIME: encoded-words, parameters, boundaries.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/utf8.h"
#include "engine/message/mime.h"

namespace volley::message {
namespace {

constexpr char kHex[] = "0123456789ABCDEF";
constexpr size_t kMaxWord = 75;        // RFC 2047 2
constexpr size_t kMaxHeaderLine = 76;  // of a line that holds an encoded-word
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// RFC 2047 5 (3): the only characters Q may leave alone inside a phrase.
constexpr std::array<bool, 256> q_table() {
  std::array<bool, 256> safe{};
  for (int c = '0'; c <= '9'; ++c) safe[c] = true;
  for (int c = 'a'; c <= 'z'; ++c) safe[c] = safe[c - 32] = true;
  for (char c : std::string_view("!*+-/")) safe[static_cast<unsigned char>(c)] = true;
  return safe;
}
constexpr std::array<bool, 256> kQSafe = q_table();

// RFC 2231 attribute-char: token without * ' %
constexpr std::array<bool, 256> attribute_table() {
  std::array<bool, 256> safe{};
  for (int c = '0'; c <= '9'; ++c) safe[c] = true;
  for (int c = 'a'; c <= 'z'; ++c) safe[c] = safe[c - 32] = true;
  for (char c : std::string_view("!#$&+-.^_`{|}~")) safe[static_cast<unsigned char>(c)] = true;
  return safe;
}
constexpr std::array<bool, 256> kAttributeSafe = attribute_table();

// The character at `at`, one that is not UTF-8 replaced; advances `at`.
std::string_view next_character(std::string_view text, size_t& at) {
  const size_t start = at;
  if (next_code_point(text, at)) return text.substr(start, at - start);
  ++at;
  return kReplacement;
}

size_t q_cost(std::string_view character) {
  const auto c = static_cast<unsigned char>(character[0]);
  return character.size() == 1 && (kQSafe[c] || c == ' ') ? 1 : 3 * character.size();
}

void append_q(std::string_view character, std::string& out) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (first == ' ') {
    out += '_';
  } else if (character.size() == 1 && kQSafe[first]) {
    out += character;
  } else {
    for (char raw : character) {
      const auto c = static_cast<unsigned char>(raw);
      out += '=';
      out += kHex[c >> 4];
      out += kHex[c & 15];
    }
  }
}

bool q_is_shorter(std::string_view text) {
  size_t q = 0, bytes = 0;
  for (size_t at = 0; at < text.size();) {
    const std::string_view character = next_character(text, at);
    q += q_cost(character);
    bytes += character.size();
  }
  return q <= (bytes + 2) / 3 * 4;
}

void append_token_parameter(std::string_view name, std::string_view value, std::string& out) {
  out += ";\r\n ";
  out += name;
  out += "=\"";
  for (char c : value) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

std::string percent_encoded(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1 && kAttributeSafe[first]) return std::string(character);
  std::string out;
  for (char raw : character) {
    const auto c = static_cast<unsigned char>(raw);
    out += '%';
    out += kHex[c >> 4];
    out += kHex[c & 15];
  }
  return out;
}

}  // namespace

size_t find_invalid_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    if (!next_code_point(text, at)) return at;
  }
  return std::string_view::npos;
}

void append_encoded_words(std::string_view text, size_t column, std::string& out) {
  const bool q = q_is_shorter(text);
  const std::string_view open = q ? "=?UTF-8?Q?" : "=?UTF-8?B?";
  const size_t frame = open.size() + 2;
  std::string word;  // B: raw bytes; Q: encoded
  size_t at = 0;
  bool first = true;
  while (at < text.size()) {
    if (!first) {
      out += "\r\n ";
      column = 1;
    }
    // The first word may find too little room behind a long name: it then starts on a line of its
    // own.
    if (first && column + frame + 12 > kMaxHeaderLine && column > 1) {
      out += "\r\n ";
      column = 1;
    }
    first = false;
    const size_t room = std::min(kMaxWord, kMaxHeaderLine - column) - frame;
    word.clear();
    while (at < text.size()) {
      size_t next = at;
      const std::string_view character = next_character(text, next);
      const size_t grown =
          q ? word.size() + q_cost(character) : (word.size() + character.size() + 2) / 3 * 4;
      if (grown > room) break;
      if (q) {
        append_q(character, word);
      } else {
        word += character;
      }
      at = next;
    }
    out += open;
    out += q ? word : base64(word);
    out += "?=";
  }
}

void append_parameter(std::string_view name, std::string_view value, std::string& out) {
  bool plain = name.size() + value.size() <= 68;
  for (char raw : value) {
    const auto c = static_cast<unsigned char>(raw);
    plain = plain && c >= 0x20 && c < 0x7F;
  }
  if (plain) return append_token_parameter(name, value, out);

  constexpr size_t kPiece = 50;
  std::vector<std::string> pieces(1, "UTF-8''");
  for (size_t at = 0; at < value.size();) {
    const std::string coded = percent_encoded(next_character(value, at));
    if (pieces.back().size() + coded.size() > kPiece) pieces.emplace_back();
    pieces.back() += coded;
  }
  if (pieces.size() == 1) {
    out += fmt::format(";\r\n {}*={}", name, pieces[0]);
    return;
  }
  for (size_t i = 0; i < pieces.size(); ++i) {
    out += fmt::format(";\r\n {}*{}*={}", name, i, pieces[i]);
  }
}

std::string boundary(char kind, uint64_t seed) { return fmt::format("=_{}_{:016x}", kind, seed); }

}  // namespace volley::message
