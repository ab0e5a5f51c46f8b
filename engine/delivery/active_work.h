// ActiveWork: a Work while this loop delivers it.
//
// Purpose  What delivery needs besides the Work itself: messages ready to send, how far preparation is, its places in the
//          path's lists. Every change of a recipient's state goes through the Ledger.
// Ownership The SiteTable owns it until the Work is returned; sessions point to it only while they have one of its messages
//          in flight, and it is not returned before that is over. Late answers (signing) find it by id.
// Thread   The loop's.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <vector>

#include "engine/delivery/work.h"
#include "engine/smtp/output.h"

namespace volley::delivery {

class PathPool;

struct Prepared {
  uint32_t index = 0;
  smtp::Body body;
};

struct ActiveWork {
  using List = std::list<ActiveWork*>;

  uint64_t id = 0;
  std::unique_ptr<Work> work;
  PathPool* pool = nullptr;
  std::vector<Prepared> prepared;  // signed, or put back; any order
  uint32_t cursor = 0;     // recipients before it are prepared, being signed, in flight or done
  uint32_t ahead = 0;      // of a signed one: prepared or being signed (Lanes::ahead)
  bool returning = false;  // nothing new is taken from it
  bool over = false;       // about to be handed back
  TimePoint moved{};       // when something last happened to it
  std::vector<uint8_t> free_retries;  // per recipient; empty until there is one

  List::iterator here, ready_here, sign_here;  // its places in the lists of Lanes
  bool listed = false, in_ready = false, in_sign = false;
  List::iterator held_here;  // while its campaign is over its pace
  bool held = false;
  bool asks = false;  // was released to ask whether its campaign may go on

  bool transactional() const { return work->destination.lane == queue::Lane::kTransactional; }
  bool is_signed() const { return !work->campaign->signers.empty(); }
  uint32_t size() const { return static_cast<uint32_t>(work->states.size()); }
  const queue::Recipient& recipient(uint32_t index) const {
    return work->chunk.recipients()[index];
  }
  int64_t queue_now_ms(TimePoint now) const {
    return work->claimed_ms +
           std::chrono::duration_cast<std::chrono::milliseconds>(now - work->claimed_at).count();
  }
};

}  // namespace volley::delivery
