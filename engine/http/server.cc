#include "engine/http/server.h"

#include <fmt/format.h>
#include <httplib.h>
#include <sys/socket.h>

#include <atomic>
#include <charconv>
#include <cstring>
#include <exception>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "base/hash.h"
#include "base/log.h"
#include "base/utf8.h"
#include "engine/http/listen_address.h"
#include "engine/http/router.h"

namespace volley::http {

namespace {

constexpr int kKeepAliveSeconds = 2;
constexpr size_t kKeepAliveRequests = 10'000;
constexpr int kBacklog = 256;
// How much of a refused body is read before the connection is closed.
constexpr size_t kDrain = 64 << 20;

// Of hashes, so that neither content nor length shows in the time it takes.
bool same_secret(std::string_view a, std::string_view b) {
  auto x = Sha256::of(a), y = Sha256::of(b);
  unsigned difference = 0;
  for (size_t i = 0; i < x.size(); ++i) difference |= static_cast<unsigned>(x[i] ^ y[i]);
  return difference == 0;
}

std::string bearer_token(const httplib::Request& from) {
  constexpr std::string_view kScheme = "bearer ";
  std::string value = from.get_header_value("Authorization");
  if (value.size() <= kScheme.size() || ascii_lower(value.substr(0, kScheme.size())) != kScheme)
    return {};
  return value.substr(value.find_first_not_of(' ', kScheme.size() - 1));
}

Request translate(const httplib::Request& from, std::vector<std::string> captures,
                  std::string body) {
  Request to;
  to.method = from.method;
  to.path = from.path;
  to.captures = std::move(captures);
  to.body = std::move(body);
  for (const auto& [name, value] : from.headers) {
    // The library's own additions, which a client could as well have sent.
    if (name == "REMOTE_ADDR" || name == "REMOTE_PORT" || name == "LOCAL_ADDR" ||
        name == "LOCAL_PORT") {
      continue;
    }
    to.headers.emplace(ascii_lower(name), value);
  }
  for (const auto& [name, value] : from.params) to.query.emplace(name, value);
  return to;
}

void write(const Response& from, httplib::Response& to) {
  to.status = from.status;
  for (const auto& [name, value] : from.headers) to.set_header(name, value);
  to.set_content(from.body, from.content_type);
}

// For when the rest of the request was not read: on a kept connection it would be taken for the
// next request. A provider that fails after its last byte is the library's way to close.
void write_and_close(Response from, httplib::Response& to) {
  to.status = from.status;
  to.set_header("Connection", "close");
  for (const auto& [name, value] : from.headers) to.set_header(name, value);
  size_t size = from.body.size();
  to.set_content_provider(
      size, from.content_type,
      [body = std::move(from.body)](size_t at, size_t n, httplib::DataSink& out) {
        out.write(body.data() + at, n);
        return false;
      });
}

bool has_body(const httplib::Request& request) {
  if (request.has_header("Transfer-Encoding")) return true;
  std::string length = request.get_header_value("Content-Length");
  return !length.empty() && length != "0";
}

// A body whose end cannot be told.
std::optional<Response> refuse_framing(const httplib::Request& request) {
  std::string length = request.get_header_value("Content-Length");
  if (request.has_header("Transfer-Encoding")) {
    if (ascii_lower(request.get_header_value("Transfer-Encoding")) != "chunked") {
      return error_response(400, "unknown Transfer-Encoding");
    }
    if (!length.empty()) return error_response(400, "Content-Length with Transfer-Encoding");
    return std::nullopt;
  }
  uint64_t announced = 0;
  auto [end, error] = std::from_chars(length.data(), length.data() + length.size(), announced);
  if (error != std::errc{} || end != length.data() + length.size()) {
    return error_response(400, "bad Content-Length");
  }
  return std::nullopt;
}

}  // namespace

std::string Request::header(std::string_view name) const {
  auto found = headers.find(ascii_lower(name));
  return found == headers.end() ? std::string() : found->second;
}

Response error_response(int status, std::string_view message) {
  Response response;
  response.status = status;
  nlohmann::json body{{"error", message}};
  response.body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  return response;
}

struct Server::Impl {
  ServerOptions options;
  Router router;
  httplib::Server server;
  std::string address;
  std::thread listener;
  int socket = -1;  // the library's; to ask for a longer queue than its 5

  explicit Impl(ServerOptions o) : options(std::move(o)) {}

  void set_up();
  std::optional<Response> refuse(const httplib::Request& request, RouteMatch& match) const;
  std::optional<Response> read_body(const httplib::ContentReader& reader, std::string& body) const;
  void drop_body(const httplib::Request& request, const httplib::ContentReader& reader) const;
  Response run(const httplib::Request& request, RouteMatch match, std::string body) const;
  bool handle_without_body(const httplib::Request& request, httplib::Response& response) const;
  void handle_with_body(const httplib::Request& request, httplib::Response& response,
                        const httplib::ContentReader& reader) const;
};

// What can be said before the body is read.
std::optional<Response> Server::Impl::refuse(const httplib::Request& request,
                                             RouteMatch& match) const {
  match = router.find(request.method, request.path);
  if (match.route == nullptr && match.allowed.empty()) {
    return error_response(404, "no such resource: " + request.path);
  }
  if (match.route == nullptr) {
    Response response = error_response(405, "method not allowed; use " + match.allowed);
    response.headers.emplace_back("Allow", match.allowed);
    return response;
  }
  if (match.route->access == Access::kToken && !options.token.empty() &&
      !same_secret(bearer_token(request), options.token)) {
    Response response = error_response(401, "a valid bearer token is needed");
    response.headers.emplace_back("WWW-Authenticate", "Bearer");
    return response;
  }
  if (request.is_multipart_form_data()) {
    return error_response(415, "multipart/form-data is not understood");
  }
  return std::nullopt;
}

Response Server::Impl::run(const httplib::Request& request, RouteMatch match,
                           std::string body) const {
  try {
    return match.route->handler(translate(request, std::move(match.captures), std::move(body)));
  } catch (const std::exception& e) {
    log_error(fmt::format("http: {} {} failed: {}", request.method, sanitize(request.path, 200),
                          sanitize(e.what())));
  } catch (...) {
    log_error(fmt::format("http: {} {} failed", request.method, sanitize(request.path, 200)));
  }
  return error_response(500, "internal error; see the log");
}

// Called before the library looks at a body. True: answered.
bool Server::Impl::handle_without_body(const httplib::Request& request,
                                       httplib::Response& response) const {
  // Ranges of our answers make no sense, and thousands of them in one header would multiply an
  // answer. The object itself is not const: the library made it on its stack.
  const_cast<httplib::Request&>(request).ranges.clear();
  bool body_follows = has_body(request);
  const std::string& m = request.method;
  // Of these the library reads bodies; see handle_with_body().
  if (body_follows && (m == "POST" || m == "PUT" || m == "PATCH" || m == "DELETE")) return false;
  if (body_follows) {
    write_and_close(error_response(400, "a body is not expected here"), response);
    return true;
  }
  RouteMatch match;
  if (auto refusal = refuse(request, match)) {
    write(*refusal, response);
  } else {
    write(run(request, std::move(match), {}), response);
  }
  return true;
}

std::optional<Response> Server::Impl::read_body(const httplib::ContentReader& reader,
                                                std::string& body) const {
  bool over = false, slow = false;
  const TimePoint start = monotonic_now();
  TimePoint last = start;
  size_t total = 0;
  bool complete = reader([&](const char* data, size_t size) {
    last = monotonic_now();
    total += size;
    slow = last - start > options.body_timeout;
    // Chunked and compressed bodies announce nothing: this is where they are stopped.
    over = over || total > options.max_body;
    // What is too large is still read for a while: a client that is cut off while it writes may
    // never see why.
    if (slow || total > options.max_body + kDrain) return false;
    if (!over) body.append(data, size);
    return true;
  });
  if (over) {
    return error_response(413, fmt::format("the body is larger than {} bytes", options.max_body));
  }
  if (complete) return std::nullopt;
  if (slow || monotonic_now() - last >= options.read_timeout) {
    return error_response(408, "the body came too slowly");
  }
  return error_response(400, "the body ended early or is malformed");
}

// Called when a body follows. Refused or not it is read, if only to be dropped; after a refusal the
// connection ends in any case, so that no rest of a body is taken for a request.
void Server::Impl::handle_with_body(const httplib::Request& request, httplib::Response& response,
                                    const httplib::ContentReader& reader) const {
  RouteMatch match;
  std::optional<Response> refusal = refuse(request, match);
  if (!refusal) refusal = refuse_framing(request);
  if (refusal) {
    drop_body(request, reader);
    write_and_close(std::move(*refusal), response);
    return;
  }
  std::string body;
  if (auto problem = read_body(reader, body)) {
    write_and_close(std::move(*problem), response);
  } else {
    write(run(request, std::move(match), std::move(body)), response);
  }
}

void Server::Impl::drop_body(const httplib::Request& request,
                             const httplib::ContentReader& reader) const {
  // The library would look into these, or wait for the end of a stream that has none.
  if (request.is_multipart_form_data() || refuse_framing(request)) return;
  const TimePoint start = monotonic_now();
  size_t total = 0;
  reader([&](const char*, size_t size) {
    total += size;
    return total <= kDrain && monotonic_now() - start <= options.body_timeout;
  });
}

void Server::Impl::set_up() {
  using httplib::Server;
  auto read = std::chrono::duration_cast<std::chrono::microseconds>(options.read_timeout);
  server.set_read_timeout(read);
  server.set_write_timeout(read);
  server.set_keep_alive_timeout(kKeepAliveSeconds);
  server.set_keep_alive_max_count(kKeepAliveRequests);
  server.set_tcp_nodelay(true);
  // Ours is checked while reading, and tells more kindly.
  server.set_payload_max_length(std::numeric_limits<size_t>::max());
  server.new_task_queue = [n = std::max(options.threads, 1u)] {
    return new httplib::ThreadPool(n);
  };
  // Not the library's SO_REUSEPORT, with which a second engine would take half of the requests.
  server.set_socket_options([this](socket_t fd) {
    int yes = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    socket = fd;
  });
  server.set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& out) {
    return handle_without_body(request, out) ? Server::HandlerResponse::Handled
                                             : Server::HandlerResponse::Unhandled;
  });
  auto with_body = [this](const httplib::Request& request, httplib::Response& out,
                          const httplib::ContentReader& reader) {
    handle_with_body(request, out, reader);
  };
  server.Post("[^]*", with_body);
  server.Put("[^]*", with_body);
  server.Patch("[^]*", with_body);
  server.Delete("[^]*", with_body);
  // What the library refuses by itself (a malformed head, an over-long line) comes without a body.
  server.set_error_handler(Server::HandlerWithResponse([](const auto&, httplib::Response& out) {
    if (!out.body.empty() || out.content_provider_) return Server::HandlerResponse::Unhandled;
    write(error_response(out.status, "malformed request"), out);
    return Server::HandlerResponse::Handled;
  }));
}

Server::Server(ServerOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}

Server::~Server() { stop(); }

void Server::route(std::string method, const std::string& pattern, Access access, Handler handler) {
  impl_->router.add(pattern, {std::move(method), access, std::move(handler)});
}

Status Server::start() {
  Result<ListenAddress> where = parse_listen_address(impl_->options.listen);
  if (!where) return where.error();
  if (!where->loopback && impl_->options.token.empty()) {
    return Error{Errc::kConfig,
                 fmt::format("http: {} is not a loopback address: set http.token_file, or listen "
                             "on 127.0.0.1",
                             where->str())};
  }
  impl_->set_up();
  impl_->server.set_address_family(where->v6 ? AF_INET6 : AF_INET);
  errno = 0;
  if (where->port == 0) {
    int port = impl_->server.bind_to_any_port(where->host);
    where->port = static_cast<uint16_t>(std::max(port, 0));
  } else if (!impl_->server.bind_to_port(where->host, where->port)) {
    where->port = 0;
  }
  if (where->port == 0) {
    return Error{Errc::kUnavailable,
                 fmt::format("http: cannot listen on {} ({}): stop what uses it, or choose another "
                             "with http.listen or --http",
                             impl_->options.listen, std::strerror(errno))};
  }
  ::listen(impl_->socket, kBacklog);
  impl_->address = where->str();
  impl_->listener = std::thread([server = &impl_->server] { server->listen_after_bind(); });
  // Its stop() does nothing before it runs.
  while (!impl_->server.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return {};
}

std::string Server::address() const { return impl_->address; }

void Server::stop() {
  if (!impl_->listener.joinable()) return;
  impl_->server.stop();
  impl_->listener.join();
}

}  // namespace volley::http
