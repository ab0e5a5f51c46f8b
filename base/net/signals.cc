#include "base/net/signals.h"

#include <uv.h>

#include <csignal>
#include <utility>
#include <vector>

#include "base/net/loop.h"

namespace volley::net {

struct SignalWatcher::State {
  struct Handle {
    uv_signal_t signal{};
    std::shared_ptr<State> state;
  };
  std::function<void(int)> callback;
  std::vector<Handle*> handles;
  bool abandoned = false;
};

SignalWatcher::SignalWatcher(Loop& loop, std::initializer_list<int> signals,
                             std::function<void(int)> callback)
    : state_(std::make_shared<State>()) {
  state_->callback = std::move(callback);
  for (int number : signals) {
    auto* handle = new State::Handle;
    handle->state = state_;
    uv_signal_init(loop.uv(), &handle->signal);
    handle->signal.data = handle;
    uv_signal_start(
        &handle->signal,
        [](uv_signal_t* signal, int received) {
          const std::shared_ptr<State> state = static_cast<State::Handle*>(signal->data)->state;
          if (!state->abandoned) state->callback(received);
        },
        number);
    state_->handles.push_back(handle);
  }
}

SignalWatcher::~SignalWatcher() {
  state_->abandoned = true;
  for (State::Handle* handle : state_->handles) {
    uv_close(reinterpret_cast<uv_handle_t*>(&handle->signal),
             [](uv_handle_t* closed) { delete static_cast<State::Handle*>(closed->data); });
  }
}

void ignore_sigpipe() { std::signal(SIGPIPE, SIG_IGN); }

}  // namespace volley::net
