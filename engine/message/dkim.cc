#include "engine/message/dkim.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/files.h"
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

std::string dkim_signing_input(std::string_view header_block, std::span<const std::string> names,
                               std::string_view signature_field) {
  std::vector<std::string> lower;
  lower.reserve(names.size());
  for (const std::string& name : names) lower.push_back(ascii_lower(name));
  const std::vector<std::string_view> views(lower.begin(), lower.end());
  return signing_input(split_fields(header_block), views, signature_field);
}

Result<std::string> dkim_signatures(std::string_view message, std::span<const DkimSigner* const> signers, WallTime when) {
  std::string signatures;
  if (signers.empty()) return signatures;
  const size_t end = message.find("\r\n\r\n");
  if (end == std::string_view::npos) {
    return Error{Errc::kInternal, "cannot sign a message whose header has no end"};
  }
  const std::string body_hash = relaxed_body_hash(message.substr(end + 4));
  const std::vector<Field> fields = split_fields(message.substr(0, end + 2));
  const std::vector<std::string_view> names = names_to_sign(fields);
  for (const DkimSigner* signer : signers) {
    std::string field = open_signature(*signer, names, body_hash, when);
    const auto raw = signer->key.sign(signing_input(fields, names, field));
    if (!raw.ok()) return raw.error();
    append_folded_base64(base64(*raw), field);
    signatures += field;
    signatures += "\r\n";
  }
  return signatures;
}

Status dkim_sign(std::string& message, std::span<const DkimSigner* const> signers, WallTime when) {
  const auto signatures = dkim_signatures(message, signers, when);
  if (!signatures.ok()) return signatures.error();
  message.insert(0, *signatures);
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
