// An HTTPS GET with hard limits, for asking strangers (cpp-httplib behind it).
//
// Purpose    get() fetches one path of one host over TLS with a verified certificate, on the calling
//            thread. Nothing is followed: not a redirect, not a login, not a proxy, no cookie.
// Limits     The body, all that comes over the wire together (a stranger may send headers without
//            end), and the time of the whole: httplib knows only timeouts between two reads, which
//            never end a server that sends a byte now and then. A small thread beside each get() cuts
//            the connection when time is up.
// Trust      Chain and name by OpenSSL: subjectAltName only, wildcards for whole labels only, TLS 1.2
//            or later. httplib's own check of names is not used: it takes the common name and "*.*".
//            The trust store is read once, when the Client is made.
// Ownership  The Client outlives its get()s; to destroy it, cancel() and join the threads that are
//            in get() first.
// Thread     Any, several at once; they block.
// Errors     create(): kNoInput when the CA file cannot be read. get(): in the reply.
// Not for    Names: the caller resolves, so that it can refuse addresses. SIGPIPE is to be ignored by
//            the process.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/time.h"

namespace volley::http {

struct GetRequest {
  std::string host;     // for the certificate, SNI and the Host header
  std::string address;  // where to connect: an IP address
  uint16_t port = 443;
  std::string path = "/";
  size_t max_body = size_t{64} << 10;
  Duration timeout = std::chrono::seconds(60);
};

enum class GetProblem : uint8_t {
  kNone,         // there is a reply; look at the status
  kConnection,   // nobody there, or the connection broke before TLS was up
  kTls,          // no handshake
  kCertificate,  // not to be trusted, or of somebody else
  kTimeout,
  kTooLarge,
  kBroken,  // no HTTP, or it ended too soon
  kCancelled,
};

struct GetReply {
  GetProblem problem = GetProblem::kNone;
  std::string detail;  // one line, when there is a problem
  int status = 0;
  std::string content_type;  // as it came
  std::string body;          // of a 200 only: of others nothing is read
};

class Client {
 public:
  // ca_file: PEM; empty: the system's trust store.
  static Result<std::unique_ptr<Client>> create(const std::string& ca_file);
  ~Client();
  GetReply get(const GetRequest& request);
  void cancel();  // ends what runs, and what comes later before it starts

 private:
  struct Impl;
  explicit Client(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace volley::http
