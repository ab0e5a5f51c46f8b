// The order of the tables, and the rules for any site.
#include "engine/smtp/rules.h"

#include <vector>

#include "engine/smtp/rule_tables.h"
#include "engine/smtp/rule_words.h"

namespace volley::smtp {
namespace {

using namespace words;

constexpr Rule kGeneric[] = {
    rcpt("N1", 0, R"(^4\d\d .*(gr[ae]y ?-?list|try again in \d+ (sec|min)))", C::kGrey,
         defer(5_m).with(E::kSameSource | E::kNoPenalty), D),
    unless(rcpt("N2", 0, R"(^4\d\d .*please try again later)", C::kGrey, defer(10_m), D),
           R"(please try again later.*(rate|limit))"),
    path("N3", 0, R"(too many (concurrent )?(smtp )?(connections|sessions))", C::kConn,
         D.half(E::kHalveConnections, 30_m)),
    path(
        "N4", 0,
        R"(too many (messages|mails|emails) (in|on|for) this (connection|session)|maximum number of messages per (connection|session))",
        C::kMpc, Now.half(E::kHalveMessages, 24_h).with(E::kReconnect)),
    path("N7", 0, R"((rate limit|throttl|too (fast|quickly|many messages)|slow down))", C::kRate,
         D.half(E::kHalveRate, 30_m), P(1_h)),
    // How much we send is about the path; how much its user is sent, about the recipient.
    path("N7a", 0, R"(^\d{3} [45]\.4\.5\b|\bsending (rate|limit|quota))", C::kRate,
         D.half(E::kHalveRate, 30_m), P(1_h)),
    unless(
        path(
            "N7b", 0,
            R"(\b(your|outgoing|outbound|hourly|daily)\b.{0,20}\b(rates?|limits?|quotas?)\b|\byou('ve| have)?( been)? (exceed|reach)|\bexceed\w* .{0,30}\brates?\b|\brates? .{0,30}\b(limit|exceed))",
            C::kRate, D.half(E::kHalveRate, 30_m), P(1_h)),
        R"(mailbox|receiv|recipient|\buser\b|\bsize\b|too (large|big)|storage|over ?quota)"),
    rcpt("N5", 0, R"(^(452|552) .*too many recipients|[45]\.5\.3\b)", C::kRcpts,
         defer(15_m).with(E::kSplitRcpts), defer(15_m).with(E::kSplitRcpts)),
    path("N6", 0, R"(^550 .*too many (invalid|unknown) (recipients|users))", C::kInv,
         P(4_h).with(E::kAlert)),
    mesg("N9", 0, R"((\buribl|\bsurbl|\bdbl\.|\bivmuri|url .*listed))", C::kSpam,
         D.with(E::kPauseCampaign), B.with(E::kPauseCampaign)),
    path(
        "N8", 0,
        R"((spamhaus|spamcop|barracudacentral|\bsorbs|uceprotect|cloudmark|\bcsi\.|abusix|invaluement|senderscore|dnsbl|\brbl|block ?list|blacklist))",
        C::kRep, P(4_h).with(E::kAlert)),
    // Whatever its words: a refusal of our address or of its reputation is about the path.
    path(
        "N8b", 0,
        R"((\bip( address)?\b.{0,60}\b(reputation|blocked|banned|listed|refused|denied)|\b(ip|host|server|network|bad|poor|low) reputation\b|client host .{0,80}\b(blocked|rejected|refused|denied)))",
        C::kRep, P(4_h).with(E::kAlert)),
    path("N10", 0,
         R"(^5\d\d .*(\bptr\b|reverse dns|\brdns\b|cannot find your (reverse )?hostname))", C::kPtr,
         P(12_h).with(E::kAlert)),
    sender(
        "N11", 0,
        R"((dmarc|dkim|\bspf).*(fail|reject|policy|not pass|denied)|(reject|refus|block)\w* .*(dmarc|dkim|\bspf\b))",
        C::kAuth, D.with(E::kAlert), B.with(E::kAlert)),
    sender(
        "N19", 0,
        R"(sender (address )?(rejected|verify failed|domain)|domain not found|5\.1\.8\b|450 4\.1\.8\b)",
        C::kSnd, D, B.with(E::kAlert)),
    rcpt(
        "N12", 0,
        R"((user|mailbox|recipient|address).*(unknown|not found|does ?n.?o?t exist|invalid|no such)|no such (user|mailbox|recipient)|(unknown|invalid) (user|mailbox|recipient|local.part)|utilisateur inconnu)",
        C::kInv, D, B.suppress()),
    rcpt("N13", 0,
         R"((disabled|suspended|deactivated|inactive|closed\b|no longer (valid|accepts)))", C::kIna,
         D, B.suppress()),
    rcpt(
        "N14", 0,
        R"((quota|mailbox (is )?full|mailbox size limit|over ?quota|insufficient storage|boite .*pleine))",
        C::kQuo, defer(6_h), B),
    rcpt(
        "N15", 0,
        R"((relay(ing)? (access )?(denied|disallowed|not permitted)|not permitted to relay|rcpthosts))",
        C::kDom, D, B.then_pause(5, 1_h).with(E::kAlert)),
    mesg("N16", 0, R"((message|mail) (size|too (large|big))|[45]\.3\.4\b|[45]\.2\.3\b)", C::kSize,
         D, B),
    mesg("N17", 0, R"((\bloop|too many hops|hop count))", C::kLoop, D.with(E::kAlert),
         B.with(E::kAlert)),
    path("N18", 0, R"(must issue a starttls|[45]\.7\.10\b|encryption (required|needed))", C::kTls,
         Now.with(E::kForceTls)),
    path("N18b", 0, R"(^530 )", C::kAuth, P(30_m).with(E::kAlert)),
    mesg("N20", 0, R"((\bvirus|malware))", C::kSpam, D.with(E::kAlert), B.with(E::kAlert)),
    mesg("N21", 0, R"((spam|unsolicited|\bjunk|\bbulk))", C::kSpam, D, B),
    mesg("N22", 0, R"((policy|not authorized|access denied|5\.7\.1\b))", C::kPol, D, B),
    rcpt("N23", 0, R"(^556|5\.1\.10\b|null mx)", C::kDom, D, B.suppress()),
    rcpt("N24", 0, R"(^521)", C::kDom, D.with(E::kNextHost), B.with(E::kNextHost)),
    rcpt("N27", 0, R"(^5\d\d 5\.1\.[1346]\b)", C::kInv, D, B.suppress(2)),
    rcpt("N28", 0, R"(^5\d\d 5\.1\.2\b)", C::kDom, D, B),
    rcpt("N29", 0, R"(^5\d\d 5\.2\.1\b)", C::kIna, D, B.suppress(2)),
    rcpt("N30", 0, R"(^\d{3} [45]\.2\.2\b)", C::kQuo, defer(6_h), B),
    sender("N31", 0, R"(^5\d\d 5\.1\.[78]\b)", C::kSnd, D, B.with(E::kAlert)),
    mesg("N25", 0, R"(^50[0-5]|5\.5\.\d)", C::kProto, D,
         D.with(E::kNoPipelining | E::kBounceSecond)),
    path("N26a", 0, R"(^421)", C::kSys, D.with(E::kReconnect)),
    path("N26b", 0, R"(^4\d\d)", C::kSys, D),
    mesg("N26c", 0, R"(^5\d\d)", C::kPol, D, B),
};

}  // namespace

const char* to_string(ReplyClass cls) {
  static constexpr const char* kNames[] = {"NONE", "INV", "INA",   "DOM",  "QUO",  "RATE",  "GREY",
                                           "CONN", "MPC", "RCPTS", "REP",  "SPAM", "POL",   "AUTH",
                                           "PTR",  "TLS", "SIZE",  "LOOP", "SYS",  "PROTO", "SND"};
  return kNames[static_cast<size_t>(cls)];
}

const char* to_string(Action action) {
  switch (action) {
    case Action::kDefer:
      return "defer";
    case Action::kBounce:
      return "bounce";
    case Action::kRetryNow:
      return "retry-now";
  }
  return "?";
}

const char* to_string(Scope scope) {
  switch (scope) {
    case Scope::kRecipient:
      return "recipient";
    case Scope::kMessage:
      return "message";
    case Scope::kSender:
      return "sender";
    case Scope::kPath:
      return "path";
  }
  return "?";
}

std::vector<Rule> site_rules() {
  std::vector<Rule> rules(relay_rules().begin(), relay_rules().end());
  rules.insert(rules.end(), large_rules().begin(), large_rules().end());
  rules.insert(rules.end(), regional_rules().begin(), regional_rules().end());
  return rules;
}

std::span<const Rule> generic_rules() { return kGeneric; }

}  // namespace volley::smtp
