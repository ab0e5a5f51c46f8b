// What ceiling.cc is told to send, and where: its command line, and the bytes made ready before the clock runs.
//
// Errors  fail(): the reason on standard error, and exit 1. Anything but loopback is refused.
#pragma once

#include <netinet/in.h>

#include <cstddef>
#include <string>
#include <vector>

namespace volley::bench {

[[noreturn]] void fail(const std::string& why);

struct Options {
  sockaddr_in to{};
  std::string message_file, recipients_file;
  size_t messages = 0, connections = 20;
  size_t per_connection = 0;  // 0: no limit
  size_t in_flight = 1;       // messages a connection
  bool bdat = false;
};

struct Plan {
  std::string text;  // for DATA: dots doubled, and the one that ends it
  std::string bdat;  // what follows the recipient: the end of RCPT, BDAT, the message as it is
  std::vector<std::string> recipients;
};

Options parse(int argc, char** argv);
Plan prepare(const Options& options);

}  // namespace volley::bench
