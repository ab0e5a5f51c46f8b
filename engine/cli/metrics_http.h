// /metrics over HTTP: the part that `send --http` and `serve` share, and what `check` says of it.
//
// Ownership  The registry outlives the server. The caller adds routes and starts it.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "engine/cli/settings.h"
#include "engine/http/server.h"
#include "metrics/registry.h"

namespace volley::cli {

// `token` may be empty: then only a loopback address may be listened on.
Result<std::unique_ptr<http::Server>> serve_metrics(const std::string& listen,
                                                    const std::string& token,
                                                    const metrics::Registry& registry);

// Whether `serve` can have [http] as it is written, before anything is started. Without a token_file it has /metrics only, and on
// a loopback address only.
Status check_http(const Settings& settings);

}  // namespace volley::cli
