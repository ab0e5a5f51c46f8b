// The HTTP server's frame: routes, bearer-token authentication, body limits (cpp-httplib behind it).
//
// Purpose    Serves /metrics, the API and, later, the monitor. What a route does is the caller's business.
// Ownership  Owns its threads; handlers outlive it. Destroying it stops listening and joins.
// Thread     Handlers run on worker threads, several at once.
// Errors     Port in use: kUnavailable with the remedy. A handler never throws.
// Safety     Loopback by default; without a token only loopback may be bound. Tokens are compared in constant time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace volley::http {

struct Request {
  std::string method, path;
  std::vector<std::string> captures;   // of the route's pattern
  std::string body;
  std::string header(std::string_view name) const;
  std::map<std::string, std::string> headers;  // lower-case names
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
  std::string listen = "127.0.0.1:0";
  std::string token;                   // empty: none asked; then only loopback is allowed
  size_t max_body = 10 * 1024 * 1024;
  unsigned threads = 4;
};

enum class Access { kOpen, kToken };

class Server {
 public:
  using Handler = std::function<Response(const Request&)>;
  explicit Server(ServerOptions options);
  ~Server();
  void route(std::string method, std::string pattern, Access access, Handler handler);  // before start()
  Status start();
  std::string address() const;         // host:port really bound
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace volley::http
