#include "base/net/timer.h"

#include <uv.h>

#include <algorithm>
#include <utility>

#include "base/net/loop.h"

namespace volley::net {

struct Timer::Handle {
  uv_timer_t timer{};
  Loop& loop;
  std::function<void()> callback;
  TimePoint when = kNever;
  bool abandoned = false;

  Handle(Loop& l, std::function<void()> c) : loop(l), callback(std::move(c)) {}
  void start() {
    // At least a millisecond: libuv would run a zero timer that is set in its own callback again and again.
    const auto delay = std::chrono::ceil<std::chrono::milliseconds>(when - loop.now()).count();
    uv_timer_start(&timer, &Handle::fire, static_cast<uint64_t>(std::max<int64_t>(delay, 1)), 0);
  }
  static void fire(uv_timer_t* timer) {
    auto* self = static_cast<Handle*>(timer->data);
    if (self->abandoned) return;
    if (self->loop.now() < self->when) self->loop.refresh_now();
    if (self->loop.now() < self->when) return self->start();  // libuv counts whole milliseconds
    self->when = kNever;
    self->callback();  // lives in the handle, so it may destroy the Timer
  }
};

Timer::Timer(Loop& loop, std::function<void()> callback)
    : handle_(new Handle(loop, std::move(callback))) {
  uv_timer_init(loop.uv(), &handle_->timer);
  handle_->timer.data = handle_;
}

Timer::~Timer() {
  handle_->abandoned = true;
  uv_close(reinterpret_cast<uv_handle_t*>(&handle_->timer),
           [](uv_handle_t* handle) { delete static_cast<Handle*>(handle->data); });
}

void Timer::set(TimePoint when) {
  if (when == kNever) return cancel();
  handle_->when = when;
  handle_->start();
}

void Timer::set_after(Duration delay) { set(handle_->loop.now() + delay); }

void Timer::cancel() {
  handle_->when = kNever;
  uv_timer_stop(&handle_->timer);
}

bool Timer::armed() const { return handle_->when != kNever; }
TimePoint Timer::when() const { return handle_->when; }

}  // namespace volley::net
