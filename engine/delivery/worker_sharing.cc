#include <time.h>

#include <algorithm>
#include <utility>

#include "engine/delivery/worker.h"

// Which loop sends what: a site's sessions live on some of the loops, its mail's partitions on others.
namespace volley::delivery {
namespace {

using namespace std::chrono_literals;

constexpr Duration kAskAppetiteEvery = 1s;
constexpr Duration kAskHungerEvery = 20ms;
constexpr Duration kHungerLasts = 10s;
constexpr Duration kCallEvery = 5ms;
constexpr Duration kLookAtWork = 100ms;
constexpr size_t kMaxAppetites = 10'000;

Duration thread_cpu() {
  timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
}

}  // namespace

// Sessions of a site live on `shares` loops from its home on.
bool Worker::shares(const Path& path) const {
  return (index_ + loops_ - path.home_loop % loops_) % loops_ < path.shares;
}

// The one of the site's loops that this loop's works go to.
unsigned Worker::target_of(const Path& path) const {
  const unsigned rank = shares(path) ? 0 : index_ % std::clamp(path.shares, 1u, loops_);
  return (path.home_loop + rank) % loops_;
}

std::string Worker::appetite_key(const Path& path, unsigned loop) {
  return path.key + '#' + std::to_string(loop);
}

// On this loop if it is among the site's, and a learned limit leaves it a connection; the home loop's is the last to go.
unsigned Worker::accept(std::unique_ptr<Work> work) {
  const Path& path = *work->path;
  unsigned target = target_of(path);
  if (shares(path) && (!sites_ || sites_->serves(path))) {
    const std::optional<unsigned> sibling = hungry_sibling(*work);
    if (!sibling) {
      take(std::move(work));
      return index_;
    }
    target = *sibling;
  }
  send(std::move(work), target);
  return target;
}

void Worker::send(std::unique_ptr<Work> work, unsigned loop) {
  const auto way = work->path;
  auto parcel = std::make_shared<std::unique_ptr<Work>>(std::move(work));
  other(loop).loop_.post([to = &other(loop), way, parcel, from = index_] {
    to->take(std::move(*parcel));
    if (to->shares(*way)) to->remember_feeder(way, from);
  });
  ask_appetite(way, loop);
}

void Worker::remember_feeder(const std::shared_ptr<const Path>& path, unsigned from) {
  if (fed_.size() > kMaxAppetites) fed_.clear();
  Fed& fed = fed_[path->key];
  fed.path = path;
  fed.by.insert(from);
}

// Who fed this loop hears when that is nearly gone: asked at the next chunk only, it would be idle until the one after.
void Worker::call_for_more() {
  if (!sites_ || loop_.now() < call_at_) return;
  call_at_ = loop_.now() + kCallEvery;
  std::erase_if(fed_, [this](const auto& entry) {
    const Fed& fed = entry.second;
    if (!sites_->is_hungry(*fed.path)) return false;
    for (const unsigned from : fed.by) {
      other(from).loop_.post([to = &other(from), key = appetite_key(*fed.path, index_)] {
        Appetite& known = to->appetites_[key];
        known.wants = known.hungry = true;
        known.asked = to->loop_.now();
      });
    }
    return true;
  });
}

// By what it did in the last tenth of a second.
bool Worker::waits_for_others() {
  const Duration passed = loop_.now() - worked_since_;
  if (passed >= kLookAtWork) {
    const Duration cpu = thread_cpu();
    waits_ = cpu - worked_ < passed / 2;
    worked_ = cpu;
    worked_since_ = loop_.now();
  }
  return waits_;
}

// The site's other loops have connections, too: what would wait here for replies is sent there while they have nothing to do. Not
// what waits for this thread: handing it over costs more than it brings, unless there are cores to spare, which nobody knows.
std::optional<unsigned> Worker::hungry_sibling(const Work& work) {
  const Path& path = *work.path;
  const bool urgent = work.destination.lane == queue::Lane::kTransactional;
  if (path.shares < 2 || urgent || !sites_ || !waits_for_others() || !sites_->has_plenty(path))
    return std::nullopt;
  const unsigned own = (index_ + loops_ - path.home_loop % loops_) % loops_;
  const unsigned step = 1 + sibling_turn_++ % (path.shares - 1);
  const unsigned loop = (path.home_loop + (own + step) % path.shares) % loops_;
  Appetite& known = appetites_[appetite_key(path, loop)];
  const bool fresh = loop_.now() - known.asked <= kHungerLasts;
  if (std::exchange(known.hungry, false) && fresh) return loop;
  if (loop_.now() - known.asked > kAskHungerEvery) ask_appetite(work.path, loop);
  return std::nullopt;
}

void Worker::take(std::unique_ptr<Work> work) {
  if (!sites_) return;
  sites_->accept(std::move(work));
}

bool Worker::wants_more(const Path& path) {
  if (!sites_) return false;
  if (shares(path) && sites_->serves(path)) return sites_->wants_more(path);
  const unsigned loop = target_of(path);
  const Appetite known =
      appetites_[appetite_key(path, loop)];  // a copy: asking may clear the table
  if (!known.wants && loop_.now() - known.asked > kAskAppetiteEvery) {
    ask_appetite(std::make_shared<const Path>(path), loop);
  }
  return known.wants;
}

void Worker::ask_appetite(const std::shared_ptr<const Path>& path, unsigned loop) {
  if (appetites_.size() > kMaxAppetites) appetites_.clear();
  const std::string key = appetite_key(*path, loop);
  appetites_[key].asked = loop_.now();
  Worker& asked = other(loop);
  asked.loop_.post([&asked, path, key, back = this] {
    const bool wants = asked.sites_ && asked.sites_->wants_more(*path);
    const bool hungry = asked.sites_ && asked.sites_->is_hungry(*path);
    back->loop_.post([back, key, wants, hungry] {
      Appetite& appetite = back->appetites_[key];
      appetite.wants = wants;
      appetite.hungry = hungry;
    });
  });
}

}  // namespace volley::delivery
