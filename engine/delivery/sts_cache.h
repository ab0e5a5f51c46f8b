// StsCache: the MTA-STS policies we know, and what applies to a domain now (RFC 8461 sections 3.3, 5.1).
//
// Purpose    A message for a domain: look up the TXT records of sts_txt_name(), ask decide(). It says what
//            applies, and whether a fetch is due; what the fetch came to goes to store(), then decide() again.
// Rules      A policy lives max_age from its fetch (a minute at least: those who waited for it must get it), whatever
//            DNS or the web server do meanwhile: else an attacker could wish it away. A new id in DNS makes us wait for the new policy; should that fail, the old one
//            goes on. Without an old one the domain has none, until a fetch succeeds. A fetch that failed is not
//            repeated for five minutes, unless the id changes. A policy older than a day (or half its max_age) is
//            fetched anew in the background.
// Bounds     kMaxStsDomains; when full, what ends first goes first.
// Thread     Any (a mutex inside). Time is an argument: wall time, since policies outlive the process.
// Errors     import_json(): kData, and nothing is taken. export_json() is what it reads.
// Not for    The file (whoever writes it does so atomically), DNS, fetching (sts_fetcher.h).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "dns/resolver.h"
#include "engine/delivery/mta_sts.h"

namespace volley::delivery {

inline constexpr size_t kMaxStsDomains = 20'000;

// What went wrong with a policy; the names are result types of RFC 8460.
enum class StsFailure : uint8_t { kNone, kFetchError, kPolicyInvalid, kWebPkiInvalid };
std::string_view result_type(StsFailure failure);  // "sts-policy-fetch-error"; "" for kNone

// What a fetch came to.
struct StsOutcome {
  StsFailure failure = StsFailure::kFetchError;
  std::string detail;  // one line, when it failed
  StsPolicy policy;    // when it did not
};

// What is known about one domain. Both halves may be there: a policy, and a later attempt that failed.
struct StsEntry {
  std::shared_ptr<const StsPolicy> policy;  // null: none was ever fetched
  std::string id;                           // of the policy
  WallTime fetched{}, expires{};
  StsFailure failure = StsFailure::kNone;  // of the latest fetch
  std::string failed_id, detail;           // the id then, and why
  WallTime retry{};                        // not before
};

enum class StsVerdict : uint8_t {
  kNone,     // no policy: TLS as the site likes it
  kTesting,  // deliver as if there were none, and report what would have failed
  kEnforce,  // only to a host that matches the policy, over TLS with a good certificate for its name
  kWait,     // the fetch decides: ask again when it has ended
};

struct StsDecision {
  StsVerdict verdict = StsVerdict::kNone;
  std::shared_ptr<const StsPolicy> policy;  // with kTesting and kEnforce
  bool fetch = false;  // one is due; with another verdict than kWait nobody waits for it
  std::string id;      // for store(), when fetch
  // The latest fetch failed: for reports, beside any verdict.
  StsFailure failure = StsFailure::kNone;
  std::string detail;
};

// entry: null when nothing is known. Pure.
StsDecision decide_sts(const StsEntry* entry, const dns::TxtAnswer& txt, WallTime now);

// "_mta-sts.example.com".
std::string sts_txt_name(std::string_view domain);

class StsCache {
 public:
  StsDecision decide(std::string_view domain, const dns::TxtAnswer& txt, WallTime now) const;
  // id: the one the fetch was made for.
  void store(std::string_view domain, std::string_view id, const StsOutcome& outcome, WallTime now);
  size_t size() const;

  // Policies only: a failure is worth another try after a restart.
  std::string export_json(WallTime now) const;
  // Added to what is there already, unless that is newer.
  Status import_json(std::string_view text, WallTime now);

 private:
  void make_room(WallTime now);

  mutable std::mutex mutex_;
  std::map<std::string, StsEntry, std::less<>> entries_;  // by domain, lower case
};

}  // namespace volley::delivery
