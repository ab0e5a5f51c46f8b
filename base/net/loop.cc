#include "base/net/loop.h"

#include <uv.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <utility>
#include <vector>

namespace volley::net {
namespace {

constexpr size_t kBufferSize = 65536;

void must(int code, const char* what) {
  if (code == 0) return;
  std::fprintf(stderr, "event loop: %s: %s\n", what, uv_strerror(code));
  std::abort();
}

}  // namespace

struct Loop::Impl {
  // A ring of entries; an entry is in at most one.
  class List {
   public:
    List() { head_.next_ = head_.previous_ = &head_; }
    bool empty() const { return head_.next_ == &head_; }
    void push(FlushEntry& entry) {
      entry.previous_ = head_.previous_;
      entry.next_ = &head_;
      head_.previous_->next_ = &entry;
      head_.previous_ = &entry;
    }
    FlushEntry& pop() {
      FlushEntry& entry = *head_.next_;
      entry.unlink();
      return entry;
    }
    void take(List& other) {
      while (!other.empty()) push(other.pop());
    }

   private:
    struct Head final : FlushEntry {
      bool on_flush() override { return false; }
    };
    Head head_;
  };

  uv_loop_t loop{};
  uv_prepare_t prepare{};  // runs between the callbacks of one turn and the blocking of the next
  uv_async_t wakeup{};
  uv_idle_t busy{};  // active while something is dirty: the next turn does not block

  std::mutex mutex;
  std::vector<std::function<void()>> posted;  // guarded by mutex
  std::atomic<bool> stop_requested{false};

  std::vector<TurnHook*> hooks[2];  // by Phase; removed ones are null until the turn has ended
  List dirty;
  List flushed;
  bool in_end = false;
  bool closing = false;
  size_t working = 0;

  TimePoint now{};
  bool now_valid = false;
  Duration skipped{};
  std::function<void(Duration)> observer;
  TimePoint turn_start{};
  uint64_t idle_before = 0;

  std::unique_ptr<char[]> read_buffer = std::make_unique_for_overwrite<char[]>(kBufferSize);
  std::unique_ptr<char[]> plain_buffer;

  void run_posted();
  void run_hooks(Phase phase);
  void end_turn();
  void observe();
};

void FlushEntry::unlink() {
  if (!next_) return;
  next_->previous_ = previous_;
  previous_->next_ = next_;
  next_ = previous_ = nullptr;
}

void Loop::Impl::run_posted() {
  if (stop_requested.exchange(false)) uv_stop(&loop);
  if (closing) return;
  std::vector<std::function<void()>> batch;
  {
    const std::lock_guard lock(mutex);
    batch.swap(posted);
  }
  for (std::function<void()>& function : batch) std::exchange(function, nullptr)();
}

void Loop::Impl::run_hooks(Phase phase) {
  std::vector<TurnHook*>& list = hooks[static_cast<size_t>(phase)];
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i]) list[i]->on_turn_end();
  }
  std::erase(list, nullptr);
}

void Loop::Impl::end_turn() {
  if (closing) return;
  in_end = true;
  run_hooks(Phase::kJournal);
  run_hooks(Phase::kFlush);
  List now_flushing;
  now_flushing.take(dirty);
  while (!now_flushing.empty()) {
    FlushEntry& entry = now_flushing.pop();
    if (!entry.on_flush()) continue;
    const bool again = entry.next_ != nullptr;  // it asked for the next turn itself
    entry.unlink();
    entry.waiting_ = true;
    entry.again_ = again;
    flushed.push(entry);
  }
  while (!flushed.empty()) {
    FlushEntry& entry = flushed.pop();
    entry.waiting_ = false;
    if (std::exchange(entry.again_, false)) dirty.push(entry);
    entry.on_flushed();
  }
  in_end = false;
  if (dirty.empty()) {
    uv_idle_stop(&busy);
  } else {
    uv_idle_start(&busy, [](uv_idle_t*) {});
  }
}

void Loop::Impl::observe() {
  now_valid = false;
  if (!observer) return;
  const TimePoint end = monotonic_now();
  const uint64_t idle = uv_metrics_idle_time(&loop);
  const Duration worked =
      end - turn_start - std::chrono::nanoseconds(static_cast<int64_t>(idle - idle_before));
  turn_start = end;
  idle_before = idle;
  observer(std::max(worked, Duration(0)));
}

Loop::Loop() : impl_(std::make_unique<Impl>()) {
  uv_loop_t* loop = &impl_->loop;
  must(uv_loop_init(loop), "cannot be made");
  must(uv_loop_configure(loop, UV_METRICS_IDLE_TIME), "cannot measure");
  loop->data = impl_.get();
  must(uv_async_init(
           loop, &impl_->wakeup,
           [](uv_async_t* handle) { static_cast<Impl*>(handle->loop->data)->run_posted(); }),
       "cannot be woken");
  uv_idle_init(loop, &impl_->busy);
  uv_prepare_init(loop, &impl_->prepare);
  uv_prepare_start(&impl_->prepare, [](uv_prepare_t* handle) {
    auto* impl = static_cast<Impl*>(handle->loop->data);
    impl->end_turn();
    impl->observe();
  });
}

Loop::~Loop() {
  impl_->closing = true;
  uv_loop_t* loop = &impl_->loop;
  while (impl_->working > 0) uv_run(loop, UV_RUN_ONCE);
  // What is still open now belongs to somebody who will use it after we are gone.
  bool leaked = false;
  struct Search {
    Impl* impl;
    bool* leaked;
  } search{impl_.get(), &leaked};
  uv_walk(
      loop,
      [](uv_handle_t* handle, void* argument) {
        auto* s = static_cast<Search*>(argument);
        const bool ours = handle == reinterpret_cast<uv_handle_t*>(&s->impl->prepare) ||
                          handle == reinterpret_cast<uv_handle_t*>(&s->impl->wakeup) ||
                          handle == reinterpret_cast<uv_handle_t*>(&s->impl->busy);
        if (!ours && !uv_is_closing(handle)) *s->leaked = true;
      },
      &search);
  if (leaked) {
    std::fprintf(stderr, "event loop destroyed with open handles:\n");
    uv_print_all_handles(loop, stderr);
    std::abort();
  }
  uv_close(reinterpret_cast<uv_handle_t*>(&impl_->prepare), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&impl_->wakeup), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&impl_->busy), nullptr);
  while (uv_run(loop, UV_RUN_DEFAULT) != 0) {
  }
  must(uv_loop_close(loop), "cannot be closed");
}

void Loop::run() {
  impl_->turn_start = monotonic_now();
  impl_->idle_before = uv_metrics_idle_time(&impl_->loop);
  impl_->now_valid = false;
  uv_run(&impl_->loop, UV_RUN_DEFAULT);
  impl_->end_turn();  // what the last callbacks wrote
}

void Loop::run_once(bool may_block) {
  impl_->now_valid = false;
  impl_->turn_start = monotonic_now();
  impl_->idle_before = uv_metrics_idle_time(&impl_->loop);
  uv_run(&impl_->loop, may_block ? UV_RUN_ONCE : UV_RUN_NOWAIT);
  impl_->end_turn();
}

void Loop::stop() {
  impl_->stop_requested.store(true);
  uv_async_send(&impl_->wakeup);
}

void Loop::post(std::function<void()> function) {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->posted.push_back(std::move(function));
    if (impl_->posted.size() > 1) return;  // the first one's wake-up is still to come
  }
  uv_async_send(&impl_->wakeup);
}

TimePoint Loop::now() {
  if (!impl_->now_valid) refresh_now();
  return impl_->now;
}

void Loop::refresh_now() {
  impl_->now = monotonic_now() + impl_->skipped;
  impl_->now_valid = true;
}

void Loop::skip(Duration ahead) {
  impl_->skipped += ahead;
  refresh_now();
  uint64_t ms = static_cast<uint64_t>(std::chrono::floor<std::chrono::milliseconds>(ahead).count());
  uv_walk(
      uv(),
      [](uv_handle_t* handle, void* arg) {
        if (handle->type != UV_TIMER || !uv_is_active(handle)) return;
        auto* timer = reinterpret_cast<uv_timer_t*>(handle);
        const uint64_t left = uv_timer_get_due_in(timer), gone = *static_cast<uint64_t*>(arg);
        uv_timer_start(timer, timer->timer_cb, left > gone ? left - gone : 0, 0);
      },
      &ms);
  uv_async_send(&impl_->wakeup);  // a turn runs what is due, and then must not block
}

void Loop::add_turn_hook(Phase phase, TurnHook& hook) {
  impl_->hooks[static_cast<size_t>(phase)].push_back(&hook);
}

void Loop::remove_turn_hook(TurnHook& hook) {
  for (std::vector<TurnHook*>& list : impl_->hooks) {
    std::replace(list.begin(), list.end(), &hook, static_cast<TurnHook*>(nullptr));
  }
}

void Loop::request_flush(FlushEntry& entry) {
  if (!entry.next_) {
    impl_->dirty.push(entry);
  } else if (entry.waiting_) {
    entry.again_ = true;
  }
}

bool Loop::flushing() const { return impl_->in_end; }

void Loop::set_turn_observer(std::function<void(Duration)> observer) {
  impl_->observer = std::move(observer);
}

uv_loop_s* Loop::uv() { return &impl_->loop; }

std::span<char> Loop::read_buffer() { return {impl_->read_buffer.get(), kBufferSize}; }

std::span<char> Loop::plain_buffer() {
  if (!impl_->plain_buffer) {
    impl_->plain_buffer = std::make_unique_for_overwrite<char[]>(kBufferSize);
  }
  return {impl_->plain_buffer.get(), kBufferSize};
}

void Loop::work_started() { ++impl_->working; }
void Loop::work_finished() { --impl_->working; }
bool Loop::closing() const { return impl_->closing; }

}  // namespace volley::net
