#include "engine/cli/metrics_http.h"

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

}  // namespace volley::cli
