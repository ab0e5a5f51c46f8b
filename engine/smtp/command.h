// Building the command lines a client sends, and taking apart the ones a server reads.
//
// Purpose  Envelope lines (RFC 5321 4.1.1.2 and 4.1.1.3), xtext (RFC 3461 section 4), and the grammar of MAIL and RCPT
//          arguments for the server core.
// Thread   Pure.
// Errors   Line builders refuse nothing: addresses were validated by base/address.h. is_safe_path() is the last guard
//          against CR, LF, NUL, '<', '>' and spaces in what goes between the angle brackets.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace volley::smtp {

// Printable, no CR/LF/NUL/controls, no '<' or '>' and no space outside quotes; at most 254 octets. Empty is `<>`.
bool is_safe_path(std::string_view address);

struct MailParameters {
  std::optional<uint64_t> size;
  bool body_8bit = false;
  bool smtputf8 = false;
  bool require_tls = false;
  std::string_view ret;    // "FULL" or "HDRS", empty for none
  std::string_view envid;  // plain; goes out as xtext, unless not printable or over 100 octets
};
void append_mail(std::string& out, std::string_view from, const MailParameters& parameters);

struct RcptParameters {
  std::string_view notify;  // "NEVER" or a list, empty for none
  std::string_view orcpt;   // plain address; goes out as to_orcpt()
};
void append_rcpt(std::string& out, std::string_view to, const RcptParameters& parameters = {});

// `rfc822;` and xtext, for UTF-8 `utf-8;` and RFC 6533's form that any server can read; empty when over 500 octets.
std::string to_orcpt(std::string_view address);
std::string to_xtext(std::string_view plain);
std::optional<std::string> from_xtext(std::string_view text);

// The server's side: `FROM:<path> KEY=VALUE ...` after the verb. Source routes are cut. kBad* say which reply fits.
struct PathArgument {
  enum class Status : uint8_t { kOk, kBadSyntax, kBadPath };
  Status status = Status::kBadSyntax;
  std::string_view address;     // without brackets; empty for <>
  std::string_view parameters;  // the rest, trimmed
};
PathArgument parse_path_argument(std::string_view rest, std::string_view keyword);

}  // namespace volley::smtp
