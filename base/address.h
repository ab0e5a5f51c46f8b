// Mailbox addresses: the one place that decides what a valid one is.
//
// Purpose  parse() splits `local@domain` as RFC 5321 section 4.1.2 writes it (dot-string or quoted-string; no source
//          routes, no address literals, no comments), checks the lengths of section 4.5.3.1 (64, 255, 254 for the
//          whole; in octets) and refuses control characters. The domain comes back lower-cased A-labels (IDNA 2008,
//          UTS 46); the local part is kept as it was written, which may be in UTF-8 (RFC 6531 section 3.3): it is not
//          normalised. A domain needs at least one dot.
// Thread   Pure.
// Errors   kData, with a short reason fit for a rejects file ("no @", "control character", "local part too long").
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace volley {

struct Address {
  std::string local;   // as written, quotes included
  std::string domain;  // lower case, A-labels
  bool utf8 = false;   // local part has non-ASCII: needs SMTPUTF8 (RFC 6531)

  std::string str() const { return local + '@' + domain; }
};

Result<Address> parse_address(std::string_view text);

struct Mailbox {
  std::string name;  // display name, decoded UTF-8, may be empty
  Address address;
};

// `Example News <news@example.com>`, `"News, daily" <n@example.com>` or a bare address.
Result<Mailbox> parse_mailbox(std::string_view text);

// The key under which two spellings of an address are the same person: ASCII letters in lower case, all else as it is.
std::string fold_address(std::string_view address);

// Text for many eyes: of each address in it, the local part is "*".
std::string hide_local_parts(std::string_view text);

// A host name: letters, digits, hyphens, at least one dot, no trailing dot. What EHLO may carry (RFC 5321 4.1.1.1).
bool is_fqdn(std::string_view host);

}  // namespace volley
