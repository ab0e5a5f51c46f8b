// Readiness of a file descriptor somebody else owns (the sockets of the DNS library).
//
// Purpose    watch() says which of readable and writable to wait for; the callback gets what is.
// Ownership  Never closes the descriptor. Destroy the watcher (or watch(false, false)) before the
//            descriptor is closed. The callback may destroy the watcher: nothing is called after.
// Thread     The loop's.
// Errors     A descriptor that cannot be polled, or one in error, is reported as readable and
//            writable: the owner's own read or write then finds out what is wrong.
#pragma once

#include <functional>

namespace volley::net {

class Loop;

class FdWatcher {
 public:
  using Callback = std::function<void(bool readable, bool writable)>;
  FdWatcher(Loop& loop, int fd, Callback callback);
  ~FdWatcher();
  FdWatcher(const FdWatcher&) = delete;
  FdWatcher& operator=(const FdWatcher&) = delete;

  void watch(bool readable, bool writable);  // neither: rest

 private:
  struct Handle;
  Handle* handle_;  // freed by the loop once closed
};

}  // namespace volley::net
