// Delivery: what the owner of partitions needs from the rest of its loop; the seam that lets it be tested without
// sockets.
//
// Purpose    worker.cc implements it over Router, SiteTable and Journal, tests with a fake.
// Thread     The loop's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/delivery/router.h"
#include "engine/delivery/work.h"

namespace volley::delivery {

class Delivery {
 public:
  // At once, or later by PartitionOwner::on_route(ticket).
  virtual std::optional<RouteAnswer> route(std::string_view domain, uint64_t ticket) = 0;
  // Takes the work; it comes back by PartitionOwner::on_returned, perhaps from inside the call. Returns the loop
  // that delivers it.
  virtual unsigned accept(std::unique_ptr<Work> work) = 0;
  // Room for more recipients of this path?
  virtual bool wants_more(const Path& path) = 0;
  // An outcome decided here, without a session: journal, event log, counters.
  virtual void record(const Work& work, const Record& record) = 0;
  // All of a lease is in the queue; `loop` delivered it.
  virtual void lease_closed(uint32_t partition, uint64_t lease, unsigned loop) = 0;
  // Works of these campaigns must not start anything new: look at their contexts again, on every loop.
  virtual void look_again(const std::vector<std::string>& campaigns) = 0;
  // A record changed: tell the sites of this loop.
  virtual void campaign_changed(const queue::Campaign& record, bool resumed) = 0;

 protected:
  ~Delivery() = default;
};

}  // namespace volley::delivery
