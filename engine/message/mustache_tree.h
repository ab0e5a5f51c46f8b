// The parsed form of a Mustache template, shared by its parser and its two ways of rendering.
//
// Purpose    parse_tree() makes nodes of a text; nothing is resolved or included yet. Thread: pure. Errors: kData with
//            `source:line:column: ...`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace volley::message {

struct MustacheNode {
  enum class Kind : uint8_t { kText, kName, kRawName, kSection, kInverted, kPartial };

  Kind kind = Kind::kText;
  std::string text;    // kText: itself; else the name
  std::string indent;  // kPartial that stands alone on its line
  std::string where;   // source:line:column of the tag
  std::vector<MustacheNode> children;
};

// `indent` goes in front of every line first, as the specification asks for partials that stand alone.
Result<std::vector<MustacheNode>> parse_tree(std::string_view text, const std::string& source,
                                             std::string_view indent = {});

}  // namespace volley::message
