// The HTTP server's frame: routes, bearer tokens, body limits (cpp-httplib behind it).
//
// Purpose    Serves /metrics, the API and, later, the monitor. What a route does is the caller's
//            business; the frame answers 400, 401, 404, 405, 408, 413, 415 (multipart) and 500,
//            with {"error": "..."}.
// Ownership  Owns its threads; handlers outlive it. Destroying it stops listening and joins: it
//            waits for running handlers, and up to 2 s for idle kept-alive connections.
// Thread     Handlers run on worker threads, several at once. A connection holds one worker while
//            it is open: `threads` is how many clients are served at once, the others wait.
// Errors     start(): port in use: kUnavailable with the remedy; a bad address, or one that is not
//            loopback without a token: kConfig. A handler that throws is answered with 500.
// Safety     Loopback by default; without a token only loopback may be bound. Tokens are compared
//            in constant time. The body of a request is kept only after it was let in.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace volley::http {

struct Request {
  std::string method, path;           // the path decoded, without the query
  std::vector<std::string> captures;  // of the route's pattern
  std::string body;
  std::string header(std::string_view name) const;  // any case; "" when absent
  std::map<std::string, std::string> headers;       // lower-case names; the first of each
  std::map<std::string, std::string> query;         // decoded; the first of each
};

struct Response {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
};

// {"error": "..."} with the status.
Response error_response(int status, std::string_view message);

struct ServerOptions {
  std::string listen = "127.0.0.1:0";  // an IP address or localhost; port 0: any free one
  std::string token;                   // empty: none asked; then only loopback is allowed
  size_t max_body = size_t{10} << 20;  // after decompression
  unsigned threads = 16;
  Duration read_timeout = std::chrono::seconds(5);   // between two pieces of a request
  Duration body_timeout = std::chrono::seconds(30);  // for a whole body
};

enum class Access { kOpen, kToken };

class Server {
 public:
  using Handler = std::function<Response(const Request&)>;
  explicit Server(ServerOptions options);
  ~Server();
  // Before start(). pattern: a regular expression for the whole path ("/v1/messages/([^/]+)").
  void route(std::string method, const std::string& pattern, Access access, Handler handler);
  Status start();
  std::string address() const;  // host:port really bound; "" before start()
  void stop();                  // idempotent

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace volley::http
