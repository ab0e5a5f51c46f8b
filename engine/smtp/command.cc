#include "engine/smtp/command.h"

#include <algorithm>

#include "base/utf8.h"

namespace volley::smtp {
namespace {

constexpr char kHex[] = "0123456789ABCDEF";
constexpr size_t kEnvidCap = 100, kOrcptCap = 500;

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

bool starts_with_keyword(std::string_view text, std::string_view keyword) {
  if (text.size() < keyword.size()) return false;
  for (size_t i = 0; i < keyword.size(); ++i) {
    if (upper(text[i]) != keyword[i]) return false;
  }
  return true;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// What nearly all addresses consist of, told apart quickly.
bool is_plain(char ch) {
  const auto c = static_cast<unsigned char>(ch);
  return c > 0x20 && c != 0x7f && c != '"' && c != '<' && c != '>';
}

std::string hex_digits(char32_t value) {
  std::string out;
  for (; value > 0 || out.size() < 2; value >>= 4) out.insert(out.begin(), kHex[value & 15]);
  return out;
}

// RFC 3461 section 4.4: printable before it is encoded.
bool is_envid(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 32 && c < 127; });
}

// Where the '>' that ends a path stands, quotes respected; npos if there is none.
size_t path_end(std::string_view text) {
  bool quoted = false;
  for (size_t i = 1; i < text.size(); ++i) {
    if (quoted && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (!quoted && text[i] == '>') {
      return i;
    }
  }
  return std::string_view::npos;
}

}  // namespace

bool is_safe_path(std::string_view address) {
  if (address.size() > 254) return false;
  if (std::all_of(address.begin(), address.end(), is_plain)) return true;
  bool quoted = false;
  for (size_t i = 0; i < address.size(); ++i) {
    const auto c = static_cast<unsigned char>(address[i]);
    if (c < 0x20 || c == 0x7f) return false;
    if (quoted && c == '\\') {
      if (++i == address.size()) return false;
      const auto escaped = static_cast<unsigned char>(address[i]);
      if (escaped < 0x20 || escaped == 0x7f) return false;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted && (c == ' ' || c == '<' || c == '>')) {
      return false;
    }
  }
  return !quoted;
}

std::string to_orcpt(std::string_view address) {
  std::string out;
  if (is_ascii(address)) {
    out = "rfc822;" + to_xtext(address);
  } else {
    out = "utf-8;";
    for (size_t at = 0; at < address.size();) {
      const auto point = next_code_point(address, at);
      if (!point) return {};
      if (*point > 32 && *point < 127 && *point != '+' && *point != '=' && *point != '\\') {
        out += static_cast<char>(*point);
      } else {
        out += "\\x{" + hex_digits(*point) + "}";
      }
    }
  }
  return out.size() <= kOrcptCap ? out : std::string();
}

std::string to_xtext(std::string_view plain) {
  std::string out;
  for (const char ch : plain) {
    const auto c = static_cast<unsigned char>(ch);
    if (c < 33 || c > 126 || c == '+' || c == '=') {
      out += '+';
      out += kHex[c >> 4];
      out += kHex[c & 15];
    } else {
      out += ch;
    }
  }
  return out;
}

std::optional<std::string> from_xtext(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 33 || c > 126 || c == '=') return {};
    if (c != '+') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return {};
    const int high = hex(text[i + 1]), low = hex(text[i + 2]);
    if (high < 0 || low < 0) return {};
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

void append_mail(std::string& out, std::string_view from, const MailParameters& parameters) {
  out.append("MAIL FROM:<").append(from).append(">");
  if (parameters.size) out.append(" SIZE=").append(std::to_string(*parameters.size));
  if (parameters.body_8bit) out.append(" BODY=8BITMIME");
  if (parameters.smtputf8) out.append(" SMTPUTF8");
  if (parameters.require_tls) out.append(" REQUIRETLS");
  if (!parameters.ret.empty()) out.append(" RET=").append(parameters.ret);
  if (is_envid(parameters.envid)) {
    const std::string envid = to_xtext(parameters.envid);
    if (envid.size() <= kEnvidCap) out.append(" ENVID=").append(envid);
  }
  out.append("\r\n");
}

void append_rcpt(std::string& out, std::string_view to, const RcptParameters& parameters) {
  out.append("RCPT TO:<").append(to).append(">");
  if (!parameters.notify.empty()) out.append(" NOTIFY=").append(parameters.notify);
  if (!parameters.orcpt.empty()) {
    const std::string orcpt = to_orcpt(parameters.orcpt);
    if (!orcpt.empty()) out.append(" ORCPT=").append(orcpt);
  }
  out.append("\r\n");
}

PathArgument parse_path_argument(std::string_view rest, std::string_view keyword) {
  PathArgument argument;
  rest = trim(rest);
  if (!starts_with_keyword(rest, keyword)) return argument;
  rest = trim(rest.substr(keyword.size()));  // "FROM: <a@b>" is seen in the wild
  if (rest.empty() || rest[0] != '<') return argument;
  const size_t end = path_end(rest);
  if (end == std::string_view::npos) return argument;
  std::string_view path = rest.substr(1, end - 1);
  const std::string_view after = rest.substr(end + 1);
  if (!after.empty() && after[0] != ' ' && after[0] != '\t') return argument;
  argument.parameters = trim(after);
  argument.status = PathArgument::Status::kBadPath;
  if (!path.empty() && path[0] == '@') {  // a source route: RFC 5321 3.6.1 lets us cut it
    const size_t colon = path.find(':');
    if (colon == std::string_view::npos) return argument;
    path.remove_prefix(colon + 1);
    if (path.empty()) return argument;
  }
  argument.address = path;
  if (path.empty()) {
    argument.status = PathArgument::Status::kOk;
    return argument;
  }
  if (!is_safe_path(path)) return argument;
  const size_t at = path.rfind('@');
  const size_t local = at == std::string_view::npos ? path.size() : at;
  const size_t domain = at == std::string_view::npos ? 0 : path.size() - at - 1;
  const bool plain = at == std::string_view::npos;
  if (local == 0 || local > 64 || (!plain && domain == 0) || domain > 255) return argument;
  if (plain && !(path.size() == 10 && starts_with_keyword(path, "POSTMASTER"))) return argument;
  if (path[0] != '"' && path.substr(0, local).find('@') != std::string_view::npos) return argument;
  if (!plain && path.back() == '.') return argument;
  argument.status = PathArgument::Status::kOk;
  return argument;
}

}  // namespace volley::smtp
