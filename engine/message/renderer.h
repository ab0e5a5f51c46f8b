// Renderer: Content compiled for a list's columns; from a recipient to an RFC 5322 message.
//
// Purpose    render() writes the whole message, CRLF line ends, header then body, unsigned and not dot-stuffed. Only
//            the MIME parts that exist; bodies as 7bit, quoted-printable or base64, never 8bit; no line over 998
//            octets; no lone CR or LF whatever the data. What comes from a row can never become a header or a MIME
//            part. The one thing beyond ASCII is a recipient's own address in To, raw (RFC 6532): a message needs
//            SMTPUTF8 when its recipient's address does, and only then.
// Stability  Same content, columns, recipient and stamp: same bytes, on every machine, for life. A retry therefore
//            has the same Message-ID and the same signature input. The stamp's date changes the Date field only.
// Ownership  Keeps what it needs; the Content may go. `out` is replaced, its capacity reused: keep one per worker.
// Thread     Const after compile(); any number of threads may render.
// Errors     compile: kData naming file, line and column (bad template, a variable that is no column, with the columns
//            there are). render: kData about this recipient only (NUL in a value, a From name or Reply-To that does
//            not parse or is beyond ASCII before the @, as is return_path's); the message cannot be sent to this
//            recipient, others are fine.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "engine/message/content.h"

namespace volley::message {

struct RecipientView {
  uint64_t number = 0;                       // unique in the campaign, for life
  std::string_view address;                  // local@domain as it goes into RCPT TO
  std::span<const std::string_view> values;  // one per column; fewer: the rest are empty
};

// The same for every attempt at a recipient: take it from the campaign's record, never from the clock at send time.
struct Stamp {
  WallTime date{};        // when the campaign was created (or the single message accepted)
  std::string_view host;  // right side of Message-ID; empty: the From domain
};

class Renderer {
 public:
  static Result<std::unique_ptr<Renderer>> compile(const Content& content,
                                                   std::span<const std::string> columns);
  ~Renderer();

  Status render(const RecipientView& recipient, const Stamp& stamp, std::string& out) const;

  // Envelope sender for MAIL FROM: return_path rendered, else the From address.
  Status return_path(const RecipientView& recipient, std::string& out) const;
  // Without angle brackets: `november.17.3f2a9c01@mail.example.com`.
  std::string message_id(uint64_t number, const Stamp& stamp) const;
  // The list's own address in `to` ("Members <members@example.com>") and no variable anywhere: every recipient gets the
  // same bytes, so that one transaction may carry several. Message-ID is then the campaign's.
  bool same_for_all() const;
  const std::string& from_address() const;
  const std::string& from_domain() const;  // what DKIM keys are looked up by

 private:
  struct Impl;
  explicit Renderer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// What a campaign is called in its Message-IDs: dot-atom characters without dots, short.
std::string message_id_tag(std::string_view campaign_id);

// Every variable the content uses, before any list is open: `name` and `file:line:column`.
struct ContentVariable {
  std::string name;
  std::string where;
};
Result<std::vector<ContentVariable>> content_variables(const Content& content);

}  // namespace volley::message
