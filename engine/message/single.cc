#include "engine/message/single.h"

#include <fmt/format.h>

#include "engine/message/headers.h"
#include "engine/message/mime.h"

namespace volley::message {
namespace {

constexpr size_t kMaxHeaders = 100;
constexpr size_t kMaxHeaderText = size_t{64} << 10;  // of one value

Error fault(std::string_view field, std::string_view what) {
  return Error{Errc::kData, fmt::format("{}: {}", field, what)};
}

Result<Mailbox> any_mailbox(std::string_view field, std::string_view text) {
  if (Status status = check_header_text(field, text); !status.ok()) return status.error();
  auto parsed = parse_mailbox(text);
  if (!parsed.ok()) return fault(field, parsed.error().message);
  return parsed;
}

Result<Mailbox> ascii_mailbox(std::string_view field, std::string_view text) {
  auto parsed = any_mailbox(field, text);
  if (parsed.ok() && parsed->address.utf8) return fault(field, kNeedsAscii);
  return parsed;
}

bool is_reply_to(std::string_view name) {
  constexpr std::string_view kName = "reply-to";
  if (name.size() != kName.size()) return false;
  for (size_t i = 0; i < name.size(); ++i) {
    if ((name[i] | 0x20) != kName[i]) return false;
  }
  return true;
}

Status check_body(std::string_view field, const std::optional<std::string>& text) {
  if (!text) return {};
  if (text->find('\0') != std::string::npos) return fault(field, "contains a NUL character");
  const size_t bad = find_invalid_utf8(*text);
  if (bad == std::string_view::npos) return {};
  return fault(field, fmt::format("byte {} is not UTF-8", bad + 1));
}

Status add_headers(const SingleMessage& message, Content& content) {
  if (message.headers.size() > kMaxHeaders) {
    return fault("headers", fmt::format("more than {}", kMaxHeaders));
  }
  for (const auto& [name, value] : message.headers) {
    if (is_reply_to(name)) {
      if (!content.reply_to.empty()) return fault("headers", "Reply-To is given twice");
      auto parsed = ascii_mailbox("Reply-To", value);
      if (!parsed.ok()) return parsed.error();
      content.reply_to = value;
      continue;
    }
    if (Status status = check_user_header_name(name); !status.ok()) {
      return fault("headers", status.error().message);
    }
    const std::string what = "header " + name;
    if (value.size() > kMaxHeaderText) return fault(what, "longer than 64 KiB");
    if (Status status = check_header_text(what, value); !status.ok()) return status;
    content.headers.emplace_back(name, value);
  }
  return {};
}

}  // namespace

Result<SingleContent> make_single(const SingleMessage& message) {
  auto from = ascii_mailbox("from", message.from);
  if (!from.ok()) return from.error();
  auto to = any_mailbox("to", message.to);
  if (!to.ok()) return to.error();
  if (message.subject.size() > kMaxHeaderText) return fault("subject", "longer than 64 KiB");
  if (Status status = check_header_text("subject", message.subject); !status.ok()) {
    return status.error();
  }
  if (!message.text && !message.html) return fault("text", "give text, html or both");
  if (Status status = check_body("text", message.text); !status.ok()) return status.error();
  if (Status status = check_body("html", message.html); !status.ok()) return status.error();

  SingleContent single;
  Content& content = single.content;
  content.id = message.id;
  content.literal = true;
  content.from = message.from;
  content.to = to->name;
  content.subject = message.subject;
  if (message.text) content.text = PartText{"text", to_crlf(*message.text)};
  if (message.html) content.html = PartText{"html", to_crlf(*message.html)};
  if (Status status = add_headers(message, content); !status.ok()) return status.error();
  single.from = std::move(from->address);
  single.recipient = std::move(to->address);
  return single;
}

}  // namespace volley::message
