// Header fields: which a user may set, and how their values are written.
//
// Purpose  Validation of names and values given by users; writing unstructured text, mailboxes and
// URI lists, folded at
//          white space (RFC 5322 2.2.3), encoded-words where the text is not plain ASCII. Lines
//          stay within 76 where the text allows, within 998 always.
// Thread   Pure. Errors kData, one line each, without file and position: the caller knows those.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/address.h"
#include "base/result.h"
#include "base/time.h"

namespace volley::message {

// Why an address beyond ASCII is refused where it is not a recipient's.
inline constexpr std::string_view kNeedsAscii =
    "only a recipient's address may have characters beyond ASCII before the @ (SMTPUTF8)";

// Field names: 33..126 without ':', at most 76. Fields that Volley writes itself are refused, with
// the key to use.
Status check_user_header_name(std::string_view name);
// No CR, LF or NUL; valid UTF-8. `what` begins the message ("header X-Campaign", "subject").
Status check_header_text(std::string_view what, std::string_view value);

// `name: value CRLF`. Leading and trailing white space of the value is dropped.
void append_unstructured(std::string_view name, std::string_view value, std::string& out);
// `name: Display <address> CRLF`. An address beyond ASCII is written as it is where `utf8` allows it (RFC 6532), and
// the message needs SMTPUTF8 then; else it is kData.
Status append_mailbox(std::string_view name, std::string_view display, std::string_view address,
                      std::string& out, bool utf8 = false);
// `name: <uri>, <uri> CRLF`: List-Unsubscribe and its like. Characters no URI may have are
// percent-encoded. kData for one too long for a line: a URI cannot be folded.
Status append_uris(std::string_view name, std::span<const std::string> uris, std::string& out);

// `Fri, 21 Nov 1997 09:55:06 +0000`
std::string date_header(WallTime when);

}  // namespace volley::message
