// Lanes: the works of one path, transactional before bulk, bulk in turns.
//
// Purpose  next() names the work whose turn it is to give a message; next_to_sign() the one whose turn it is to have some
//          signed ahead. Constant time whatever the number of works.
// Held     Works of a campaign that is over its pace are out of all that: nothing is taken from them, signed for them or
//          counted as waiting. When its time comes, one of the campaign's works is released, to ask for all of them;
//          each time it is let through, release_one() brings another. So the pace is asked about twice a message, not
//          once for every work.
// Ownership Points to works; remove() before they go.
// Thread   The loop's. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>

#include "engine/delivery/active_work.h"

namespace volley::delivery {

class Lanes {
 public:
  // site_held: recipients held, over all paths of the site.
  explicit Lanes(int64_t& site_held) : site_held_(site_held) {}

  void add(ActiveWork& work);
  void remove(ActiveWork& work);
  void update(ActiveWork& work);  // after its prepared, cursor or returning changed
  ActiveWork* next();  // and goes to the end of its lane; nullptr: none has a message to give
  ActiveWork* next_to_sign();

  const ActiveWork::List& all() const { return all_; }
  // Recipients waiting in works that are not returning: those that can be sent now, and those that are held.
  void count(const ActiveWork& work, int64_t change);
  int64_t waiting() const { return waiting_[0] + waiting_[1]; }
  int64_t transactional_waiting() const { return waiting_[0]; }
  // Messages signed, or being signed, before a session asked for them.
  void ahead(ActiveWork& work, int64_t change);
  int64_t ahead() const { return ahead_; }
  bool empty() const { return all_.empty(); }

  void hold(ActiveWork& work, TimePoint until);  // its campaign may not go on before
  // Puts it with those of its campaign that are held; false: there are none, or it is the one that asks for them.
  bool join_held(ActiveWork& work);
  void release(TimePoint now);  // one work of each campaign whose time has come
  void release_one(const ActiveWork& like, TimePoint now);
  TimePoint held_until() const { return held_until_; }  // release() has nothing to do before
  const CampaignControl* held() const;                  // a campaign that is held; null: none is

 private:
  using Pair = std::array<ActiveWork::List, 2>;  // transactional, bulk
  struct Group {
    TimePoint until{};
    ActiveWork::List works;  // first the one to be released first
  };
  using Groups = std::unordered_map<const CampaignControl*, Group>;
  static size_t lane_of(const ActiveWork& work) { return work.transactional() ? 0 : 1; }
  static const CampaignControl* key_of(const ActiveWork& work);
  static ActiveWork* rotate(Pair& lanes);
  void set_held(ActiveWork& work, bool held);
  void put(ActiveWork& work, Group& group, bool first);
  // The same group again, or the next one if that was its last work.
  Groups::iterator free_first(Groups::iterator group, TimePoint now);

  int64_t& site_held_;
  ActiveWork::List all_;
  Pair ready_, sign_;
  Groups groups_;  // none is empty
  TimePoint held_until_ = kNever;
  std::array<int64_t, 2> waiting_{};
  int64_t ahead_ = 0;
};

}  // namespace volley::delivery
