// The reply rules: which text means what, and what to do about it. Data only; classify.h applies it.
//
// Purpose  One table, in order: the first rule that matches "CODE [ENHANCED] TEXT" (case-insensitive, RE2) decides. Rules of
//          a family come before those of any site.
// Reading  `soft` is what a 4xx leads to, `hard` what a 5xx does; a rule about the path (our address, its name, its rate,
//          its reputation) never bounces, whatever the digit.
// Thread   Constant data.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/smtp/providers.h"

namespace volley::smtp {

enum class ReplyClass : uint8_t {
  kNone,
  kInv,    // no such recipient
  kIna,    // recipient disabled or inactive
  kDom,    // domain does not take this mail
  kQuo,    // mailbox full
  kRate,   // too fast
  kGrey,   // greylisted
  kConn,   // too many connections
  kMpc,    // too many messages on one connection
  kRcpts,  // too many recipients in one transaction
  kRep,    // reputation of our address or domain
  kSpam,   // content taken for spam
  kPol,    // policy
  kAuth,   // SPF, DKIM, DMARC; credentials at a relay
  kPtr,    // reverse name
  kTls,    // wants TLS
  kSize,   // too large
  kLoop,   // mail loop
  kSys,    // temporary trouble of the receiver, or of the network
  kProto,  // protocol misunderstanding
  kSnd,    // sender address
};
const char* to_string(ReplyClass cls);

enum class Action : uint8_t { kDefer, kBounce, kRetryNow };
enum class Scope : uint8_t { kRecipient, kMessage, kSender, kPath };
const char* to_string(Action action);
const char* to_string(Scope scope);

// Minutes, because that is what the table is written in.
struct Effect {
  Action action = Action::kDefer;
  uint16_t retry_minutes = 0;  // 0: the usual back-off
  uint16_t pause_minutes = 0;  // pause this source on this site
  uint16_t hold_minutes = 0;   // how long the limits below stay
  uint16_t regain_seconds =
      0;  // a halved rate grows again by a quarter each; 0: as outcome_policy.h says
  uint16_t connections = 0;    // at most so many; 0: leave
  uint16_t rate_per_hour = 0;  // messages; 0: leave
  uint16_t messages = 0;       // per connection; 0: leave
  uint8_t halve = 0;           // Halve bits
  uint8_t suppress_after = 0;  // suppress the recipient after so many of these; 0: never
  uint8_t escalate_after = 0;  // so many of these in an hour: pause for escalate_minutes
  uint16_t escalate_minutes = 0;
  uint16_t flags = 0;  // Flag bits

  enum Halve : uint8_t {
    kHalveConnections = 1,
    kHalveRate = 2,
    kHalveMessages = 4,
    kHalveRcpts = 8
  };
  enum Flag : uint16_t {
    kAlert = 1,             // a person should look
    kPauseCampaign = 2,     // or the tenant, or the From domain
    kEscalateCampaign = 4,  // pause it when escalate_after is reached
    kForceTls = 8,
    kReconnect = 16,      // close this connection and open another
    kNextHost = 32,       // another MX of the set may take it
    kSplitRcpts = 64,     // fewer recipients in a transaction
    kSplitDomains = 128,  // one domain in a transaction
    kIpv4Only = 256,
    kSameSource = 512,     // greylisting: come back from the same address
    kNoPenalty = 1024,     // costs the path nothing
    kBounceSecond = 2048,  // deferred once; the next such answer bounces
  };
  // Apart from the others, because an enumerator of this name would hide the quirk's.
  static constexpr Flag kNoPipelining = Flag{4096};
};

struct Rule {
  const char* id = "";
  const char* pattern = "";
  const char* unless = nullptr;  // RE2 has no look-ahead: the rule does not match when this does
  uint32_t families = 0;         // bit per Family; 0: any site
  Effect soft;                   // 4xx
  Effect hard;                   // 5xx
  ReplyClass cls = ReplyClass::kNone;
  Scope scope = Scope::kPath;
  bool at_mail = false;  // counts only as an answer to MAIL
};

// In order: site rules first, then the rules for any site.
std::vector<Rule> site_rules();
std::span<const Rule> generic_rules();

}  // namespace volley::smtp
