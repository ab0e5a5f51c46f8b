// QueueFilter: which queued recipients a command is about.
//
// Purpose  The options --campaign, --domain, --site, --older-than, --younger-than, --code, --address and --lane, and the condition
//          that they make. A site is known from this machine's event log only: the domains whose last attempt was there.
// Thread   The main thread. Errors kUsage for what an option does not take, kData for a site of which nothing is known.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "engine/cli/address_match.h"
#include "engine/cli/context.h"
#include "queue/walk.h"

namespace volley::cli {

struct FilterOptions {
  std::string campaign, domain, site, older_than, younger_than, code, address, lane;

  bool any() const;
};

void add_filter(Command& command, FilterOptions& options);

class QueueFilter {
 public:
  static Result<QueueFilter> make(const FilterOptions& options, const Settings& settings, int64_t now_ms);

  queue::WalkFilter places() const;
  bool matches(const queue::Recipient& recipient) const;
  // Of what was found, by index.
  std::vector<size_t> pick(const queue::Found& found) const;

 private:
  queue::WalkFilter places_;
  std::optional<std::set<std::string>> domains_;  // of the site
  std::optional<AddressMatch> address_;
  int64_t enqueued_from_ms_ = INT64_MIN, enqueued_to_ms_ = INT64_MAX;
  std::string code_;
};

}  // namespace volley::cli
