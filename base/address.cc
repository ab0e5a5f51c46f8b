#include "base/address.h"

#include <idn2.h>

#include <array>
#include <cstdint>
#include <memory>

#include "base/utf8.h"

namespace volley {
namespace {

constexpr size_t kMaxLocal = 64;
constexpr size_t kMaxDomain = 255;
constexpr size_t kMaxLabel = 63;
constexpr size_t kMaxAddress = 254;  // a path of 256 (RFC 5321 4.5.3.1.3) less its angle brackets

enum CharClass : uint8_t { kAtom = 1, kLdh = 2, kDigit = 4, kControl = 8, kHigh = 16 };

constexpr std::array<uint8_t, 256> make_classes() {
  std::array<uint8_t, 256> table{};
  for (int c = 0; c < 256; ++c) {
    uint8_t bits = 0;
    const bool digit = c >= '0' && c <= '9';
    const bool alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (digit) bits |= kDigit;
    if (digit || alpha) bits |= kAtom | kLdh;
    if (c == '-') bits |= kLdh;
    for (char special : std::string_view("!#$%&'*+-/=?^_`{|}~")) {
      if (c == special) bits |= kAtom;
    }
    if (c < 32 || c == 127) bits |= kControl;
    if (c >= 128) bits |= kHigh;
    table[static_cast<size_t>(c)] = bits;
  }
  return table;
}
constexpr std::array<uint8_t, 256> kClasses = make_classes();

uint8_t classes(char c) { return kClasses[static_cast<unsigned char>(c)]; }

// nullptr when the name is made of letter-digit-hyphen labels, else what is wrong with it.
const char* ldh_fault(std::string_view host) {
  if (host.empty()) return "no domain";
  if (host.size() > kMaxDomain) return "domain too long";
  size_t label_start = 0;
  size_t labels = 0;
  bool all_digits = true;
  for (size_t i = 0;; ++i) {
    if (i < host.size() && host[i] != '.') {
      const uint8_t bits = classes(host[i]);
      if (!(bits & kLdh)) return "bad character in domain";
      if (!(bits & kDigit)) all_digits = false;
      continue;
    }
    const size_t length = i - label_start;
    if (length == 0) return "empty label in domain";
    if (length > kMaxLabel) return "domain label too long";
    if (host[label_start] == '-' || host[i - 1] == '-') return "hyphen at the edge of a label";
    ++labels;
    if (i == host.size()) break;
    label_start = i + 1;
    all_digits = true;
  }
  if (labels < 2) return "no dot in domain";
  if (all_digits) return "top-level domain is a number";
  return nullptr;
}

const char* quoted_fault(std::string_view local) {
  // local[0] is the opening quote.
  for (size_t i = 1; i < local.size(); ++i) {
    if (local[i] == '\\') {
      if (++i >= local.size() || (classes(local[i]) & kHigh)) return "bad quoting in local part";
    } else if (local[i] == '"') {
      return i + 1 == local.size() ? nullptr : "text after the closing quote";
    }
  }
  return "no closing quote in local part";
}

const char* local_fault(std::string_view local, bool& utf8) {
  if (local.empty()) return "no local part";
  if (local.size() > kMaxLocal) return "local part too long";
  if (local[0] == '"') {
    if (const char* fault = quoted_fault(local)) return fault;
    utf8 = !is_ascii(local);
  } else {
    if (local.front() == '.' || local.back() == '.') return "dot at the edge of the local part";
    char previous = 0;
    for (char c : local) {
      const uint8_t bits = classes(c);
      if (bits & kHigh) utf8 = true;
      if (c == '.' && previous == '.') return "two dots in a row";
      if (!(bits & (kAtom | kHigh)) && c != '.') {
        return c == '@' ? "more than one @" : c == ' ' ? "space" : "bad character in local part";
      }
      previous = c;
    }
  }
  if (!utf8) return nullptr;
  size_t position = 0;
  while (position < local.size()) {
    const auto c = next_code_point(local, position);
    if (!c) return "not UTF-8";
    if (*c >= 0x80 && *c < 0xA0) return "control character";
  }
  return nullptr;
}

// The slow way, for names with letters beyond ASCII.
const char* to_a_labels(std::string_view domain, std::string& out) {
  if (domain.size() > 4 * kMaxDomain) return "domain too long";
  if (!is_valid_utf8(domain)) return "not UTF-8";
  char* raw = nullptr;
  const std::string text(domain);
  const int code = idn2_to_ascii_8z(text.c_str(), &raw, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  const std::unique_ptr<char, void (*)(void*)> owner(raw, idn2_free);
  if (code == IDN2_TOO_BIG_LABEL) return "domain label too long";
  if (code == IDN2_TOO_BIG_DOMAIN) return "domain too long";
  if (code != IDN2_OK) return "not an internationalised domain name";
  out = ascii_lower(std::string_view(raw));
  return ldh_fault(out);
}

Error bad(const char* why) { return Error{Errc::kData, why}; }

// Unquoted display names: anything but what would make it an address list or a comment (RFC 5322 "specials").
bool needs_quotes(std::string_view name) {
  return name.find_first_of(",;:<>()[]@\\\"") != std::string_view::npos;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

Result<std::string> display_name(std::string_view text) {
  if (text.empty() || text.front() != '"') {
    if (needs_quotes(text)) return bad("put the display name in double quotes");
    return std::string(text);
  }
  std::string name;
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      name += text[++i];
    } else if (text[i] == '"') {
      if (i + 1 != text.size()) return bad("text between the display name and <");
      return name;
    } else {
      name += text[i];
    }
  }
  return bad("no closing quote in the display name");
}

}  // namespace

Result<Address> parse_address(std::string_view text) {
  for (char c : text) {
    if (classes(c) & kControl) return bad("control character");
  }
  const size_t at = text.rfind('@');
  if (at == std::string_view::npos) return bad(text.empty() ? "empty address" : "no @");
  const std::string_view domain = text.substr(at + 1);
  Address address;
  if (const char* fault = local_fault(text.substr(0, at), address.utf8)) return bad(fault);
  const char* fault = ldh_fault(domain);
  if (!fault) {
    address.domain.resize(domain.size());
    for (size_t i = 0; i < domain.size(); ++i) address.domain[i] = ascii_lower(domain[i]);
  } else if (is_ascii(domain)) {
    return bad(domain.starts_with('[') ? "address literals are not accepted" : fault);
  } else if (const char* idn_fault = to_a_labels(domain, address.domain)) {
    return bad(idn_fault);
  }
  if (at + 1 + address.domain.size() > kMaxAddress) return bad("address too long");
  address.local.assign(text.substr(0, at));
  return address;
}

Result<Mailbox> parse_mailbox(std::string_view text) {
  for (char c : text) {
    if ((classes(c) & kControl) && c != '\t') return bad("control character");
  }
  if (!is_valid_utf8(text)) return bad("not UTF-8");
  text = trim(text);
  if (!text.ends_with('>')) {
    Result<Address> address = parse_address(text);
    if (!address) return address.error();
    return Mailbox{"", std::move(address).value()};
  }
  const size_t open = text.rfind('<');
  if (open == std::string_view::npos) return bad("> without <");
  Result<Address> address = parse_address(text.substr(open + 1, text.size() - open - 2));
  if (!address) return address.error();
  Result<std::string> name = display_name(trim(text.substr(0, open)));
  if (!name) return name.error();
  return Mailbox{std::move(name).value(), std::move(address).value()};
}

std::string fold_address(std::string_view address) { return ascii_lower(address); }

std::string hide_local_parts(std::string_view text) {
  constexpr std::string_view kEnds = " \t<>()[],;:\"'`";
  std::string out;
  for (const char c : text) {
    if (c == '@') {
      size_t start = out.size();
      while (start > 0 && kEnds.find(out[start - 1]) == std::string_view::npos) --start;
      if (start < out.size()) out.replace(start, std::string::npos, "*");
      const size_t quote = out.size() > 1 && out.back() == '"' ? out.rfind('"', out.size() - 2) : std::string::npos;
      if (quote != std::string::npos) out.replace(quote, std::string::npos, "*");  // "a quoted one"
    }
    out += c;
  }
  return out;
}

bool is_fqdn(std::string_view host) { return ldh_fault(host) == nullptr; }

}  // namespace volley
