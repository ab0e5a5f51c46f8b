// Where the queue lives: redis://[user:password@]host[:port][/db] or redis+unix://path[?db=n].
//
// Thread  Values. Errors kConfig with the two forms. The password may come from a file (`password_file`) instead.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace volley::queue {

struct QueueUrl {
  bool unix_socket = false;
  std::string host_or_path;
  uint16_t port = 6379;
  uint32_t database = 0;
  std::string user, password;
  bool embedded = false;  // the server is our child

  static Result<QueueUrl> parse(std::string_view text);
  std::string str() const;  // without the password
};

}  // namespace volley::queue
