#include "engine/delivery/lanes.h"

#include <algorithm>
#include <cassert>

namespace volley::delivery {
namespace {

constexpr Duration kSoon = std::chrono::milliseconds(1);
constexpr Duration kLate = std::chrono::seconds(1);

void place(ActiveWork::List& list, ActiveWork& work, ActiveWork::List::iterator& at, bool& in,
           bool wanted) {
  if (wanted == in) return;
  in = wanted;
  if (wanted) {
    at = list.insert(list.end(), &work);
  } else {
    list.erase(at);
  }
}

}  // namespace

void Lanes::add(ActiveWork& work) {
  work.here = all_.insert(all_.end(), &work);
  work.listed = true;
  count(work, static_cast<int64_t>(work.work->waiting));
  update(work);
}

void Lanes::remove(ActiveWork& work) {
  if (!work.listed) return;
  if (!work.returning) count(work, -static_cast<int64_t>(work.work->waiting));
  work.returning = true;
  update(work);
  all_.erase(work.here);
  work.listed = false;
}

void Lanes::count(const ActiveWork& work, int64_t change) {
  (work.held ? site_held_ : waiting_[lane_of(work)]) += change;
}

void Lanes::ahead(ActiveWork& work, int64_t change) {
  change = std::max(change, -static_cast<int64_t>(work.ahead));
  work.ahead = static_cast<uint32_t>(work.ahead + change);
  if (!work.held) ahead_ += change;
}

void Lanes::update(ActiveWork& work) {
  if (work.returning) {
    ahead(work, -static_cast<int64_t>(work.ahead));
    if (work.held) {  // who set `returning` has taken it out of the counts
      const auto group = groups_.find(key_of(work));
      group->second.works.erase(work.held_here);
      if (group->second.works.empty()) groups_.erase(group);
      work.held = false;
    }
  }
  const size_t lane = lane_of(work);
  const bool usable = !work.returning && !work.held;
  const bool unseen = usable && work.cursor < work.size();
  const bool ready = usable && (!work.prepared.empty() || (unseen && !work.is_signed()));
  place(ready_[lane], work, work.ready_here, work.in_ready, ready);
  place(sign_[lane], work, work.sign_here, work.in_sign, unseen && work.is_signed());
}

ActiveWork* Lanes::rotate(Pair& lanes) {
  for (ActiveWork::List& list : lanes) {
    if (list.empty()) continue;
    ActiveWork* work = list.front();
    list.splice(list.end(), list, list.begin());
    return work;
  }
  return nullptr;
}

const CampaignControl* Lanes::key_of(const ActiveWork& work) {
  return work.work->campaign->control.get();
}

void Lanes::set_held(ActiveWork& work, bool held) {
  const auto waiting = static_cast<int64_t>(work.work->waiting);
  count(work, -waiting);
  work.held = held;
  count(work, waiting);
  ahead_ += held ? -static_cast<int64_t>(work.ahead) : work.ahead;
  update(work);
}

void Lanes::put(ActiveWork& work, Group& group, bool first) {
  assert(!work.held && !work.returning);
  auto& works = group.works;
  work.held_here = works.insert(first ? works.begin() : works.end(), &work);
  work.asks = false;
  held_until_ = std::min(held_until_, group.until);
  set_held(work, true);
}

// First in the line: it may have messages signed already, and is finished before others are begun.
void Lanes::hold(ActiveWork& work, TimePoint until) {
  Group& group = groups_[key_of(work)];
  group.until = until;
  put(work, group, true);
}

bool Lanes::join_held(ActiveWork& work) {
  if (groups_.empty() || work.asks) return false;
  const auto group = groups_.find(key_of(work));
  if (group == groups_.end()) return false;
  put(work, group->second, false);
  return true;
}

Lanes::Groups::iterator Lanes::free_first(Groups::iterator group, TimePoint now) {
  ActiveWork& work = *group->second.works.front();
  group->second.works.pop_front();
  work.asks = true;
  work.moved = now;
  set_held(work, false);
  return group->second.works.empty() ? groups_.erase(group) : group;
}

// The next one follows after an interval even if the first never gets to ask: it may have been sent back.
void Lanes::release(TimePoint now) {
  if (now < held_until_) return;
  held_until_ = kNever;
  for (auto group = groups_.begin(); group != groups_.end();) {
    if (group->second.until <= now) {
      const CampaignControl* const campaign = group->first;
      const Duration interval = std::clamp(campaign->pace.interval(), kSoon, kLate);
      group->second.until = now + interval;
      const bool all = !campaign->pace.limited();
      const auto after = std::next(group);
      for (size_t n = all ? group->second.works.size() : 1; n > 0; --n) {
        group = free_first(group, now);
      }
      if (group == after) continue;
    }
    held_until_ = std::min(held_until_, group->second.until);
    ++group;
  }
}

void Lanes::release_one(const ActiveWork& like, TimePoint now) {
  if (groups_.empty()) return;
  const auto group = groups_.find(key_of(like));
  if (group != groups_.end()) free_first(group, now);
}

const CampaignControl* Lanes::held() const {
  return groups_.empty() ? nullptr : groups_.begin()->first;
}

ActiveWork* Lanes::next() { return rotate(ready_); }
ActiveWork* Lanes::next_to_sign() { return rotate(sign_); }

}  // namespace volley::delivery
