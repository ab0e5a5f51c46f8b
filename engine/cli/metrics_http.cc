#include "engine/cli/metrics_http.h"

#include "engine/http/listen_address.h"

namespace volley::cli {

Result<std::unique_ptr<http::Server>> serve_metrics(const std::string& listen,
                                                    const std::string& token,
                                                    const metrics::Registry& registry) {
  http::ServerOptions options;
  options.listen = listen;
  options.token = token;
  auto server = std::make_unique<http::Server>(std::move(options));
  server->route("GET", "/metrics", http::Access::kOpen, [&registry](const http::Request&) {
    return http::Response{200, registry.exposition(), "text/plain; version=0.0.4; charset=utf-8", {}};
  });
  return server;
}

Status check_http(const Settings& settings) {
  if (settings.http_listen.empty()) return {};
  const std::string& place = settings.places.http_listen;
  auto where = http::parse_listen_address(settings.http_listen);
  if (!where) return Error{where.error().code, place + ": " + where.error().message};
  if (where->loopback || !settings.http_token_file.empty()) return {};
  return Error{Errc::kConfig, place + ": " + where->str() +
                                  " is not a loopback address: set token_file, or listen on 127.0.0.1 (/metrics only)"};
}

}  // namespace volley::cli
