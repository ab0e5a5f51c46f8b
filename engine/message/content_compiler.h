// One Content's texts turned into row templates, with messages that say which text is wrong.
//
// Purpose  Knows the partials, the columns and whether Mustache applies at all; shared by the renderer's parts.
// Ownership Refers to the Content and the columns; for the time of compiling only. Errors: kData.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "engine/message/content.h"
#include "engine/message/mustache.h"

namespace volley::message {

class ContentCompiler {
 public:
  ContentCompiler(const Content& content, std::span<const std::string> columns);

  // A short text of the campaign file: `what` is its key.
  Result<RowTemplate> line(std::string_view text, std::string_view what) const;
  // A body: line ends normalised, no NUL.
  Result<RowTemplate> body(const PartText& part) const;
  Result<Template> parse(std::string_view text, const std::string& source) const;
  std::string source_of(std::string_view what) const;

 private:
  const Content& content_;
  std::span<const std::string> columns_;
  Partials partials_;
};

}  // namespace volley::message
