#include "engine/message/content_compiler.h"

#include <fmt/format.h>

#include "engine/message/headers.h"
#include "engine/message/mime.h"

namespace volley::message {

ContentCompiler::ContentCompiler(const Content& content, std::span<const std::string> columns)
    : content_(content), columns_(columns) {
  for (const auto& [name, part] : content.partials) {
    partials_[name] = PartialText{part.source, to_crlf(part.text)};
  }
}

std::string ContentCompiler::source_of(std::string_view what) const {
  return content_.source.empty() ? std::string(what) : fmt::format("{}: {}", content_.source, what);
}

Result<Template> ContentCompiler::parse(std::string_view text, const std::string& source) const {
  return Template::parse(text, source, partials_);
}

Result<RowTemplate> ContentCompiler::line(std::string_view text, std::string_view what) const {
  const std::string source = source_of(what);
  if (Status status = check_header_text(source, text); !status.ok()) return status.error();
  if (content_.literal) return RowTemplate::literal(std::string(text));
  auto parsed = parse(text, source);
  if (!parsed.ok()) return parsed.error();
  return parsed->bind(columns_);
}

Result<RowTemplate> ContentCompiler::body(const PartText& part) const {
  if (part.text.find('\0') != std::string::npos) {
    return Error{Errc::kData, part.source + ": has a NUL character: is it a text file?"};
  }
  std::string text = to_crlf(part.text);
  if (content_.literal) return RowTemplate::literal(std::move(text));
  auto parsed = parse(text, part.source);
  if (!parsed.ok()) return parsed.error();
  return parsed->bind(columns_);
}

}  // namespace volley::message
