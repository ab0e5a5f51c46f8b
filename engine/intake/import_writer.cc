#include "engine/intake/import_writer.h"

#include <utility>

namespace volley::intake {

namespace {

constexpr Duration kFirstFlush =
    std::chrono::milliseconds(10);  // the first message is not to wait for a whole interval

}  // namespace

ImportWriter::ImportWriter(queue::Store& store, metrics::EventLog* events, PackerOptions options,
                           Duration interval)
    : packer_(store, events, std::move(options)),
      interval_(interval),
      wait_(std::min(interval, kFirstFlush)),
      thread_([this] { run(); }) {}

ImportWriter::~ImportWriter() {
  {
    const std::lock_guard lock(mutex_);
    dropped_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

bool ImportWriter::push(RowBatch batch) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return error_ || waiting_.size() < kMaxWaiting; });
  if (error_) return false;
  waiting_.push_back(std::move(batch));
  changed_.notify_all();
  return true;
}

RowBatch ImportWriter::spare() {
  const std::lock_guard lock(mutex_);
  if (spare_.empty()) return {};
  RowBatch batch = std::move(spare_.back());
  spare_.pop_back();
  return batch;
}

Status ImportWriter::finish(Duration interval, const std::function<void()>& meanwhile) {
  {
    std::unique_lock lock(mutex_);
    closing_ = true;
    changed_.notify_all();
    while (!changed_.wait_for(lock, interval, [this] { return over_; })) {
      lock.unlock();
      meanwhile();
      lock.lock();
    }
  }
  if (thread_.joinable()) thread_.join();
  return error_ ? Status(*error_) : Status();
}

void ImportWriter::run() {
  if (interval_ > Duration::zero()) next_flush_ = monotonic_now() + wait_;
  for (;;) {
    RowBatch batch;
    bool last = false;
    {
      std::unique_lock lock(mutex_);
      const auto ready = [this] { return dropped_ || closing_ || !waiting_.empty(); };
      if (next_flush_ == kNever) {
        changed_.wait(lock, ready);
      } else {
        changed_.wait_until(lock, next_flush_, ready);
      }
      if (dropped_) return;
      last = closing_ && waiting_.empty();
      if (!waiting_.empty()) {
        batch = std::move(waiting_.front());
        waiting_.pop_front();
        changed_.notify_all();
      }
    }
    Status status = last ? packer_.finish() : take(batch);
    const std::lock_guard lock(mutex_);
    if (!status) {
      error_ = status.error();
      waiting_.clear();
      changed_.notify_all();
    }
    if (!status || last) {
      over_ = true;
      changed_.notify_all();
      return;
    }
    batch.bytes.clear();
    if (batch.bytes.capacity() > 0) spare_.push_back(std::move(batch));
  }
}

Status ImportWriter::take(const RowBatch& batch) {
  std::string_view left = batch.bytes;
  while (!left.empty()) {
    const PackedRow row = read_row(left);
    if (Status status = packer_.add(row); !status) return status;
    left.remove_prefix(row.bytes.size());
  }
  if (batch.last_number > 0) packer_.seen(batch.last_number);
  if (next_flush_ == kNever || monotonic_now() < next_flush_) return {};
  Status status = packer_.flush();
  wait_ = std::min(wait_ * 2, interval_);
  next_flush_ = monotonic_now() + wait_;
  return status;
}

}  // namespace volley::intake
