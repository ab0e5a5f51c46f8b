// Preparer: from a recipient to the bytes that go out: rendered, and signed where the campaign is.
//
// Purpose  Unsigned messages are rendered on the loop when a session wants one. Signed ones are rendered and signed in small
//          batches on the work pool, ahead of need; what comes back finds its work by id, since that may be gone by then.
// Ownership A batch owns copies of all it reads: the Work may go while it runs. Buffers are used again once no session
//          holds them.
// Thread   The loop's; the batches' work runs on the pool.
// Errors   Of one recipient: in its Item. The message cannot be made for it, others are fine.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/delivery/active_work.h"
#include "metrics/registry.h"

namespace volley::net {
class Loop;
}

namespace volley::delivery {

inline constexpr uint32_t kSignBatch = 16;

class Preparer {
 public:
  struct Item {
    uint32_t index = 0;
    smtp::Body body;  // null: see error
    std::string error;
  };
  class Receiver {
   public:
    virtual ~Receiver() = default;
    virtual void on_prepared(uint64_t work, std::vector<Item> items) = 0;
  };

  Preparer(net::Loop& loop, metrics::Shard& shard, std::string_view hostname, Receiver& receiver);
  ~Preparer();  // batches under way are dropped

  Result<smtp::Body> render(const ActiveWork& work, uint32_t index);
  Status return_path(const ActiveWork& work, uint32_t index, std::string& out) const;
  void sign(const ActiveWork& work, std::span<const uint32_t> indexes);

 private:
  struct Batch;
  std::shared_ptr<std::string> buffer();
  void done(const Batch& batch);

  net::Loop& loop_;
  metrics::Shard& shard_;
  std::string hostname_;
  Receiver& receiver_;
  std::vector<std::shared_ptr<std::string>> buffers_;
  size_t next_buffer_ = 0;
  std::shared_ptr<Preparer*> self_;  // null within once we are gone
};

}  // namespace volley::delivery
