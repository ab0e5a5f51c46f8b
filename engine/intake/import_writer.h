// ImportWriter: the import's second thread, which packs and writes while the first one reads.
//
// Purpose    A short queue of batches in order; spare() gives used buffers back. With `interval` everything collected
//            is written that often (stream mode; sooner at first), else when a partition's share of the buffers is full, or at the end.
// Ownership  Uses the Store alone from construction until finish() or destruction; the owner keeps its hands off.
// Thread     push, spare, finish by the reading thread; the Packer's callbacks come on the writing one.
// Errors     The first error of the Packer ends the writing: push() says false, finish() returns it.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "engine/intake/packer.h"
#include "engine/intake/row_batch.h"

namespace volley::intake {

class ImportWriter {
 public:
  static constexpr size_t kMaxWaiting = 8;

  ImportWriter(queue::Store& store, metrics::EventLog* events, PackerOptions options,
               Duration interval);
  ~ImportWriter();  // without finish(): what is not yet written is dropped
  ImportWriter(const ImportWriter&) = delete;
  ImportWriter& operator=(const ImportWriter&) = delete;

  bool push(RowBatch batch);  // waits while the queue is full; false: writing has failed
  RowBatch spare();
  // Writes everything; calls `meanwhile` that often until it is done.
  Status finish(Duration interval, const std::function<void()>& meanwhile);
  double share_written() const { return packer_.share_written(); }  // packer.h

 private:
  void run();
  Status take(const RowBatch& batch);

  Packer packer_;
  const Duration interval_;
  Duration wait_;                  // until the next flush: short at first; the writing thread's
  TimePoint next_flush_ = kNever;  // the writing thread's

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<RowBatch> waiting_;
  std::vector<RowBatch> spare_;
  bool closing_ = false, dropped_ = false, over_ = false;
  std::optional<Error> error_;
  std::thread thread_;  // last: starts when all the rest is there
};

}  // namespace volley::intake
