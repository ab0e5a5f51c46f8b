// QueueServer: a private redis-server in memory, and the two doors to it, for benchmarks.
//
// Ownership  Owns a directory under /tmp and the server; both are gone with the object.
// Thread     One. Errors: anything unexpected ends the program (require.h).
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/net/loop.h"
#include "bench/replay/require.h"
#include "queue/door.h"
#include "queue/embedded.h"
#include "queue/store.h"

namespace volley::bench {

class QueueServer {
 public:
  QueueServer() : server_(start()), door_(std::in_place, loop_, server_->url(), "bench") {
    auto opened =
        queue::Store::open(server_->url(), queue::kDefaultPartitions, /*memory_durability=*/true);
    require(opened.ok(), "the queue cannot be opened");
    store_ = std::move(*opened);
    // Its first answer tells the door the queue's clock.
    (void)ask<uint64_t>([&](auto done) { door_->global_revision(done); });
  }
  ~QueueServer() {
    door_.reset();
    store_.reset();
    server_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  QueueServer(const QueueServer&) = delete;
  QueueServer& operator=(const QueueServer&) = delete;

  queue::Store& store() { return *store_; }
  queue::Door& door() { return *door_; }
  net::Loop& loop() { return loop_; }
  const queue::QueueUrl& url() const { return server_->url(); }

  // Calls the door and turns the loop until the answer is there.
  template <typename T>
  T ask(const std::function<void(std::function<void(Result<T>)>)>& call) {
    std::optional<Result<T>> got;
    call([&](Result<T> result) { got.emplace(std::move(result)); });
    while (!got) loop_.run_once(true);
    require(got->ok(), "the queue refuses");
    return std::move(**got);
  }

 private:
  std::unique_ptr<queue::Embedded> start() {
    char path[] = "/tmp/volley-micro-XXXXXX";
    require(::mkdtemp(path) != nullptr, "no directory");
    directory_ = path;
    queue::EmbeddedOptions options;
    options.data_directory = directory_;
    options.memory_durability = true;
    auto started = queue::Embedded::start(std::move(options));
    require(started.ok(), "redis-server does not start; is it installed?");
    return std::move(*started);
  }

  std::string directory_;
  std::unique_ptr<queue::Embedded> server_;
  net::Loop loop_;
  std::optional<queue::Door> door_;
  std::unique_ptr<queue::Store> store_;
};

}  // namespace volley::bench
