#include "engine/message/renderer.h"

#include <fmt/compile.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/hash.h"
#include "base/utf8.h"
#include "engine/message/content_compiler.h"
#include "engine/message/headers.h"
#include "engine/message/mime_body.h"
#include "engine/message/sender.h"

namespace volley::message {
namespace {

using Values = std::span<const std::string_view>;

struct UserHeader {
  std::string name;
  RowTemplate value;
};

bool has_scheme(std::string_view uri, std::string_view scheme) {
  if (uri.size() <= scheme.size()) return false;
  return std::equal(scheme.begin(), scheme.end(), uri.begin(),
                    [](char s, char u) { return s == ascii_lower(u); });
}

}  // namespace

std::string message_id_tag(std::string_view id) {
  std::string tag;
  for (char c : id.substr(0, 40)) {
    const bool keep = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                      c == '-' || c == '_';
    tag += keep ? c : '-';
  }
  return tag.empty() ? "volley" : tag;
}

struct Renderer::Impl {
  std::string tag;
  uint64_t revision = 0;
  Sender sender;
  RowTemplate to, subject;
  std::string to_address;  // empty: the recipient's
  std::optional<RowTemplate> reply_to, return_path;
  std::vector<UserHeader> headers;
  std::vector<RowTemplate> unsubscribe;
  std::optional<MimeBody> body;
  bool same_for_all = false;

  bool constant() const;
  Status compile_to(const Content& content, const ContentCompiler& compiler);
  Status compile_lines(const Content& content, const ContentCompiler& compiler);
  Status compile_body(const Content& content, const ContentCompiler& compiler);
  uint64_t seed(uint64_t number) const;
  Status append_reply_to(Values values, std::string& out) const;
  void append_user_headers(Values values, std::string& out) const;
  Status append_unsubscribe(Values values, std::string& out) const;
};

// An address in `to` that is no template is the list's own.
Status Renderer::Impl::compile_to(const Content& content, const ContentCompiler& compiler) {
  const size_t open = content.to.rfind('<');
  if (content.literal || open == std::string::npos ||
      content.to.find("{{", open) != std::string::npos)
    return {};
  const auto parsed = parse_mailbox("list " + content.to.substr(open));
  if (!parsed.ok())
    return Error{Errc::kData, compiler.source_of("to") + ": " + parsed.error().message};
  if (parsed->address.utf8)
    return Error{Errc::kData, fmt::format("{}: {}", compiler.source_of("to"), kNeedsAscii)};
  to_address = parsed->address.str();
  return {};
}

bool Renderer::Impl::constant() const {
  const auto fixed = [](const auto& line) { return !line || line->constant(); };
  return sender.constant() && to.constant() && subject.constant() && fixed(reply_to) &&
         fixed(return_path) && body->constant() &&
         std::all_of(headers.begin(), headers.end(),
                     [](const UserHeader& h) { return h.value.constant(); }) &&
         std::all_of(unsubscribe.begin(), unsubscribe.end(),
                     [](const RowTemplate& uri) { return uri.constant(); });
}

Status Renderer::Impl::compile_lines(const Content& content, const ContentCompiler& compiler) {
  struct Line {
    std::string_view text, what;
    RowTemplate* into;
  };
  // `to` is a name; `{{name}} <{{email}}>` is understood and means the same.
  const std::string shown = content.literal || content.to.find('<') == std::string::npos
                                ? content.to
                                : display_template(content.to);
  reply_to.emplace();
  return_path.emplace();
  headers.resize(content.headers.size());
  unsubscribe.resize(content.list_unsubscribe.size());
  std::vector<Line> lines = {{shown, "to", &to},
                             {content.subject, "subject", &subject},
                             {content.reply_to, "reply_to", &*reply_to},
                             {content.return_path, "return_path", &*return_path}};
  for (size_t i = 0; i < headers.size(); ++i) {
    headers[i].name = content.headers[i].first;
    lines.push_back({content.headers[i].second, headers[i].name, &headers[i].value});
  }
  for (size_t i = 0; i < unsubscribe.size(); ++i) {
    lines.push_back({content.list_unsubscribe[i], "list_unsubscribe", &unsubscribe[i]});
  }
  for (const Line& line : lines) {
    auto compiled = compiler.line(line.text, line.what);
    if (!compiled.ok()) return compiled.error();
    *line.into = std::move(*compiled);
  }
  if (content.reply_to.empty()) reply_to.reset();
  if (content.return_path.empty()) return_path.reset();
  return {};
}

Status Renderer::Impl::compile_body(const Content& content, const ContentCompiler& compiler) {
  if (!content.text && !content.html) {
    return Error{Errc::kData, compiler.source_of("no body: give text_file, html_file or both")};
  }
  if (!content.inline_parts.empty() && !content.html) {
    return Error{Errc::kData,
                 compiler.source_of("inline: images need an html_file that shows them")};
  }
  std::optional<RowTemplate> text, html;
  for (auto [part, into] : {std::pair(&content.text, &text), std::pair(&content.html, &html)}) {
    if (!*part) continue;
    auto compiled = compiler.body(**part);
    if (!compiled.ok()) return compiled.error();
    *into = std::move(*compiled);
  }
  body.emplace(std::move(text), std::move(html), content);
  return {};
}

// Of the content, with the campaign's or single message's id in it, and the number; not of the date, so that a
// preview shows what will be sent.
uint64_t Renderer::Impl::seed(uint64_t number) const {
  if (same_for_all) number = 0;
  return xxh64(std::string_view(reinterpret_cast<const char*>(&number), sizeof number), revision);
}

Status Renderer::Impl::append_reply_to(Values values, std::string& out) const {
  if (!reply_to) return {};
  std::string text;
  reply_to->render(values, Escape::kHeader, text);
  if (text.find_first_not_of(' ') == std::string::npos) return {};
  const auto mailbox = parse_mailbox(text);
  if (!mailbox.ok()) return Error{Errc::kData, "reply_to: " + mailbox.error().message};
  return append_mailbox("Reply-To", mailbox->name, mailbox->address.str(), out);
}

void Renderer::Impl::append_user_headers(Values values, std::string& out) const {
  std::string text;
  for (const UserHeader& header : headers) {
    text.clear();
    header.value.render(values, Escape::kHeader, text);
    // A header that says nothing for this recipient is left out.
    if (text.find_first_not_of(" \t") == std::string::npos) continue;
    append_unstructured(header.name, text, out);
  }
}

Status Renderer::Impl::append_unsubscribe(Values values, std::string& out) const {
  std::vector<std::string> uris;
  bool one_click = false;
  for (const RowTemplate& uri : unsubscribe) {
    std::string text;
    uri.render(values, Escape::kUri, text);
    const bool https = has_scheme(text, "https:");
    if (!https && !has_scheme(text, "mailto:") && !has_scheme(text, "http:")) {
      return Error{Errc::kData,
                   "list_unsubscribe: not an https: or mailto: URI for this recipient"};
    }
    one_click = one_click || https;
    uris.push_back(std::move(text));
  }
  if (uris.empty()) return {};
  if (Status status = append_uris("List-Unsubscribe", uris, out); !status.ok()) return status;
  if (one_click) out += "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n";
  return {};
}

Renderer::Renderer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Renderer::~Renderer() = default;

Result<std::unique_ptr<Renderer>> Renderer::compile(const Content& content,
                                                    std::span<const std::string> columns) {
  auto impl = std::make_unique<Impl>();
  const ContentCompiler compiler(content, columns);
  auto sender = Sender::compile(content, compiler);
  if (!sender.ok()) return sender.error();
  impl->sender = std::move(*sender);
  if (Status status = impl->compile_to(content, compiler); !status.ok()) return status.error();
  if (Status status = impl->compile_lines(content, compiler); !status.ok()) return status.error();
  if (Status status = impl->compile_body(content, compiler); !status.ok()) return status.error();
  impl->tag = message_id_tag(content.id);
  impl->revision = content.revision();
  impl->same_for_all = !impl->to_address.empty() && impl->constant();
  auto renderer = std::unique_ptr<Renderer>(new Renderer(std::move(impl)));
  // What no row can change is tried now, so that a campaign does not fail recipient by recipient.
  std::string probe;
  const bool fixed = !renderer->impl_->reply_to || renderer->impl_->reply_to->constant();
  if (fixed) {
    Status status = renderer->impl_->append_reply_to({}, probe);
    if (!status.ok()) return Error{Errc::kData, compiler.source_of(status.error().message)};
  }
  if (!renderer->impl_->return_path || renderer->impl_->return_path->constant()) {
    Status status = renderer->return_path({}, probe);
    if (!status.ok()) return Error{Errc::kData, compiler.source_of(status.error().message)};
  }
  return renderer;
}

Status Renderer::render(const RecipientView& recipient, const Stamp& stamp,
                        std::string& out) const {
  const Impl& me = *impl_;
  out.clear();
  out += "Date: ";
  out += date_header(stamp.date);
  out += "\r\n";
  if (Status status = me.sender.append(recipient.values, out); !status.ok()) return status;
  if (Status status = me.append_reply_to(recipient.values, out); !status.ok()) return status;
  std::string line;
  me.to.render(recipient.values, Escape::kHeader, line);
  const std::string_view shown = me.to_address.empty() ? recipient.address : me.to_address;
  Status to = append_mailbox("To", line, shown, out, true);
  if (!to.ok()) return to;
  line.clear();
  me.subject.render(recipient.values, Escape::kHeader, line);
  append_unstructured("Subject", line, out);
  out += "Message-ID: <";
  out += message_id(recipient.number, stamp);
  out += ">\r\n";
  me.append_user_headers(recipient.values, out);
  if (Status status = me.append_unsubscribe(recipient.values, out); !status.ok()) return status;
  out += "MIME-Version: 1.0\r\n";
  return me.body->append(recipient.values, me.seed(recipient.number), out);
}

Status Renderer::return_path(const RecipientView& recipient, std::string& out) const {
  if (!impl_->return_path) {
    out = impl_->sender.address();
    return {};
  }
  std::string text;
  impl_->return_path->render(recipient.values, Escape::kHeader, text);
  const auto address = parse_address(text);
  if (!address.ok()) return Error{Errc::kData, "return_path: " + address.error().message};
  if (address->utf8) return Error{Errc::kData, fmt::format("return_path: {}", kNeedsAscii)};
  out = address->str();
  return {};
}

std::string Renderer::message_id(uint64_t number, const Stamp& stamp) const {
  // The revision: what is changed and sent again under the same name has other ids.
  const auto revision = static_cast<uint32_t>(impl_->seed(number));
  return fmt::format(FMT_COMPILE("{}.{}.{:08x}@{}"), impl_->tag, impl_->same_for_all ? 0 : number,
                     revision, stamp.host.empty() ? std::string_view(from_domain()) : stamp.host);
}

bool Renderer::same_for_all() const { return impl_->same_for_all; }
const std::string& Renderer::from_address() const { return impl_->sender.address(); }
const std::string& Renderer::from_domain() const { return impl_->sender.domain(); }

Result<std::vector<ContentVariable>> content_variables(const Content& content) {
  std::vector<ContentVariable> names;
  if (content.literal) return names;
  const ContentCompiler compiler(content, {});
  std::vector<std::pair<std::string_view, std::string>> texts = {
      {content.from, compiler.source_of("from")},
      {content.to, compiler.source_of("to")},
      {content.subject, compiler.source_of("subject")},
      {content.reply_to, compiler.source_of("reply_to")},
      {content.return_path, compiler.source_of("return_path")}};
  for (const auto& [name, value] : content.headers)
    texts.emplace_back(value, compiler.source_of(name));
  for (const std::string& uri : content.list_unsubscribe) {
    texts.emplace_back(uri, compiler.source_of("list_unsubscribe"));
  }
  if (content.text) texts.emplace_back(content.text->text, content.text->source);
  if (content.html) texts.emplace_back(content.html->text, content.html->source);
  for (const auto& [text, source] : texts) {
    const auto parsed = compiler.parse(text, source);
    if (!parsed.ok()) return parsed.error();
    for (Variable& variable : parsed->variables()) {
      const bool known = std::any_of(names.begin(), names.end(), [&](const auto& other) {
        return other.name == variable.name;
      });
      if (!known) names.push_back({std::move(variable.name), std::move(variable.where)});
    }
  }
  return names;
}

}  // namespace volley::message
