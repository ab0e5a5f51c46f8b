// Lanes: the works of one path, transactional before bulk, bulk in turns.
//
// Purpose  next() names the work whose turn it is to give a message; next_to_sign() the one whose turn it is to have some
//          signed ahead. Constant time whatever the number of works.
// Ownership Points to works; remove() before they go.
// Thread   The loop's. Pure.
#pragma once

#include <array>
#include <cstdint>

#include "engine/delivery/active_work.h"

namespace volley::delivery {

class Lanes {
 public:
  void add(ActiveWork& work);
  void remove(ActiveWork& work);
  void update(ActiveWork& work);  // after its prepared, cursor or returning changed
  ActiveWork* next();  // and goes to the end of its lane; nullptr: none has a message to give
  ActiveWork* next_to_sign();

  const ActiveWork::List& all() const { return all_; }
  // Recipients waiting in works that are not returning.
  void count(const ActiveWork& work, int64_t change) { waiting_[lane_of(work)] += change; }
  int64_t waiting() const { return waiting_[0] + waiting_[1]; }
  int64_t transactional_waiting() const { return waiting_[0]; }
  // Messages signed, or being signed, before a session asked for them.
  void ahead(ActiveWork& work, int64_t change);
  int64_t ahead() const { return ahead_; }
  bool empty() const { return all_.empty(); }

 private:
  using Pair = std::array<ActiveWork::List, 2>;  // transactional, bulk
  static size_t lane_of(const ActiveWork& work) { return work.transactional() ? 0 : 1; }
  static ActiveWork* rotate(Pair& lanes);
  ActiveWork::List all_;
  Pair ready_, sign_;
  std::array<int64_t, 2> waiting_{};
  int64_t ahead_ = 0;
};

}  // namespace volley::delivery
