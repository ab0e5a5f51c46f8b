// Reply rules of French, German and other regional providers, and of filtering gateways.
#include "engine/smtp/rule_tables.h"
#include "engine/smtp/rule_words.h"

namespace volley::smtp {
namespace {

using namespace words;

constexpr uint32_t o = bit(Family::kOrange);
constexpr uint32_t s = bit(Family::kSfr);
constexpr uint32_t f = bit(Family::kFree);
constexpr uint32_t x = bit(Family::kGmx);
constexpr uint32_t c = bit(Family::kComcast);
constexpr uint32_t q = bit(Family::kQq);
constexpr uint32_t n = bit(Family::kNetease);
constexpr uint32_t i = bit(Family::kImprovmx);
constexpr uint32_t any = 0;  // codes so peculiar that the site need not be known

constexpr Rule kRules[] = {
    // Orange and La Poste
    path("F1", o, R"((OFR|LPN)\w*_?104\b|trop de connexions)", C::kConn, defer(10_m).conns(1, 1_h)),
    path("F2", o, R"((OFR|LPN)\w*_(103|105|107|108|109|201|423|424|503|505|510)\b)", C::kRep,
         P(1_h), P(2_h)),
    path("F3", o, R"(421 .*OFR_999)", C::kRep, P(2_h)),
    path("F4", o, R"((OFR|LPN)\w*_(101|102)\b|bloquee pour incident de spam)", C::kRep,
         P(2_h).with(E::kAlert)),
    sender("F5", o, R"((OFR|LPN)\w*_(401|517)\b|535 .*dkim|dmarc)", C::kAuth, D.with(E::kAlert),
           B.with(E::kAlert)),
    sender("F6", o, R"((OFR|LPN)\w*_(403|405|415)\b|emetteur invalide)", C::kSnd, D.with(E::kAlert),
           B.with(E::kAlert)),
    rcpt("F7", o, R"((OFR|LPN)\w*_?416\b)", C::kInv, D, B.suppress()),
    rcpt("F8", o, R"((OFR|LPN)\w*_417\b|boite du destinataire pleine)", C::kQuo, defer(6_h), B),
    rcpt("F9", o, R"((OFR|LPN)\w*_(420|426)\b)", C::kIna, D, B.suppress()),
    mesg("F10", o, R"((OFR|LPN|OUK)\w*_(506|513)\b|mail rejete)", C::kSpam,
         D.with(E::kPauseCampaign), B.with(E::kPauseCampaign)),
    mesg("F11", o, R"((OFR|LPN)\w*_514\b)", C::kSize, D, B),
    mesg("F12", o, R"((OFR|LPN)\w*_630\b)", C::kPol, D.with(E::kAlert), B.with(E::kAlert)),
    // SFR
    path("F13", s, R"(SFR_IN_\d?0?1[^0-9]|SFR_IN_.01)", C::kRep, P(2_h)),
    path("F14", s, R"(SFR_IN_.02)", C::kSpam, P(2_h).with(E::kAlert)),
    path("F15", s, R"(SFR_IN_.03|421 4\.7\.0 .*too many errors)", C::kProto, P(2_h)),
    path("F16", s, R"(SFR_IN_.04)", C::kInv, P(2_h).with(E::kAlert)),
    path("F17", s, R"(SFR_IN_.05)", C::kRate, P(2_h).half(E::kHalveRate, 4_h)),
    path("F18", s, R"(abus detecte gu_eib_0[24])", C::kRep, P(2_h)),
    // Free
    path("F19", f, R"(too many (errors|spams) from your ip)", C::kRep, P(4_h).then_pause(2, 24_h)),
    path("F20", f, R"(421 .*too many connections)", C::kConn, D.conns(1, 1_h)),
    mesg("F21", f, R"(550 spam detected)", C::kSpam, D, B.with(E::kPauseCampaign)),
    rcpt("F22", f, R"(55[024] 5\.2\.2\b|quota exceeded)", C::kQuo, defer(6_h), B),
    rcpt("F23", f, R"(550 5\.2\.1 .*blocked due to inactivity)", C::kIna, D, B.suppress()),
    // GMX, WEB.DE, mail.com, IONOS
    path("D1", x, R"(421 .*(too many messages|rate limit|policy restrictions))", C::kRate,
         P(2_h).per_minute(1, 4_h)),
    path("D2", x, R"(554 .*(policy restrictions|no smtp service))", C::kRep,
         P(2_h).with(E::kAlert)),
    path("D3", x, R"(421 .*too many connections)", C::kConn, D.conns(1, 30_m)),
    path("D4", x, R"(554 .*(block ?listed|black ?listed)|bad dns ptr)", C::kRep,
         P(12_h).with(E::kAlert)),
    mesg("D20", x, R"(550 .*policy restrictions)", C::kPol, D,
         B.then_pause(5, 2_h).with(E::kAlert)),
    sender("D21", x, R"(550 .*invalid dns mx)", C::kSnd, D, B.with(E::kAlert)),
    rcpt("D22", x, R"(550 .*requested action not taken: mailbox unavailable)", C::kInv, D,
         B.suppress()),
    // Comcast
    rcpt("D23", c, R"(550 5\.1\.1 .*(not our customer|unallocated))", C::kInv, D, B.suppress()),
    // T-Online, Comcast, QQ, 163, and gateways
    path("D5", any, R"(554 IP[:=].*(NOWL|BL|DIAL|bad reputation))", C::kRep,
         P(24_h).with(E::kAlert)),
    path("D6", any, R"(\bRL0000\d\d)", C::kRate, defer(5_m).per_hour(10000, 2_h)),
    path("D7", any, R"(\b(BL|ES)0000\d\d)", C::kRep, P(12_h).with(E::kAlert)),
    rcpt("D8", any, R"(452 4\.1\.1 .*too many recent)", C::kRate, defer(1_h), defer(1_h)),
    path("D9", q, R"((ip|domain|sender|connection) frequency limited)", C::kRate, P(1_h)),
    mesg("D10", any, R"(550 .*mail content denied)", C::kSpam, D, B),
    path("D11", n, R"((RP:|DT:SPM|HL:ITC|MI:))", C::kRate, P(1_h)),
    path("D12", any, R"(AUP#(CXCNCT|CXMXRT|1[3-4]\d\d))", C::kConn, D.conns(1, 1_h)),
    path("D13", any, R"(AUP#|\bIPBL\d+|\bCXBL|\bCDRBL)", C::kRep, P(24_h).with(E::kAlert)),
    rcpt("D14", any, R"(451 .*internal resources? (are )?temporarily unavailable)", C::kGrey,
         defer(5_m).with(E::kSameSource), defer(5_m)),
    mesg("D15", any, R"(550 .*(envelope blocked|administrative prohibition|anti-spoofing))",
         C::kPol, D, B),
    path("D16", any, R"(553 .*route requires encryption)", C::kTls, Now.with(E::kForceTls)),
    path("D17", any, R"(55[04] .*(ipcheck\.proofpoint|proofpoint\.com/dnsbl))", C::kRep,
         P(12_h).with(E::kAlert)),
    mesg("D18", any, R"(550 permanent failure for one or more recipients .*:blocked)", C::kPol,
         defer(1_h), defer(1_h).with(E::kBounceSecond)),
    path("D19", any, R"(451 4\.7\.1 .*(new or untrusted ip))", C::kRate,
         P(30_m).half(E::kHalveRate, 2_h)),
    mesg("D24", i, R"(551 5\.7\.1\b)", C::kPol, D, B),
    mesg("D25", q, R"(550 .*rejected by recipients)", C::kPol, D, B),
};

}  // namespace

std::span<const Rule> regional_rules() { return kRules; }

}  // namespace volley::smtp
