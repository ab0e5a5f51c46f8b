#include "engine/delivery/lanes.h"

#include <algorithm>

namespace volley::delivery {
namespace {

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

void Lanes::ahead(ActiveWork& work, int64_t change) {
  change = std::max(change, -static_cast<int64_t>(work.ahead));
  work.ahead = static_cast<uint32_t>(work.ahead + change);
  ahead_ += change;
}

void Lanes::update(ActiveWork& work) {
  if (work.returning) ahead(work, -static_cast<int64_t>(work.ahead));
  const size_t lane = lane_of(work);
  const bool unseen = !work.returning && work.cursor < work.size();
  const bool ready = !work.returning && (!work.prepared.empty() || (unseen && !work.is_signed()));
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

ActiveWork* Lanes::next() { return rotate(ready_); }
ActiveWork* Lanes::next_to_sign() { return rotate(sign_); }

}  // namespace volley::delivery
