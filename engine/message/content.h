// Content: everything one needs to render a campaign's messages, without any file.
//
// Purpose   What the queue stores once per campaign (or per transactional message): templates as
// text, attachments as
//           bytes. to_bytes()/from_bytes() are that stored form; fingerprint() says whether two
//           contents are the same.
// Format    "VLYC", a version byte, then length-prefixed fields in a fixed order. A newer version
// is refused, kData. Ownership Plain values. Not for: compiling (renderer.h), reading files
// (campaign_content.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace volley::message {

struct Attachment {
  std::string name;  // as the receiver sees it; UTF-8
  std::string type;  // "application/pdf"
  std::string cid;   // Content-ID without <>, for inline parts
  std::string bytes;

  bool operator==(const Attachment&) const = default;
};

struct PartText {
  std::string source;  // file name for error messages
  std::string text;    // UTF-8, CRLF line ends

  bool operator==(const PartText&) const = default;
};

struct Content {
  std::string id;        // the campaign's identity, or the transactional message's id
  bool literal = false;  // true: no Mustache anywhere, every text is meant as it stands
  std::string source;    // file that the short texts below come from, for error messages
  std::string from;      // mailbox; its display name may be a template, its address not
  std::string to;        // display name (template) of the recipient; empty: the bare address
  std::string subject;
  std::string reply_to;     // mailbox template, may be empty
  std::string return_path;  // envelope sender template; empty: the address of `from`
  std::optional<PartText> text;
  std::optional<PartText> html;
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<std::string> list_unsubscribe;  // URI templates
  std::vector<std::pair<std::string, PartText>> partials;
  std::vector<Attachment> attachments;
  std::vector<Attachment> inline_parts;  // need html

  std::string to_bytes() const;
  static Result<Content> from_bytes(std::string_view bytes);
  // SHA-256 in hex of all but the sources' names: moving the files changes nothing.
  std::string fingerprint() const;
  // A fast hash of the same, stable for life: what makes two contents' Message-IDs differ.
  uint64_t revision() const;
  bool operator==(const Content&) const = default;
};

}  // namespace volley::message
