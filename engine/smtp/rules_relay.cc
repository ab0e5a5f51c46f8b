// What a relay says of our account: how fast it may send, and how much. It knows nothing yet of whom the mail is for, so nobody
// bounces, whatever the digit. Words as Amazon SES, Google's and Microsoft's submission, cPanel, Zoho and others have them.
#include "engine/smtp/rule_tables.h"
#include "engine/smtp/rule_words.h"

namespace volley::smtp {
namespace {

using namespace words;

constexpr uint32_t r = bit(Family::kRelay);

// What a final receiver says about one mailbox, or about one message.
constexpr const char* kNotOurs =
    R"(mailbox|receiv|recipients? (has|is|quota)|\bsize\b|too (large|big))";

constexpr Rule kRules[] = {
    unless(
        path(
            "R1", r,
            R"(^5\d\d 5\.4\.5\b|\b(daily|24 ?-?h(ou)?rs?|(per|a) day)\b.*(limit|quota|exceed|reached|allow)|(limit|quota|exceed|reached).*\b(daily|24 ?-?h(ou)?rs?|(per|a) day)\b)",
            C::kRate, P(1_h).with(E::kNoPenalty)),
        kNotOurs),
    unless(
        path(
            "R2", r,
            R"((per|an) hour\b|\bhourly\b|(sending|submission|outgoing|outbound|relay|sent)\b.{0,40}\b(limit|quota)\b|(limit|quota)\b.{0,40}\b(sending|submission|outgoing|outbound|relay)\b|submissionquota)",
            C::kRate, P(15_m).with(E::kNoPenalty)),
        R"(mailbox|receiv|recipients? (has|is|quota)|\bsize\b|too (large|big)|\brates?\b)"),
    at_mail(unless(path("R3", r, R"(^[45]\d\d .*quota)", C::kRate, P(1_h).with(E::kNoPenalty)),
                   R"(\bsize\b)")),
    // Connections and messages per connection are the rules' for any site. A relay counts, and holds nothing against who
    // asked for too much: its limit is found again soon.
    unless(path("R4", r,
                R"(throttl|\brates?\b|too (fast|quickly|many (messages|mails|emails))|slow down)",
                C::kRate, defer(2_m).half(E::kHalveRate, 10_m).regain(5).with(E::kNoPenalty)),
           R"((connection|session)s?\b|mailbox|user .{0,60}receiv)"),
};

}  // namespace

std::span<const Rule> relay_rules() { return kRules; }

}  // namespace volley::smtp
