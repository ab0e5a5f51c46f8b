// Scripted dialogues with the client core: tests/dialog/*.dlg.
//
// Purpose  run() plays one file: what the server says, what the client must say, which events must come out. `split` cuts
//          everything the server says at one byte offset (0: nowhere, kEveryByte: after each byte), and the outcome must
//          be the same.
// Format   One directive a line; `#` starts a comment line.
//   row N...              rows of tests/dialog/README.md that this file shows
//   option NAME VALUE     pipelining|cross_message|helo_only|rset_between|mail_parameters|dsn_parameters|hold_until_mark|
//                         refuse_own_name|auth_in_clear on|off; tls never|opportunistic|required; ehlo NAME; nonce TEXT;
//                         chunking never|one|stream; bdat_window|bdat_bytes N
//   option auth USER SECRET [token] [MECHANISM...]   log in; no event may then carry SECRET (\s for a space)
//   ready KEYWORD...      shorthand: greeting and EHLO, offering these keywords (ready helo: refused EHLO)
//   hello KEYWORD...      the same, but more follows before it is ready; `\s` for the space in a keyword
//   submit ID RCPT[,RCPT...] [8bit] [utf8] [requiretls] [from=A] [ret=hdrs|full] [envid=T] [notify=WORDS] [orcpt=A]
//          [body=TEXT]    body with \r \n \. escapes; default "Hi\r\n"; notify and orcpt are for all recipients
//   < LINE                the server says LINE CRLF; consecutive ones arrive together
//   <raw TEXT             the server says TEXT, escapes \r \n \xHH, no CRLF added; {N*TEXT} repeats
//   > LINE                the client says exactly this line
//   >bdat N [TEXT]        the client says BDAT N LAST, and N octets: TEXT, with the body's escapes
//   >part N               the transport takes N bytes of whatever is there, and no more for now
//   >none                 the client has nothing to say (checked before each `<` anyway, unless after >part)
//   wait SECONDS          the clock moves, and a deadline that was passed goes off
//   tls | tlsfail WHY | eof | timeout | quit      what happens
//   ? ready|needtls       the next event
//   ? rcpt ID INDEX KIND [CODE] [STAGE] [local=X.Y.Z] [here] [now]
//   ? result ID KIND [CODE] [STAGE] [local=X.Y.Z] [here] [limit=RCPTS] [now] [took=SECONDS/REPLIES]
//   ? closed REASON [CODE] [STAGE] [local=X.Y.Z] [limit=MESSAGES]
//   ? nothing | ? submit yes|no | ? depth N | ? quickack yes|no
//   ? error TEXT          what the last event says in our own words has TEXT in it
//   ? local CODE          the last event's own enhanced code
//   ? reply TEXT          its reply has TEXT in it
//   ?maybe EVENT          the same, if it comes: whether it does depends on how bytes were cut
//   ? quirks NAME...      what was learned: nopipe notls rset helo noparams nobdat nodsn nocross; exactly these
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace volley::smtp::testing {

inline constexpr size_t kEveryByte = ~size_t{0};

struct Dialog {
  std::string path;
  std::string name;
  std::vector<int> rows;
  std::vector<std::string> lines;
};

inline void PrintTo(const Dialog& dialog, std::ostream* out) { *out << dialog.path; }

std::vector<Dialog> load_dialogs(const std::string& directory);
// Empty, or what went wrong and where.
std::string run(const Dialog& dialog, size_t split);
// How many bytes the server says in all.
size_t server_bytes(const Dialog& dialog);

}  // namespace volley::smtp::testing
