// Sink: a receiver to test against. Accepts mail for everybody, keeps none of it, logs one JSON line per message.
//
// Purpose    `volley sink`: {"from","rcpt":[],"bytes","sha256" of the un-stuffed content,"tls","chunking","auth","tls_version",
//            "ehlo"}, in the log before the 250. Honest and fast by default; rude where it is told to be: rules (rule.h),
//            delays (delays.h), broken TLS, caps, or a dialogue played from a file (script.h).
// Ownership  Runs on threads of its own, one loop each (SO_REUSEPORT or hand-over); destroying it closes everything.
// Thread     start/stop by one thread.
// Errors     kUnavailable: port in use; kCantCreate: the log, the saved certificate; kNoInput, kConfig: certificate and
//            key; kUsage, kData: options that contradict each other, the dialogue.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "engine/sink/delays.h"
#include "engine/sink/rule.h"
#include "engine/smtp/server.h"

namespace volley::sink {

enum class TlsFault : uint8_t {
  kNone,       // a self-signed certificate of the sink's own name
  kExpired,    // since yesterday
  kWrongName,  // wrong.example.net
  kTls10,      // TLS 1.0 and nothing newer
  kGarbage,    // noise instead of a handshake
  kStall,      // silence instead of a handshake
  kRefuse454,  // STARTTLS is offered and refused
  kRefuse502
};

struct Login {
  std::string user, password;
};

smtp::ServerOptions everything_offered();

struct Options {
  std::string listen = "127.0.0.1:2525";
  std::string log;  // empty: none
  unsigned threads = 1;
  smtp::ServerOptions server = everything_offered();
  Delays delays;
  uint32_t max_connections = 0;  // 421 beyond; 0: no cap
  uint32_t max_messages = 0;     // per connection, then 421; 0: no cap, or server.limits.mail_max
  uint32_t rate = 0;             // messages a second, 454 beyond; 0: no limit
  uint64_t daily = 0;            // messages, then 550 5.4.5; 0: no limit
  uint64_t seed = 1;
  bool sync_log = false;
  std::vector<Rule> rules;
  std::optional<Login> login;  // AUTH is offered with one
  TlsFault tls_fault = TlsFault::kNone;
  bool implicit_tls = false;     // from the first byte
  std::string certificate, key;  // files, PEM; both or none
  std::string save_certificate;  // a file for what is presented, so that somebody may trust it
  std::string dialog;            // a file; its server's side is all that a connection gets
};

struct Totals {
  uint64_t connections = 0, messages = 0, bytes = 0, refused = 0;
};

class Sink {
 public:
  static Result<std::unique_ptr<Sink>> start(Options options);
  ~Sink();
  std::string address() const;  // host:port really bound
  Totals totals() const;

 private:
  struct Impl;
  explicit Sink(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

bool parse_tls_fault(std::string_view name, TlsFault& out);  // "expired", "refuse-454"
// An EHLO keyword that is not to be offered.
Status leave_out(std::string_view keyword, smtp::ServerOptions& options);
// Some of PLAIN, LOGIN, CRAM-MD5..., spaces or commas between.
Status choose_mechanisms(std::string_view words, smtp::ServerOptions& options);
// "MAILMAX=20,RCPTMAX=100,RCPTDOMAINMAX=1", some of them
Status parse_limits(std::string_view text, smtp::AnnouncedLimits& limits);
Status parse_login(std::string_view text, std::optional<Login>& login);  // "USER:PASSWORD"

}  // namespace volley::sink
