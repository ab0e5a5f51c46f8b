#include "engine/cli/queue_filter.h"

#include <fnmatch.h>

#include "base/units.h"
#include "engine/cli/local_events.h"

namespace volley::cli {
namespace {

Result<int64_t> age_ms(const char* option, const std::string& text) {
  auto age = parse_duration(text);
  if (!age) return Error{Errc::kUsage, std::string(option) + ": " + age.error().message};
  return std::chrono::duration_cast<std::chrono::milliseconds>(*age).count();
}

}  // namespace

bool FilterOptions::any() const {
  for (const std::string* text : {&campaign, &domain, &site, &older_than, &younger_than, &code, &address, &lane}) {
    if (!text->empty()) return true;
  }
  return false;
}

void add_filter(Command& command, FilterOptions& options) {
  command.text("--campaign", options.campaign, "of this campaign; _messages: single messages", "ID");
  command.text("--domain", options.domain, "at this domain", "DOMAIN");
  command.text("--site", options.site,
               "at domains whose last attempt, in this data directory's event log, was at this site (named as in `volley status`); "
               "a domain that was never tried from here is at no site",
               "SITE");
  command.text("--older-than", options.older_than, "queued longer ago: 2d, 90m", "AGE");
  command.text("--younger-than", options.younger_than, "queued since", "AGE");
  command.text("--code", options.code, "last reply's code: 421, '4*'; who was never tried has none", "GLOB");
  command.text("--address", options.address, "this recipient", "ADDRESS");
  command.choice("--lane", options.lane, "", {"bulk", "transactional"});
}

Result<QueueFilter> QueueFilter::make(const FilterOptions& options, const Settings& settings, int64_t now_ms) {
  QueueFilter filter;
  filter.places_.campaign = options.campaign;
  filter.code_ = options.code;
  if (!options.lane.empty()) {
    filter.places_.lane = options.lane == "bulk" ? queue::Lane::kBulk : queue::Lane::kTransactional;
  }
  if (!options.older_than.empty()) {
    auto age = age_ms("--older-than", options.older_than);
    if (!age) return age.error();
    filter.enqueued_to_ms_ = now_ms - *age;
  }
  if (!options.younger_than.empty()) {
    auto age = age_ms("--younger-than", options.younger_than);
    if (!age) return age.error();
    filter.enqueued_from_ms_ = now_ms - *age;
  }
  if (!options.domain.empty()) {
    auto domain = domain_key(options.domain);
    if (!domain) return domain.error();
    filter.places_.domain = *domain;
  }
  if (!options.address.empty()) {
    auto address = AddressMatch::make(options.address);
    if (!address) return address.error();
    if (!options.domain.empty() && filter.places_.domain != address->domain()) {
      return Error{Errc::kUsage, options.address + " is not at " + options.domain};
    }
    filter.places_.domain = address->domain();
    filter.address_ = std::move(*address);
  }
  if (!options.site.empty()) {
    const std::string path = events_path(settings, "");
    auto domains = domains_at_site(path, options.site);
    if (!domains) return domains.error();
    if (domains->empty()) {
      return Error{Errc::kData, path + ": no domain's last attempt was at site \"" + options.site +
                                    "\": `volley status` names sites; use --domain for what was not tried from here"};
    }
    filter.domains_ = std::move(*domains);
  }
  return filter;
}

queue::WalkFilter QueueFilter::places() const {
  queue::WalkFilter places = places_;
  if (domains_) {
    places.wants = [domains = *domains_](const queue::Place& place) {
      return domains.contains(std::string(queue::domain_of(place.destination.domain)));
    };
  }
  return places;
}

bool QueueFilter::matches(const queue::Recipient& recipient) const {
  if (recipient.enqueued_ms < enqueued_from_ms_ || recipient.enqueued_ms > enqueued_to_ms_) return false;
  if (!code_.empty()) {
    const std::string code = recipient.last_code == 0 ? "" : std::to_string(recipient.last_code);
    if (fnmatch(code_.c_str(), code.c_str(), 0) != 0) return false;
  }
  return !address_ || (*address_)(recipient.address);
}

std::vector<size_t> QueueFilter::pick(const queue::Found& found) const {
  std::vector<size_t> picked;
  for (size_t i = 0; i < found.recipients.size(); ++i) {
    if (matches(found.recipients[i])) picked.push_back(i);
  }
  return picked;
}

}  // namespace volley::cli
