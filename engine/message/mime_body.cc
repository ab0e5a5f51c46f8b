#include "engine/message/mime_body.h"

#include "engine/message/mime.h"

namespace volley::message {
namespace {

constexpr std::string_view kTextPlain = "text/plain";
constexpr std::string_view kTextHtml = "text/html";

void append_text_entity(std::string_view type, std::string& body, std::string& out) {
  if (!body.ends_with("\r\n")) body += "\r\n";
  const TransferEncoding encoding = choose_encoding(body);
  out += "Content-Type: ";
  out += type;
  out += "; charset=utf-8\r\nContent-Transfer-Encoding: ";
  out += name_of(encoding);
  out += "\r\n\r\n";
  append_encoded(encoding, body, out);
}

std::string file_entity(const Attachment& file, bool shown_inline) {
  // RFC 2046 5.2: message/* and multipart/* must not be base64; a stored mail travels as a plain file.
  const bool container = file.type.starts_with("message/") || file.type.starts_with("multipart/");
  std::string out = "Content-Type: ";
  out += container || file.type.empty() ? "application/octet-stream" : file.type;
  if (!file.name.empty()) append_parameter("name", file.name, out);
  out += "\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: ";
  out += shown_inline ? "inline" : "attachment";
  if (!file.name.empty()) append_parameter("filename", file.name, out);
  if (!file.cid.empty()) out += "\r\nContent-ID: <" + file.cid + '>';
  out += "\r\n\r\n";
  append_base64_lines(file.bytes, out);
  if (file.bytes.empty()) out += "\r\n";
  return out;
}

void open_multipart(std::string_view subtype, std::string_view extra, const std::string& mark,
                    std::string& out) {
  out += "Content-Type: multipart/";
  out += subtype;
  out += extra;
  out += ";\r\n boundary=\"";
  out += mark;
  out += "\"\r\n\r\n";
}

void next_part(const std::string& mark, std::string& out) {
  out += "--";
  out += mark;
  out += "\r\n";
}

void close_multipart(const std::string& mark, std::string& out) {
  out += "--";
  out += mark;
  out += "--\r\n";
}

}  // namespace

bool MimeBody::constant() const {
  const auto fixed = [](const std::optional<Leaf>& leaf) { return !leaf || !leaf->fixed.empty(); };
  return fixed(text_) && fixed(html_);
}

MimeBody::Leaf MimeBody::make_leaf(RowTemplate row, std::string_view type, Escape escape) {
  Leaf leaf;
  leaf.type = type;
  leaf.escape = escape;
  if (row.constant()) {
    std::string body(row.constant_text());
    append_text_entity(type, body, leaf.fixed);
  } else {
    leaf.row = std::move(row);
  }
  return leaf;
}

MimeBody::MimeBody(std::optional<RowTemplate> text, std::optional<RowTemplate> html,
                   const Content& content) {
  if (text) text_ = make_leaf(std::move(*text), kTextPlain, Escape::kNone);
  if (html) html_ = make_leaf(std::move(*html), kTextHtml, Escape::kHtml);
  for (const Attachment& file : content.inline_parts) inline_.push_back(file_entity(file, true));
  for (const Attachment& file : content.attachments) attached_.push_back(file_entity(file, false));
}

Status MimeBody::append_leaf(const Leaf& leaf, Values values, std::string& out) const {
  if (!leaf.fixed.empty()) {
    out += leaf.fixed;
    return {};
  }
  std::string body;
  body.reserve(leaf.row.text_size() + 512);
  if (!leaf.row.render(values, leaf.escape, body)) {
    return Error{Errc::kData, "a value has a NUL character: mend or remove this row"};
  }
  append_text_entity(leaf.type, body, out);
  return {};
}

Status MimeBody::append_html(Values values, uint64_t seed, std::string& out) const {
  if (inline_.empty()) return append_leaf(*html_, values, out);
  const std::string mark = boundary('r', seed);
  open_multipart("related", "; type=\"text/html\"", mark, out);
  next_part(mark, out);
  if (Status status = append_leaf(*html_, values, out); !status.ok()) return status;
  for (const std::string& part : inline_) {
    next_part(mark, out);
    out += part;
  }
  close_multipart(mark, out);
  return {};
}

Status MimeBody::append_alternative(Values values, uint64_t seed, std::string& out) const {
  if (!html_) return append_leaf(*text_, values, out);
  if (!text_) return append_html(values, seed, out);
  const std::string mark = boundary('a', seed);
  open_multipart("alternative", "", mark, out);
  next_part(mark, out);
  if (Status status = append_leaf(*text_, values, out); !status.ok()) return status;
  next_part(mark, out);
  if (Status status = append_html(values, seed, out); !status.ok()) return status;
  close_multipart(mark, out);
  return {};
}

Status MimeBody::append(Values values, uint64_t seed, std::string& out) const {
  if (attached_.empty()) return append_alternative(values, seed, out);
  const std::string mark = boundary('m', seed);
  open_multipart("mixed", "", mark, out);
  next_part(mark, out);
  if (Status status = append_alternative(values, seed, out); !status.ok()) return status;
  for (const std::string& part : attached_) {
    next_part(mark, out);
    out += part;
  }
  close_multipart(mark, out);
  return {};
}

}  // namespace volley::message
