// Outcome policy: from how an attempt ended to what becomes of the recipient, and of the path.
//
// Purpose  decide() for the recipient, path_action() for the site. The one place that says what bounces: only what the
//          classifier calls a bounce, and never at connect, greeting, EHLO, STARTTLS or AUTH, nor with the scope of a path.
// Expiry   give_up_after, from the first attempt (bulk) or from the queue (transactional); the last attempt is made when it
//          is reached. In doubt: at least 30 min, or 6 first_delays where the user made those shorter.
// Free     Untried, and "the receiver did not judge the message", cost no attempt; a few of them in a row for one recipient
//          do, so that nothing spins.
// Thread   Pure.
#pragma once

#include <cstdint>
#include <string>

#include "base/random.h"
#include "base/time.h"
#include "engine/delivery/work.h"
#include "engine/smtp/classify.h"
#include "engine/smtp/outcome.h"
#include "queue/campaign.h"

namespace volley::delivery {

inline constexpr uint32_t kFreeRetries = 5;

struct Attempt {
  uint32_t before = 0;        // attempts before this one
  uint32_t free_retries = 0;  // of this recipient, since it was claimed
  uint16_t last_code = 0;     // of the attempt before
  int64_t age_ms = 0;         // retry_age_ms()
  bool doubted = false;       // by the SiteBreaker: a bounce needs a second opinion
};

// The attempt before had the same reply code.
bool said_before(const smtp::Outcome& outcome, const Attempt& attempt);

// No connection came about, in our own words.
smtp::Outcome never_reached(smtp::Outcome::Kind kind, std::string why, smtp::EnhancedCode code);
inline constexpr smtp::EnhancedCode kNoHost{5, 4, 4};  // the code of a host that has no address

// How long we have been trying, on the clock that counts for its lane. queue_now_ms: the queue's clock.
int64_t retry_age_ms(queue::Lane lane, const queue::Recipient& recipient, int64_t queue_now_ms);

// What was said, in one line: "451 4.4.3 MX look-up failed: SERVFAIL from 192.0.2.53:53". For status and reasons, which outlive
// recipients: without the local parts of addresses.
std::string words_of(const Record& record);

struct Decision {
  bool again = false;  // not an attempt: back to waiting, no record
  Verdict verdict = Verdict::kDeferred;
  int64_t delay_ms = 0;
};
Decision decide(const smtp::Outcome& outcome, const smtp::Verdict& verdict, const Attempt& attempt,
                const queue::RetryPolicy& policy, Random& random);

struct PathAction {
  bool refusal = false;    // they refuse us: for the Brakes
  bool permanent = false;  // by a 5xx
  bool answer = false;  // they speak to us about recipients and messages: all is well with the path
  bool final = false;   // a 5xx that bounces whom it is about
  bool unknown_recipient = false;          // and says that there is nobody of that name
  bool of_message = false;                 // and concerns the message or its sender
  Duration pause{};                        // zero: none
  Duration hold{};                         // how long the limits below stay
  Duration regain{};                       // a learned rate grows by a quarter each, without a further hint
  uint32_t connections = 0, messages = 0;  // at most; 0: leave
  double rate = 0;                         // messages/s; 0: leave
  bool halve_connections = false, halve_rate = false, halve_messages = false;
  bool reconnect = false, next_host = false, force_tls = false, no_pipelining = false;
  bool pause_campaign = false;
  // The pause is for a person to mend something: it ends when a campaign is resumed.
  bool until_resumed = false;
  uint32_t escalate_after = 0;  // so many of `rule` in an hour: pause for escalate_pause
  Duration escalate_pause{};
  bool escalate_campaign = false;
  const char* rule = "";

  bool nothing() const {
    return pause == Duration{} && connections == 0 && messages == 0 && rate == 0 &&
           !(halve_connections || halve_rate || halve_messages || reconnect || next_host ||
             force_tls || no_pipelining || pause_campaign || escalate_after);
  }
};
PathAction path_action(const smtp::Outcome& outcome, const smtp::Verdict& verdict);
// The relay's certificate does not fit: for a person to mend, as a refused login is.
PathAction certificate_refused(PathAction action);

}  // namespace volley::delivery
