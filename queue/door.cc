#include "queue/door.h"

#include "queue/door_impl.h"
#include "queue/keys.h"

namespace volley::queue {

Door::Impl::Impl(net::Loop& loop, const QueueUrl& url, std::string engine_id,
                 metrics::Shard* counters)
    : connection(loop, url, CallCounts(counters)), engine(std::move(engine_id)) {
  connection.call(Command("HGET").arg(global_key("meta")).arg("retry_wheel_ms"),
                  [this](Result<Reply> answer) {
                    if (answer && answer->view().number() > 0)
                      retry_wheel_ms = answer->view().number();
                  });
}

void Door::Impl::in_turn(uint32_t partition, std::function<void()> start) {
  auto& line = waiting[partition];
  line.push_back(std::move(start));
  ++waiting_calls;
  // The front one stays in line while its call is out.
  if (line.size() == 1) line.front()();
}

void Door::Impl::turn_over(uint32_t partition) {
  auto& line = waiting[partition];
  line.pop_front();
  --waiting_calls;
  if (line.empty()) {
    waiting.erase(partition);
  } else {
    line.front()();
  }
}

Door::Door(net::Loop& loop, const QueueUrl& url, std::string engine_id, metrics::Shard* counters)
    : impl_(std::make_unique<Impl>(loop, url, std::move(engine_id), counters)) {}
Door::~Door() = default;

bool Door::connected() const { return impl_->connection.connected(); }
std::string Door::last_error() const { return impl_->connection.last_error(); }
uint64_t Door::restarts() const { return impl_->connection.restarts(); }
int64_t Door::clock_leap_ms() const { return impl_->connection.leap_ms(); }
int64_t Door::queue_now_ms() const { return impl_->connection.server_now_ms(); }

size_t Door::pending() const {
  // The front of each line is a call of the connection's already.
  return impl_->connection.pending() + impl_->waiting_calls - impl_->waiting.size();
}

void Door::publish_status(std::string_view json,
                          std::function<void(uint64_t engines, uint64_t seals)> done) {
  if (impl_->status_pending) return;  // the queue is away; a fresher one comes in a second
  impl_->status_pending = true;
  Command command = Command::function("volley1_status", global_key());
  command.arg(impl_->engine).arg(json).arg("seals");
  impl_->connection.call(command, [impl = impl_.get(), done = std::move(done)](Result<Reply> heard) {
    impl->status_pending = false;
    if (!heard.ok() || !done) return;
    done(heard->view().at(0).unsigned_number(), heard->view().at(1).unsigned_number());
  });
}

}  // namespace volley::queue
