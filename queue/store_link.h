// The Store's link: commands that are repeated until they are answered, or patience ends.
//
// Purpose    Reconnects with back-off, waits out a server that loads, loads the function library where it is missing. May
//            repeat everything, because every function is idempotent.
// Ownership  Owns one connection. Thread: one at a time; blocks.
// Errors     The first error answer that repeating cannot mend, mapped by error_of(); kUnavailable when patience ends.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "queue/call_counts.h"
#include "queue/sync_connection.h"

namespace volley::queue {

class StoreLink {
 public:
  StoreLink(QueueUrl url, bool memory_durability)
      : url_(std::move(url)), memory_(memory_durability) {}

  // Connects and checks the server once; later reconnects only look for the library.
  Status open();
  Result<std::vector<Reply>> run(std::span<const Command> commands);
  Result<Reply> run(const Command& command);

  void set_patience(Duration patience);
  void set_counters(metrics::Shard* counters) { counts_ = CallCounts(counters); }
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  Status connect();
  Status load_library();
  Status renew_file();  // aof_tail.h
  Status attempt(std::span<const Command> commands, std::vector<Reply>& answers, bool& again);

  QueueUrl url_;
  bool memory_;
  bool checked_ = false;
  bool rewrite_refused_ = false;  // the server's file, and said so
  bool broke_ = false;  // the last connect() reached the server, and then the connection broke
  Duration patience_ = std::chrono::seconds(15);
  Duration call_timeout_ =
      std::chrono::seconds(60);  // a large import under `appendfsync always` on a slow disk
  SyncConnection connection_;
  CallCounts counts_;
  std::vector<std::string> warnings_;
};

}  // namespace volley::queue
