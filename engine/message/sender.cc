#include "engine/message/sender.h"

#include <fmt/format.h>

#include "engine/message/headers.h"

namespace volley::message {
namespace {

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

std::string display_template(std::string_view mailbox) {
  const size_t open = mailbox.rfind('<');
  if (open == std::string_view::npos) return {};
  std::string_view name = trim(mailbox.substr(0, open));
  if (name.size() < 2 || name.front() != '"' || name.back() != '"') return std::string(name);
  name = name.substr(1, name.size() - 2);
  std::string out;
  for (size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '\\' && i + 1 < name.size()) ++i;
    out += name[i];
  }
  return out;
}

Result<Sender> Sender::compile(const Content& content, const ContentCompiler& compiler) {
  const std::string where = compiler.source_of("from");
  const std::string_view from = trim(content.from);
  const bool templated = !content.literal && from.find("{{") != std::string_view::npos;
  Sender sender;
  std::string name;
  Address address;
  if (templated) {
    const size_t open = from.rfind('<');
    const bool fixed = open != std::string_view::npos && from.ends_with('>') &&
                       from.find("{{", open) == std::string_view::npos;
    if (!fixed) {
      return Error{
          Errc::kData,
          where + ": only the display name may have variables, as in `{{shop}} <a@example.com>`"};
    }
    auto parsed = parse_address(from.substr(open + 1, from.size() - open - 2));
    if (!parsed.ok()) return Error{Errc::kData, where + ": " + parsed.error().message};
    address = std::move(*parsed);
    name = display_template(from);
  } else {
    auto parsed = parse_mailbox(from);
    if (!parsed.ok()) {
      return Error{Errc::kData, fmt::format("{}: {}: write `Name <local@domain>`", where,
                                            parsed.error().message)};
    }
    address = std::move(parsed->address);
    name = std::move(parsed->name);
  }
  sender.address_ = address.str();
  sender.domain_ = address.domain;
  if (templated) {
    auto display = compiler.line(name, "from");
    if (!display.ok()) return display.error();
    sender.display_ = std::move(*display);
  } else {
    sender.display_ = RowTemplate::literal(name);
  }
  std::string probe;
  if (Status status = append_mailbox(where, "", sender.address_, probe); !status.ok()) {
    return status.error();
  }
  return sender;
}

Status Sender::append(std::span<const std::string_view> values, std::string& out) const {
  if (display_.constant()) {
    return append_mailbox("From", display_.constant_text(), address_, out);
  }
  std::string name;
  display_.render(values, Escape::kHeader, name);
  return append_mailbox("From", name, address_, out);
}

}  // namespace volley::message
