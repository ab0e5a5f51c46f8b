// Rule: where, how often and how the sink misbehaves.
//
// Purpose  The words of `--rule STEP:ODDS[:MATCH[=TIMES]]:ACTION`, parsed and checked: an action that makes no sense at a
//          step is refused with the reason.
// Steps    connect ehlo starttls auth mail rcpt data body bdat dot (or data-end) rset quit idle. `body` is when content
//          begins to arrive; `bdat` each BDAT, the last included, and `dot` the end of the message whichever way it came;
//          `idle` is a silence between messages.
// Actions  CODE [TEXT]      this reply, 4xx or 5xx; at `body` it comes before the data ended
//          close, or nothing    replies given before leave, then the connection is closed
//          reset            closed with a RST, at once
//          stall            never another word; what comes is read and dropped
//          shut-read        the usual reply, then nothing is read any more: the window fills up
//          drip:BYTES/MS [REPLY]    so many bytes every so many milliseconds
//          twice [REPLY]    the reply, and the same again
//          early [REPLY]    at `dot` or `body`: the reply to the message, before its data ended
//          junk:N           N octets of noise where the reply should be
//          raw:TEXT         TEXT in its place; escapes.h says which escapes it may have
//          late-close       taken, logged, and closed before the reply leaves
//          REPLY is a code and text; without one it is the reply that was due.
// Thread   Pure. Errors: kUsage.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace volley::sink {

enum class Step : uint8_t {
  kConnect,
  kEhlo,
  kStartTls,
  kAuth,
  kMail,
  kRcpt,
  kData,
  kBody,
  kBdat,
  kEndOfData,
  kReset,
  kQuit,
  kIdle
};
inline constexpr size_t kSteps = 13;

bool parse_step(std::string_view name, Step& out);

enum class Action : uint8_t {
  kReply,
  kClose,
  kAbort,
  kStall,
  kShutRead,
  kDrip,
  kTwice,
  kEarly,
  kJunk,
  kRaw,
  kLateClose
};

// The first rule that applies acts. `odds` in [0,1]: which share of the commands it gets (seeded, per recipient address at
// kRcpt and from kData to kEndOfData: the same recipient gets the same until `times` were given).
struct Rule {
  Step step = Step::kRcpt;
  double odds = 1;
  std::string match;   // substring of the recipient or sender; empty: any
  unsigned times = 0;  // per recipient: act so often, then accept; 0: always
  Action action = Action::kReply;
  std::string reply;   // "451 4.7.1 try later"; kRaw: the bytes
  uint32_t bytes = 0;  // kDrip, kJunk
  Duration every{};    // kDrip
};

Result<Rule> parse_rule(std::string_view text);

}  // namespace volley::sink
