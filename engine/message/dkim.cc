#include "engine/message/dkim.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/files.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "engine/message/mime.h"

namespace volley::message {
namespace {

struct Field {
  std::string name;       // lower case
  std::string_view text;  // with folds, without the last CRLF
};

// Signed, and named once more than they occur: nobody can add another (RFC 6376 8.15).
constexpr std::array<std::string_view, 14> kOversigned = {"from",
                                                          "to",
                                                          "cc",
                                                          "subject",
                                                          "date",
                                                          "message-id",
                                                          "reply-to",
                                                          "in-reply-to",
                                                          "references",
                                                          "mime-version",
                                                          "content-type",
                                                          "content-transfer-encoding",
                                                          "list-unsubscribe",
                                                          "list-unsubscribe-post"};
// Signed as often as they occur.
constexpr std::array<std::string_view, 8> kSigned = {"sender",      "list-id",        "list-help",
                                                     "list-owner",  "list-subscribe", "list-post",
                                                     "feedback-id", "auto-submitted"};

bool blank(char c) { return c == ' ' || c == '\t'; }
std::vector<Field> split_fields(std::string_view block) {
  std::vector<Field> fields;
  for (size_t at = 0; at < block.size();) {
    size_t end = block.find("\r\n", at);
    if (end == at) break;
    while (end != std::string_view::npos && end + 2 < block.size() && blank(block[end + 2])) {
      end = block.find("\r\n", end + 2);
    }
    if (end == std::string_view::npos) end = block.size();
    const std::string_view text = block.substr(at, end - at);
    std::string name = ascii_lower(text.substr(0, text.find(':')));
    while (!name.empty() && blank(name.back())) name.pop_back();
    fields.push_back({std::move(name), text});
    at = end + 2;
  }
  return fields;
}

std::vector<std::string_view> names_to_sign(std::span<const Field> fields) {
  auto count = [&](std::string_view name) {
    return std::count_if(fields.begin(), fields.end(),
                         [&](const Field& field) { return field.name == name; });
  };
  std::vector<std::string_view> names;
  names.reserve(fields.size() + kOversigned.size());
  for (std::string_view name : kOversigned) {
    names.insert(names.end(), static_cast<size_t>(count(name)) + 1, name);
  }
  for (std::string_view name : kSigned) {
    names.insert(names.end(), static_cast<size_t>(count(name)), name);
  }
  return names;
}

// The signature's field up to and including "b=".
std::string open_signature(const DkimSigner& signer, std::span<const std::string_view> names,
                           std::string_view body_hash, WallTime when) {
  std::string field = fmt::format(
      "DKIM-Signature: v=1; a={}; c=relaxed/relaxed;\r\n d={};\r\n s={}; t={};\r\n h=",
      name_of(signer.key.algorithm()), signer.domain, signer.selector, to_ms(when) / 1000);
  size_t column = 3;
  for (size_t i = 0; i < names.size(); ++i) {
    if (i > 0) {
      field += ':';
      ++column;
      if (column + names[i].size() > 74) {
        field += "\r\n ";
        column = 1;
      }
    }
    field += names[i];
    column += names[i].size();
  }
  field += fmt::format(";\r\n bh={};\r\n b=", body_hash);
  return field;
}

void append_folded_base64(std::string_view text, std::string& out) {
  constexpr size_t kFirst = 72, kLine = 75;  // after " b=", after " "
  for (size_t at = 0; at < text.size();) {
    const size_t size = std::min(at == 0 ? kFirst : kLine, text.size() - at);
    if (at > 0) out += "\r\n ";
    out += text.substr(at, size);
    at += size;
  }
}

// Nothing to do, mostly: no tab, no two blanks in a row, none at a line's end. Without a branch, so that it is a few bytes at a time.
bool is_relaxed(std::string_view body) {
  unsigned char bad = 0;
  for (size_t i = 0; i + 1 < body.size(); ++i) {
    const char c = body[i], next = body[i + 1];
    bad |=
        static_cast<unsigned char>((c == '\t') | ((c == ' ') & ((next == ' ') | (next == '\r'))));
  }
  return bad == 0 && (body.empty() || !blank(body.back()));
}

// One line of a body, relaxed: runs of blanks become one, none at the end.
void append_relaxed_line(std::string_view line, std::string& out) {
  while (!line.empty() && blank(line.back())) line.remove_suffix(1);
  for (size_t at = 0; at < line.size();) {
    size_t end = at;
    while (end < line.size() && !blank(line[end])) ++end;
    out.append(line.data() + at, end - at);
    if (end == line.size()) return;
    out += ' ';
    while (blank(line[end])) ++end;  // stops: the last character is not blank
    at = end;
  }
}

}  // namespace

void append_relaxed_body(std::string_view body, std::string& out) {
  size_t empty_lines = 0;  // held back: at the end of the body they do not count
  for (size_t at = 0; at < body.size();) {
    const size_t newline = body.find("\r\n", at);
    const size_t end = newline == std::string_view::npos ? body.size() : newline;
    const std::string_view line = body.substr(at, end - at);
    at = newline == std::string_view::npos ? body.size() : newline + 2;
    if (std::all_of(line.begin(), line.end(), blank)) {
      ++empty_lines;
      continue;
    }
    for (; empty_lines > 0; --empty_lines) out += "\r\n";
    if (is_relaxed(line)) {
      out += line;
    } else {
      append_relaxed_line(line, out);
    }
    out += "\r\n";
  }
}

std::string relaxed_body_hash(std::string_view body) {
  Sha256 hash;
  if (is_relaxed(body)) {
    while (body.ends_with("\r\n")) body.remove_suffix(2);
    hash.update(body);
    if (!body.empty()) hash.update("\r\n");
  } else {
    std::string canonical;
    canonical.reserve(body.size() + 2);
    append_relaxed_body(body, canonical);
    hash.update(canonical);
  }
  const auto digest = hash.finish();
  return base64({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

namespace {

void append_relaxed_header(std::string_view field, std::string& out) {
  const size_t colon = std::min(field.find(':'), field.size());
  std::string_view name = field.substr(0, colon);
  while (!name.empty() && blank(name.back())) name.remove_suffix(1);
  for (const char c : name) out += c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  out += ':';
  const size_t start = out.size();
  bool gap = false;
  for (char c : field.substr(std::min(colon + 1, field.size()))) {
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

// names: in lower case.
std::string signing_input(std::span<const Field> fields, std::span<const std::string_view> names,
                          std::string_view signature_field) {
  std::vector<bool> taken(fields.size());
  std::string input;
  input.reserve(1024);
  for (const std::string_view name : names) {
    size_t at = fields.size();
    while (at > 0 && (taken[at - 1] || fields[at - 1].name != name)) --at;
    if (at == 0) continue;
    taken[at - 1] = true;  // the next of this name is the one above
    append_relaxed_header(fields[at - 1].text, input);
    input += "\r\n";
  }
  append_relaxed_header(signature_field, input);
  return input;
}

}  // namespace

std::string relaxed_header(std::string_view field) {
  std::string out;
  append_relaxed_header(field, out);
  return out;
}

std::string dkim_signing_input(std::string_view header_block, std::span<const std::string> names,
                               std::string_view signature_field) {
  std::vector<std::string> lower;
  lower.reserve(names.size());
  for (const std::string& name : names) lower.push_back(ascii_lower(name));
  const std::vector<std::string_view> views(lower.begin(), lower.end());
  return signing_input(split_fields(header_block), views, signature_field);
}

Status dkim_sign(std::string& message, std::span<const DkimSigner* const> signers, WallTime when) {
  if (signers.empty()) return {};
  const size_t end = message.find("\r\n\r\n");
  if (end == std::string::npos) {
    return Error{Errc::kInternal, "cannot sign a message whose header has no end"};
  }
  const std::string_view block = std::string_view(message).substr(0, end + 2);
  const std::string body_hash = relaxed_body_hash(std::string_view(message).substr(end + 4));
  const std::vector<Field> fields = split_fields(block);
  const std::vector<std::string_view> names = names_to_sign(fields);
  std::string signatures;
  for (const DkimSigner* signer : signers) {
    std::string field = open_signature(*signer, names, body_hash, when);
    const auto raw = signer->key.sign(signing_input(fields, names, field));
    if (!raw.ok()) return raw.error();
    append_folded_base64(base64(*raw), field);
    signatures += field;
    signatures += "\r\n";
  }
  message.insert(0, signatures);
  return {};
}

DkimKeyRing::DkimKeyRing() = default;
DkimKeyRing::~DkimKeyRing() = default;
DkimKeyRing::DkimKeyRing(DkimKeyRing&&) noexcept = default;
DkimKeyRing& DkimKeyRing::operator=(DkimKeyRing&&) noexcept = default;

Result<DkimKeyRing> DkimKeyRing::load(std::span<const DkimSettings> settings) {
  DkimKeyRing ring;
  for (const DkimSettings& one : settings) {
    if (one.domain.empty() || one.selector.empty() || one.key_file.empty()) {
      return Error{Errc::kConfig,
                   fmt::format("[dkim.\"{}\"] needs both selector and key_file", one.domain)};
    }
    const std::string where = one.place.empty() ? std::string() : one.place + ": ";
    const auto pem = read_secret(one.key_file);
    if (!pem.ok()) return Error{Errc::kConfig, where + pem.error().message};
    auto key = DkimKey::load_pem(*pem, one.key_file);
    if (!key.ok()) return Error{key.error().code, where + key.error().message};
    ring.add({ascii_lower(one.domain), one.selector, std::move(*key)});
  }
  return ring;
}

void DkimKeyRing::add(DkimSigner signer) {
  signers_.push_back(std::make_unique<DkimSigner>(std::move(signer)));
}

std::vector<const DkimSigner*> DkimKeyRing::find(std::string_view from_domain) const {
  const std::string folded = ascii_lower(from_domain);
  std::string_view domain = folded;
  std::vector<const DkimSigner*> found;
  while (true) {
    for (const auto& signer : signers_) {
      if (signer->domain == domain) found.push_back(signer.get());
    }
    const size_t dot = domain.find('.');
    if (!found.empty() || dot == std::string_view::npos) return found;
    domain.remove_prefix(dot + 1);
  }
}

std::vector<std::string> DkimKeyRing::warnings() const {
  std::vector<std::string> lines;
  for (const auto& signer : signers_) {
    if (!signer->key.weak()) continue;
    lines.push_back(fmt::format("DKIM key {}._domainkey.{} has {} bits; receivers expect 2048",
                                signer->selector, signer->domain, signer->key.bits()));
  }
  return lines;
}

}  // namespace volley::message
