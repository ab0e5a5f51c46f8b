// Signals as loop events.
//
// Purpose   Calls back on the loop's thread for each of the given signals, for as long as it lives.
// Ownership The callback may destroy the watcher.
// Thread    The loop's. Watching one signal on several loops calls all of them.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>

namespace volley::net {

class Loop;

class SignalWatcher {
 public:
  SignalWatcher(Loop& loop, std::initializer_list<int> signals, std::function<void(int)> callback);
  ~SignalWatcher();
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Writing to a closed socket is an error here, not the end of the process. Call once in main.
void ignore_sigpipe();

}  // namespace volley::net
