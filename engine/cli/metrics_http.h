// /metrics over HTTP: the part that `send --http` and `serve` share.
//
// Ownership  The registry outlives the server. The caller adds routes and starts it.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "engine/http/server.h"
#include "metrics/registry.h"

namespace volley::cli {

// `token` may be empty: then only a loopback address may be listened on.
Result<std::unique_ptr<http::Server>> serve_metrics(const std::string& listen,
                                                    const std::string& token,
                                                    const metrics::Registry& registry);

}  // namespace volley::cli
