// Scripted deliveries: tests/dialog/delivery/*.dlg, for what delivery and DNS decide about broken receivers.
//
// Purpose  play() runs one file against the real Router, CaresResolver and SiteTable: a name server and mail exchangers on
//          loopback that behave as the script says, and a loop whose clock the script moves. The core's dialogues are
//          tests/dialog/*.dlg (tests/unit/smtp/dialog.h); both kinds begin with `row N...`, and are counted together.
// Format   One directive a line; `#` starts a comment line.
//   row N...              rows of tests/dialog/README.md that this file shows
//   option NAME VALUE     allow_private|ipv6|dnssec on|off; connections N, at a site; return_path TEMPLATE ({{name}} is the
//                         recipient's local part)
//   dns NAME mx [PREFERENCE] HOST...  |  dns NAME a|aaaa ADDRESS...  |  dns NAME cname TARGET  |  dns NAME nxdomain
//   dns NAME TYPE servfail|bogus|refused|silent|nodata     instead of records; TYPE also tlsa
//                         ttl=N and secure (DNSSEC vouches for it) may follow; mx{1..3} is mx1, mx2, mx3. What is said again
//                         replaces what was said of that name and type; a name that was not said does not exist.
//   host ADDRESS takes    a mail exchanger that takes everything. At addresses nobody speaks of, connections are refused.
//   host ADDRESS tls      the same, with STARTTLS
//   host ADDRESS silent   connection requests are not answered
//   host ADDRESS greeting|rcpt|data REPLY    what it says there; `host ADDRESS rcpt ok` takes it back
//   host ADDRESS slow SECONDS                so long for each recipient, and no PIPELINING
//   send DOMAIN N         N recipients more, user1@DOMAIN and up, until delivery is done with them or lets them wait
//   later TIME            the clock moves (90s, 15m, 2h), and what waits or was deferred is sent again
//   resume                the campaign that was paused, by its user
//   ? N WORDS             the last word on N recipients is this: KIND CODE ENHANCED HOST TEXT, of which WORDS are parts, in
//                         order. KIND: delivered bounced deferred indoubt expired
//   ? waits N             so many have not been tried since they were sent, or sent again
//   ? site NAME           what the last domain's mail exchangers are one of
//   ? hosts N             and how many of them there are
//   ? paused MINUTES|no   the last domain's site
//   ? limit N             connections it may have
//   ? limited TEXT        by what, of the same
//   ? campaign TEXT       running, or why it is paused
//   ? connections ADDRESS N | ? mails ADDRESS N | ? most ADDRESS N (connections at once)
//   ? attempts N          connections that failed, in all
//   ? asked TYPE NAME N   questions the name server was asked
//   ? from ADDRESS TEXT | ? envid ADDRESS TEXT      what came with the last mail there
// Time     Nothing waits for real: where a name server or a host is silent, the clock moves on by what patience would take.
// Ownership play() makes and destroys a whole world.
#pragma once

#include <set>
#include <string>

#include "tests/unit/smtp/dialog.h"

namespace volley::delivery::testing {

// Empty, or what went wrong and where.
std::string play(const smtp::testing::Dialog& dialog);

// Rows that a test case shows by itself, where a script would be artificial: `const ShowsRow kRow(43);` beside it.
struct ShowsRow {
  explicit ShowsRow(int row) { all().insert(row); }
  static std::set<int>& all();
};

}  // namespace volley::delivery::testing
