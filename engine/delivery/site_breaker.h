// SiteBreaker: a site whose answers bounce everybody is not believed at once.
//
// Purpose    An outage, a misroute or a blocklist can look like a list of bounces: "no such user" for everybody, or a 5xx for
//            every message from one moment on. After 46 unknown recipients among the last 50 answers, or 20 refusals in a
//            row of a site that took mail before, the breaker opens: the path pauses, and until a message is taken again a
//            bounce needs a second opinion, the same code at another attempt. Refusals that concern the message or its
//            sender are its campaign's: 20 in a row pause the campaign, and only its bounces are doubted, until it is resumed.
// Counting   Answers that decide: messages taken, and 5xx that would bounce. Deferrals, and what speaks of the path (Brakes),
//            say nothing here. Unknown recipients neither lengthen nor end a row of refusals: they are judged before it is
//            looked who sends. An opening starts the counts again; each one without a success between pauses longer. Until
//            its pause is over nothing is counted: what is on the wire was sent before.
// Domains    One closed customer of a big provider is no outage: what trips must be said of three domains, unless the site
//            never was seen with more than one. With three, refusals of messages count at a site that never took one, too.
// Belief     Ten second opinions in a row that confirm the first, an hour or more after it opened (most outages are over by
//            then): the site means it, and its bounces are final at first word, until it takes a message, or for a day. Such
//            a confirmation is no news, and not counted.
// Thread     One loop's; pure. The site's other loops are told by SiteNews.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace volley::delivery {

class SiteBreaker {
 public:
  // kEverything, kUnknownRecipients: pause the path for pause(). kCampaign: pause the campaign. kBelieved: it closed.
  enum class Trip : uint8_t { kNone, kUnknownRecipients, kEverything, kCampaign, kBelieved };
  struct Refusal {  // a 5xx that would bounce
    std::string_view domain{}, campaign{};
    bool unknown_recipient = false;
    bool of_message = false;   // it concerns the message or its sender
    bool confirms = false;     // the attempt before had the same answer
    bool contradicts = false;  // it had another one of these
  };

  // A message was accepted. True: bounces were doubted, or believed in spite of that, and are not any more.
  bool taken(std::string_view domain, std::string_view campaign);
  Trip refused(const Refusal& refusal, TimePoint now);
  // What came to pass on another loop.
  void open(Duration pause, TimePoint now);
  void believe(TimePoint now);
  void close();
  // By a person: the campaign's messages are looked at anew; pause_lifted: pause() did not run to its end.
  void resumed(std::string_view campaign, bool pause_lifted);

  // A bounce of this campaign needs a second opinion.
  bool doubts(std::string_view campaign, TimePoint now) const;
  bool remembers(TimePoint now) const;       // what must not be forgotten yet
  Duration pause() const { return pause_; }  // of the last trip
  uint32_t unknown() const { return unknown_seen_; }
  uint32_t in_a_row() const { return row_seen_.count; }
  bool of_one_campaign() const { return row_seen_.one_campaign; }

  static constexpr uint32_t kWindow = 50, kMostUnknown = 45, kInARow = 20, kTookBefore = 20;
  static constexpr uint32_t kConfirmed = 10, kDomains = 3;
  static constexpr size_t kMostCampaigns =
      32;  // with a row of refusals; the oldest row is forgotten

 private:
  using Hash = uint32_t;
  struct Domains {  // up to as many as matter
    std::array<Hash, kDomains> seen{};
    uint32_t count = 0;
    void add(Hash domain);
  };
  struct Row {
    Hash campaign = 0;
    uint32_t count = 0;
    bool one_campaign = true;
    Domains domains{};
    TimePoint doubted_until{};  // of a campaign's: it tripped
  };
  bool enough(const Domains& domains) const;
  Domains domains_of_unknown() const;
  void add(bool unknown, Hash domain);
  bool is_open(TimePoint now) const { return now < open_until_; }
  void forget(std::string_view campaign);
  Trip refused_campaign(Hash campaign, Hash domain, TimePoint now);
  Trip confirmed(TimePoint now);
  Trip trip(Trip why, TimePoint now);

  std::bitset<kWindow> unknown_;  // of the last answers, a ring
  std::array<Hash, kWindow> domains_{};
  uint32_t next_ = 0, answers_ = 0;
  Domains all_domains_;         // ever
  Row row_;                     // of refusals that concern no message
  std::vector<Row> campaigns_;  // of those that do
  uint32_t taken_ = 0;          // stops at kTookBefore
  uint32_t confirmed_ = 0;      // in a row
  uint32_t trips_ = 0;          // without a success between
  uint32_t unknown_seen_ = 0;   // at the last trip
  Row row_seen_;
  Duration pause_{};
  TimePoint opened_at_{}, open_until_{}, quiet_until_{}, believed_until_{};
};

}  // namespace volley::delivery
