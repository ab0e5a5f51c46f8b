// A blocking connection to Redis: pipelines of commands, one attempt each.
//
// Purpose    Writes and reads at the same time, so a pipeline of any size neither dead-locks nor is copied around; hiredis
//            parses. Deliberately without retries: queue/store_link.h decides about those.
// Ownership  Owns its socket. Thread: one at a time; blocks.
// Errors     kUnavailable: cannot connect, timed out, closed; the connection is then dead. kNoPermission: AUTH refused.
//            Error answers of commands are answers, not errors, except in handshake().
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/time.h"
#include "queue/command.h"
#include "queue/url.h"

namespace volley::queue {

class SyncConnection {
 public:
  static Result<SyncConnection> connect(const QueueUrl& url,
                                        Duration timeout);  // with AUTH and SELECT
  SyncConnection() = default;
  ~SyncConnection();
  SyncConnection(SyncConnection&&) noexcept;
  SyncConnection& operator=(SyncConnection&&) noexcept;

  bool open() const { return fd_ >= 0; }
  // `timeout` without any progress is the end of the connection.
  Result<std::vector<Reply>> run(std::span<const Command> commands, Duration timeout);
  Result<Reply> run(const Command& command, Duration timeout);

 private:
  Error broken(std::string_view why);
  Status write_some(std::string& out, size_t& sent);
  Status read_some();

  int fd_ = -1;
  std::string where_;
  ReplyReader reader_;
};

// AUTH and SELECT, as far as the URL asks for them.
std::vector<Command> handshake_commands(const QueueUrl& url);
// The first error among the answers to them.
Status check_handshake(const ReplyView& answer, const QueueUrl& url);

}  // namespace volley::queue
