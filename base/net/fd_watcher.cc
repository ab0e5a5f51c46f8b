#include "base/net/fd_watcher.h"

#include <uv.h>

#include <cstdlib>
#include <string>
#include <utility>

#include "base/log.h"
#include "base/net/loop.h"

namespace volley::net {

struct FdWatcher::Handle {
  uv_poll_t poll{};
  Callback callback;
  int wanted = 0;
  bool closing = false;
};

namespace {

int mask(bool readable, bool writable) {
  return (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);
}

}  // namespace

FdWatcher::FdWatcher(Loop& loop, int fd, Callback callback) : handle_(new Handle) {
  handle_->callback = std::move(callback);
  handle_->poll.data = handle_;
  if (int rc = uv_poll_init(loop.uv(), &handle_->poll, fd); rc != 0) {
    // Only a descriptor that is no socket, or no memory: ours to get right.
    log_error(std::string("cannot poll a file descriptor: ") + uv_strerror(rc));
    std::abort();
  }
}

FdWatcher::~FdWatcher() {
  handle_->closing = true;
  uv_poll_stop(&handle_->poll);
  uv_close(reinterpret_cast<uv_handle_t*>(&handle_->poll),
           [](uv_handle_t* handle) { delete static_cast<Handle*>(handle->data); });
}

void FdWatcher::watch(bool readable, bool writable) {
  int events = mask(readable, writable);
  // libuv makes a system call even for no change.
  if (events == handle_->wanted) return;
  handle_->wanted = events;
  if (events == 0) {
    uv_poll_stop(&handle_->poll);
    return;
  }
  uv_poll_start(&handle_->poll, events, [](uv_poll_t* poll, int status, int ready) {
    auto* self = static_cast<Handle*>(poll->data);
    if (self->closing) return;
    if (status != 0) {
      // libuv has stopped the poll; what was asked for counts as ready, so that the owner looks.
      ready = std::exchange(self->wanted, 0);
    }
    // The callback may destroy the watcher, but not what it is called through: the Handle, which
    // lives until libuv has closed it.
    self->callback((ready & UV_READABLE) != 0, (ready & UV_WRITABLE) != 0);
  });
}

}  // namespace volley::net
