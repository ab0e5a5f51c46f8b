// Sink: a receiver to test against. Accepts mail for everybody, keeps none of it, logs one JSON line per message.
//
// Purpose    `volley sink`: {"from","rcpt":[],"bytes","sha256" of the un-stuffed content,"tls"}, flushed to the log
//            before the 250. Scripted refusals: reply_to_rcpt and friends answer by odds or by pattern, so that tests
//            can be rude on purpose.
// Ownership  Runs on threads of its own, one loop each (SO_REUSEPORT or hand-over); destroying it closes everything.
// Thread     start/stop by one thread.
// Errors     kUnavailable: port in use; kCantCreate: the log.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace volley::sink {

enum class Step : uint8_t { kConnect, kEhlo, kMail, kRcpt, kData, kEndOfData };

// The first rule that applies answers. `odds` in [0,1]: which share of the commands gets it (seeded, per recipient address for kRcpt
// and kEndOfData: the same recipient gets the same answer until `times` answers were given).
struct Rule {
  Step step = Step::kRcpt;
  double odds = 1;
  std::string match;              // substring of the recipient or sender; empty: any
  unsigned times = 0;             // per recipient: answer this way so often, then accept; 0: always
  std::string reply;              // "451 4.7.1 try later"; empty: close the connection
};

struct Options {
  std::string listen = "127.0.0.1:2525";
  std::string log;                // empty: none
  unsigned threads = 1;
  bool starttls = true;
  bool pipelining = true;
  Duration delay{};               // before every reply
  uint32_t max_connections = 0;   // 421 beyond; 0: no cap
  uint32_t max_messages = 0;      // per connection, then 421; 0: no cap
  uint64_t seed = 1;
  bool sync_log = false;
  std::vector<Rule> rules;
};

struct Totals {
  uint64_t connections = 0, messages = 0, bytes = 0, refused = 0;
};

class Sink {
 public:
  static Result<std::unique_ptr<Sink>> start(Options options);
  ~Sink();
  std::string address() const;    // host:port really bound
  Totals totals() const;

 private:
  struct Impl;
  explicit Sink(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// "rcpt:0.1:451 4.7.1 try later", "data-end:1:@slow.example=2:421 bye": STEP:ODDS[:MATCH[=TIMES]]:REPLY
Result<Rule> parse_rule(std::string_view text);

}  // namespace volley::sink
