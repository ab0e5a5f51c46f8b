#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <unordered_set>

#include "queue/door.h"
#include "queue/store_impl.h"

namespace volley::queue {

namespace {

constexpr int64_t kScan = 500;     // names a cursor's step may look at
constexpr int64_t kFirstPage = 4;  // elements of each list, many lists at once
constexpr int64_t kPage = 16;      // of one long list
constexpr size_t kListsAtOnce = 32;

bool in_flight_or_parked(Where where) {
  return where == Where::kInFlight || where == Where::kParked;
}

// "text|text|..." in `parts`; false when there are more or fewer.
bool split(std::string_view text, std::span<std::string_view> parts) {
  for (size_t i = 0; i < parts.size(); ++i) {
    const size_t bar = text.find('|');
    if ((bar == std::string_view::npos) != (i + 1 == parts.size())) return false;
    parts[i] = text.substr(0, bar);
    text.remove_prefix(bar == std::string_view::npos ? text.size() : bar + 1);
  }
  return true;
}

template <typename T>
bool parse(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

class Walk {
 public:
  Walk(StoreLink& link, const WalkFilter& filter, const WalkVisitor& visitor)
      : link_(link), filter_(filter), visitor_(visitor) {}

  void know(const Campaign& campaign) {
    campaigns_[campaign.id] = {
        lane_tenant(campaign.lane, campaign.tenant),
        campaign.state == CampaignState::kCancelled || campaign.state == CampaignState::kFinished};
  }
  void know_singles() {
    campaigns_[std::string(kSingleMessages)] = {lane_tenant(Lane::kTransactional, kDefaultTenant)};
  }
  bool stopped() const { return stopped_; }

  // In the order in which mail moves on, so that what moves meanwhile is rather met twice than not at all.
  Status partition(uint32_t number) {
    partition_ = number;
    met_.clear();
    if (filter_.failed) {
      const Status listed = failed();
      return listed ? read_pending() : listed;
    }
    for (const auto step : {&Walk::waiting, &Walk::ready, &Walk::listed_by_campaign,
                            &Walk::in_flight, &Walk::parked}) {
      if (Status status = (this->*step)(); !status) return status;
      if (Status status = read_pending(); !status) return status;
      if (stopped_) return {};
    }
    return {};
  }

 private:
  struct Known {
    std::string lt;
    bool over = false;
  };
  using Names = std::function<Status(const ReplyView& page)>;

  Status waiting();
  Status ready();
  Status ready_of(const std::string& lt);
  Status domains(const std::string& lt, std::span<const std::string> names);
  Status listed_by_campaign();
  Status failed();
  Status in_flight() { return leases("inf", Where::kInFlight); }
  Status parked() { return leases("dead", Where::kParked); }
  Status leases(const char* name, Where where);
  Status scan(const char* command, const std::string& key, const Names& page);

  Status add(Place place, std::string_view lt, std::string_view campaign, std::string_view domain);
  Status read_pending();
  Status read_rest(const Place& place, int64_t kept);
  Command page_of(const Place& place, int64_t kept, int64_t count) const;
  // Elements kept of the page; stops when told to.
  int64_t pass_by(const Place& place, int64_t kept, const ReplyView& page, std::string_view done);
  Step look(const Place& place, int64_t index, std::string_view bytes, std::string_view done);

  StoreLink& link_;
  const WalkFilter& filter_;
  const WalkVisitor& visitor_;
  std::map<std::string, Known, std::less<>> campaigns_;
  uint32_t partition_ = 0;
  std::unordered_set<std::string>
      met_;  // keys of this partition's lists: a cursor may name one twice
  std::vector<Place> pending_;
  bool stopped_ = false;
};

Status Walk::scan(const char* command, const std::string& key, const Names& page) {
  std::string cursor = "0";
  do {
    Command next(command);
    next.arg(key).arg(cursor).arg("COUNT").number(kScan);
    auto answer = link_.run(next);
    if (!answer) return answer.error();
    cursor = answer->view().at(0).text();
    if (Status status = page(answer->view().at(1)); !status) return status;
  } while (cursor != "0" && !cursor.empty() && !stopped_);
  return {};
}

Status Walk::waiting() {
  const std::string key = partition_key(partition_, "rb");
  return scan("ZSCAN", key, [&](const ReplyView& page) -> Status {
    for (size_t i = 0; i + 1 < page.size(); i += 2) {
      std::string_view parts[4];
      Place place;
      place.where = Where::kWaiting;
      const std::string_view member = page.at(i).text();
      if (!split(member, parts) || !parse(parts[0], place.due_ms)) {
        visitor_.corrupt(key, "an entry that names no destination");
        continue;
      }
      place.key = partition_key(partition_, "r:") + std::string(member);
      if (Status status = add(std::move(place), parts[1], parts[2], parts[3]); !status)
        return status;
    }
    return {};
  });
}

Status Walk::ready() {
  auto all = link_.run(Command("SMEMBERS").arg(partition_key(partition_, "lt")));
  if (!all) return all.error();
  for (size_t i = 0; i < all->view().size(); ++i) {
    if (Status status = ready_of(std::string(all->view().at(i).text())); !status) return status;
  }
  return {};
}

// The domains of a lane, or those keys that the wanted domain may have.
Status Walk::ready_of(const std::string& lt) {
  Lane lane = Lane::kBulk;
  std::string tenant;
  if (!parse_lane_tenant(lt, lane, tenant)) return {};
  if (filter_.lane && lane != *filter_.lane) return {};
  const std::string doms = partition_key(partition_, lt + ":doms");
  return scan("ZSCAN", doms, [&](const ReplyView& page) -> Status {
    std::vector<std::string> names;
    for (size_t i = 0; i + 1 < page.size(); i += 2) {
      const std::string_view name = page.at(i).text();
      if (filter_.domain.empty() || domain_of(name) == filter_.domain) names.emplace_back(name);
    }
    return domains(lt, names);
  });
}

Status Walk::domains(const std::string& lt, std::span<const std::string> names) {
  if (names.empty()) return {};
  std::vector<Command> commands;
  for (const std::string& name : names) {
    Command& range = commands.emplace_back("ZRANGE");
    range.arg(partition_key(partition_, lt + ":dc:" + name)).number(0).number(-1);
  }
  auto answers = link_.run(commands);
  if (!answers) return answers.error();
  for (size_t d = 0; d < names.size(); ++d) {
    const ReplyView list = (*answers)[d].view();
    for (size_t i = 0; i < list.size(); ++i) {
      Place place;
      place.key =
          partition_key(partition_, fmt::format("{}:q:{}:{}", lt, list.at(i).text(), names[d]));
      if (Status status = add(std::move(place), lt, list.at(i).text(), names[d]); !status)
        return status;
    }
  }
  return {};
}

// What campaigns that may not send have ready, and what is held.
Status Walk::listed_by_campaign() {
  for (const bool held : {false, true}) {
    for (const auto& [id, known] : campaigns_) {
      const std::string key = partition_key(partition_, (held ? "hd:" : "pk:") + id);
      const Status status = scan("SSCAN", key, [&](const ReplyView& page) -> Status {
        for (size_t i = 0; i < page.size(); ++i) {
          const std::string_view domain = page.at(i).text();
          Place place;
          place.where = held ? Where::kHeld : Where::kReady;
          place.key = partition_key(
              partition_, fmt::format("{}:{}:{}:{}", known.lt, held ? 'h' : 'q', id, domain));
          if (Status added = add(std::move(place), known.lt, id, domain); !added) return added;
        }
        return {};
      });
      if (!status || stopped_) return status;
    }
  }
  return {};
}

Status Walk::failed() {
  for (const auto& [id, known] : campaigns_) {
    const std::string key = partition_key(partition_, "kp:" + id);
    const Status status = scan("SSCAN", key, [&](const ReplyView& page) -> Status {
      for (size_t i = 0; i < page.size(); ++i) {
        std::string_view parts[2];  // kind, domain
        if (!split(page.at(i).text(), parts)) {
          visitor_.corrupt(key, "an entry that names no domain");
          continue;
        }
        Place place;
        place.where = parts[0] == "b" ? Where::kBounced : Where::kExpired;
        place.key =
            partition_key(partition_, fmt::format("{}:{}:{}:{}", known.lt, parts[0], id, parts[1]));
        if (Status added = add(std::move(place), known.lt, id, parts[1]); !added) return added;
      }
      return {};
    });
    if (!status || stopped_) return status;
  }
  return {};
}

Status Walk::leases(const char* name, Where where) {
  const std::string key = partition_key(partition_, name);
  return scan("HSCAN", key, [&](const ReplyView& page) -> Status {
    for (size_t i = 0; i + 1 < page.size(); i += 2) {
      std::string_view parts[7];
      Place place;
      place.where = where;
      if (!parse(page.at(i).text(), place.lease) || !split(page.at(i + 1).text(), parts)) {
        visitor_.corrupt(key, "a lease that is not one");
        continue;
      }
      place.key = partition_key(partition_, fmt::format("f:{}", place.lease));
      if (Status status = add(std::move(place), parts[1], parts[2], parts[3]); !status)
        return status;
    }
    return {};
  });
}

Status Walk::add(Place place, std::string_view lt, std::string_view campaign,
                 std::string_view domain) {
  if (!filter_.campaign.empty() && campaign != filter_.campaign) return {};
  if (!filter_.domain.empty() && domain_of(domain) != filter_.domain) return {};
  Destination& to = place.destination;
  if (!parse_lane_tenant(lt, to.lane, to.tenant)) return {};
  if (filter_.lane && to.lane != *filter_.lane) return {};
  to.campaign = campaign;
  to.domain = domain;
  place.partition = partition_;
  const auto known = campaigns_.find(campaign);
  place.over = known != campaigns_.end() && known->second.over;
  if (filter_.wants && !filter_.wants(place)) return {};
  if (!met_.insert(place.key).second) return {};
  pending_.push_back(std::move(place));
  return pending_.size() < kListsAtOnce ? Status() : read_pending();
}

// Lists of what is ready are read from their tails: owners take from the heads, and put back there.
Command Walk::page_of(const Place& place, int64_t kept, int64_t count) const {
  Command range("LRANGE");
  range.arg(place.key);
  if (place.where == Where::kReady)
    return std::move(range.number(-(kept + count)).number(-(kept + 1)));
  return std::move(range.number(kept).number(kept + count - 1));
}

Status Walk::read_pending() {
  const std::vector<Place> places = std::exchange(pending_, {});
  std::vector<Command> commands;
  for (const Place& place : places) {
    commands.push_back(page_of(place, 0, kFirstPage));
    Command& done = commands.emplace_back("HGET");
    done.arg(partition_key(partition_, "pg")).arg(fmt::format("{}", place.lease));
  }
  if (commands.empty()) return {};
  auto answers = link_.run(commands);
  if (!answers) return answers.error();
  for (size_t i = 0; i < places.size() && !stopped_; ++i) {
    const ReplyView page = (*answers)[2 * i].view();
    const std::string_view done =
        in_flight_or_parked(places[i].where) ? (*answers)[2 * i + 1].view().text() : "";
    const int64_t kept = pass_by(places[i], 0, page, done);
    if (page.size() < static_cast<size_t>(kFirstPage)) continue;
    if (Status status = read_rest(places[i], kept); !status) return status;
  }
  return {};
}

Status Walk::read_rest(const Place& place, int64_t kept) {
  while (!stopped_) {
    auto page = link_.run(page_of(place, kept, kPage));
    if (!page) return page.error();
    kept = pass_by(place, kept, page->view(), {});
    if (page->view().size() < static_cast<size_t>(kPage)) return {};
  }
  return {};
}

int64_t Walk::pass_by(const Place& place, int64_t kept, const ReplyView& page,
                      std::string_view done) {
  const bool from_tail = place.where == Where::kReady;
  for (size_t i = 0; i < page.size() && !stopped_; ++i) {
    const ReplyView element = page.at(from_tail ? page.size() - 1 - i : i);
    const Step step = look(place, from_tail ? -(kept + 1) : kept, element.text(), done);
    if (step != Step::kGone) ++kept;
    stopped_ = step == Step::kStop;
  }
  return kept;
}

Step Walk::look(const Place& place, int64_t index, std::string_view bytes, std::string_view done) {
  auto chunk = Chunk::decode(bytes);
  auto numbers = unpack_numbers(done);
  if (!chunk || !numbers) {
    visitor_.corrupt(place.key, chunk ? numbers.error().message : chunk.error().message);
    return Step::kOn;
  }
  Found found{place, index, bytes, *chunk, {}};
  found.recipients.assign(chunk->recipients().begin(), chunk->recipients().end());
  std::erase_if(found.recipients, [&](const Recipient& r) {
    return std::binary_search(numbers->begin(), numbers->end(), r.number);
  });
  return found.recipients.empty() && !filter_.settled ? Step::kOn : visitor_.found(found);
}

}  // namespace

std::string_view to_string(Where where) {
  switch (where) {
    case Where::kReady:
      return "ready";
    case Where::kWaiting:
      return "waiting";
    case Where::kInFlight:
      return "in_flight";
    case Where::kHeld:
      return "held";
    case Where::kParked:
      return "parked";
    case Where::kBounced:
      return "bounced";
    case Where::kExpired:
      return "expired";
  }
  return "unknown";
}

Status Store::walk(const WalkFilter& filter, const WalkVisitor& visitor) {
  Walk walk(impl_->link, filter, visitor);
  if (!filter.campaign.empty() && filter.campaign != kSingleMessages) {
    auto campaign = impl_->get(filter.campaign);
    if (!campaign) return campaign.error();
    walk.know(*campaign);
  } else {
    walk.know_singles();
    if (filter.campaign.empty()) {
      auto all = list();
      if (!all) return all.error();
      for (const Campaign& campaign : *all) walk.know(campaign);
    }
  }
  for (const uint32_t p : partitions_of(filter.domain, impl_->partitions)) {
    if (Status status = walk.partition(p); !status) return status;
    if (walk.stopped()) break;
  }
  return {};
}

}  // namespace volley::queue
