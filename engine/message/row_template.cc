// The hot half of Mustache: a flat program over one row of strings.
#include <array>

#include "engine/message/mustache.h"

namespace volley::message {
namespace {

// Bit per Escape: may this byte be copied as it is?
constexpr uint8_t bit(Escape escape) {
  return static_cast<uint8_t>(1U << static_cast<int>(escape));
}

constexpr std::array<uint8_t, 256> plain_table() {
  std::array<uint8_t, 256> plain{};
  for (int c = 0; c < 256; ++c) {
    const bool control = c < 0x20 || c == 0x7F;
    const bool line = c == '\r' || c == '\n' || c == 0;
    const bool markup = c == '&' || c == '<' || c == '>' || c == '"' || c == '\'';
    const bool unreserved = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                            (c >= 'a' && c <= 'z') || c == '-' || c == '.' || c == '_' || c == '~';
    if (!line) plain[c] |= bit(Escape::kNone);
    if (!line && !markup) plain[c] |= bit(Escape::kHtml);
    if (!control) plain[c] |= bit(Escape::kHeader);
    if (unreserved) plain[c] |= bit(Escape::kUri);
  }
  return plain;
}
constexpr std::array<uint8_t, 256> kPlain = plain_table();

std::string_view entity(char c) {
  switch (c) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&quot;";
    default:
      return "&#39;";
  }
}

// The byte at `at` is not plain: writes what stands for it and steps over it. False for NUL in a body.
bool append_special(std::string_view value, size_t& at, Escape escape, std::string& out) {
  constexpr char kHex[] = "0123456789ABCDEF";
  const auto c = static_cast<unsigned char>(value[at++]);
  if (escape == Escape::kHeader) {
    out += ' ';
    return true;
  }
  if (escape == Escape::kUri) {
    const char coded[3] = {'%', kHex[c >> 4], kHex[c & 15]};
    out.append(coded, 3);
    return true;
  }
  if (c == 0) return false;
  if (c == '\r' || c == '\n') {
    if (c == '\r' && at < value.size() && value[at] == '\n') ++at;
    out += "\r\n";
    return true;
  }
  out += entity(static_cast<char>(c));
  return true;
}

bool append_value(std::string_view value, Escape escape, std::string& out) {
  const uint8_t mask = bit(escape);
  size_t at = 0;
  while (at < value.size()) {
    size_t end = at;
    while (end < value.size() && (kPlain[static_cast<unsigned char>(value[end])] & mask)) ++end;
    out.append(value.data() + at, end - at);
    at = end;
    if (at < value.size() && !append_special(value, at, escape, out)) return false;
  }
  return true;
}

Escape raw_form(Escape escape) {
  if (escape == Escape::kHtml) return Escape::kNone;
  if (escape == Escape::kUri) return Escape::kHeader;
  return escape;
}

}  // namespace

bool RowTemplate::render(std::span<const std::string_view> values, Escape escape,
                         std::string& out) const {
  const size_t start = out.size();
  auto value = [&](uint32_t column) {
    return column < values.size() ? values[column] : std::string_view();
  };
  for (size_t i = 0; i < ops_.size();) {
    const Op& op = ops_[i++];
    switch (op.kind) {
      case Op::Kind::kText:
        out.append(text_.data() + op.a, op.b);
        break;
      case Op::Kind::kValue: {
        const bool whole_uri = escape == Escape::kUri && out.size() == start;
        if (!append_value(value(op.a), whole_uri ? Escape::kHeader : escape, out)) return false;
        break;
      }
      case Op::Kind::kRaw:
        if (!append_value(value(op.a), raw_form(escape), out)) return false;
        break;
      case Op::Kind::kUnlessEmpty:
        if (value(op.a).empty()) i = op.b;
        break;
      case Op::Kind::kUnlessFull:
        if (!value(op.a).empty()) i = op.b;
        break;
    }
  }
  return true;
}

RowTemplate RowTemplate::literal(std::string text) {
  RowTemplate row;
  row.ops_.push_back({Op::Kind::kText, 0, static_cast<uint32_t>(text.size())});
  row.text_ = std::move(text);
  return row;
}

bool RowTemplate::constant() const {
  return ops_.empty() || (ops_.size() == 1 && ops_[0].kind == Op::Kind::kText);
}

std::string_view RowTemplate::constant_text() const { return text_; }

}  // namespace volley::message
