// What the Door's files share.
//
// Thread  As Door. Not for anyone else.
#pragma once

#include <deque>
#include <unordered_map>

#include "queue/async_connection.h"
#include "queue/door.h"

namespace volley::queue {

struct Door::Impl {
  Impl(net::Loop& loop, const QueueUrl& url, std::string engine_id, metrics::Shard* counters);

  AsyncConnection connection;
  std::string engine;
  uint64_t token = 0;  // of the last claim or recovery: a repeated one is known by it
  int64_t retry_wheel_ms = 5000;
  bool status_pending = false;
  std::unordered_map<uint32_t, uint64_t> last_lease;  // by partition: the highest number we know
  void know_leases(uint32_t partition, const ReplyView& chunks);

  // Claims and recoveries of one partition one after the other: the queue remembers the last reply of each.
  std::unordered_map<uint32_t, std::deque<std::function<void()>>> waiting;
  size_t waiting_calls = 0;
  void in_turn(uint32_t partition, std::function<void()> start);
  void turn_over(uint32_t partition);

  void read_record(const std::string& id, std::function<void(Result<Campaign>)> done);
  using Change = std::function<Result<bool>(Campaign&, int64_t now_ms)>;
  void update(const std::string& id, Change change, std::function<void(Status)> done);
  void apply(uint32_t partition, const Command& command, std::function<void(Status)> done);
  void mend_page(uint32_t partition, const std::string& cursor, uint64_t mended,
                 std::function<void(Result<uint64_t>)> done);
  void counts(const std::string& id, std::function<void(Result<Counts>)> done);
};

}  // namespace volley::queue
