// The MIME structure of a message: everything from Content-Type on.
//
// Purpose  Decides once which parts there are, and writes them for one row:
//            mixed( alternative( text, related( html, inline... ) ), attachments... )
//          with every level left out that would have one child only. Attachments and bodies without variables are encoded
//          when compiled.
// Thread   Const after construction. Errors: kData for a NUL in a value.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/message/content.h"
#include "engine/message/mustache.h"

namespace volley::message {

class MimeBody {
 public:
  // At least one of text and html; inline parts only with html.
  MimeBody(std::optional<RowTemplate> text, std::optional<RowTemplate> html,
           const Content& content);

  // No row changes anything.
  bool constant() const;
  // Appends the entity's header fields, the blank line and the body, which ends with CRLF.
  Status append(std::span<const std::string_view> values, uint64_t seed, std::string& out) const;

 private:
  struct Leaf {
    std::string fixed;  // the whole entity, when no row changes it
    RowTemplate row;
    std::string_view type;
    Escape escape = Escape::kNone;
  };
  using Values = std::span<const std::string_view>;

  static Leaf make_leaf(RowTemplate row, std::string_view type, Escape escape);
  Status append_leaf(const Leaf& leaf, Values values, std::string& out) const;
  Status append_html(Values values, uint64_t seed, std::string& out) const;
  Status append_alternative(Values values, uint64_t seed, std::string& out) const;

  std::optional<Leaf> text_, html_;
  std::vector<std::string> inline_, attached_;  // whole entities
};

}  // namespace volley::message
