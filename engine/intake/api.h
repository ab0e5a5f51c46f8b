// The HTTP API for notification services: POST /v1/messages, GET /v1/messages/ID.
//
// Purpose    One message for one recipient, durable before the 202. JSON: from, to, subject, text, html, headers; 10
//            MB; bearer token; `from` within the configured senders, else 403; Idempotency-Key for 24 h: the same
//            body gets the same id, another body 409. 503 with Retry-After when the queue refuses. 400 for what is no
//            JSON, 422 for what cannot be sent.
// Ownership  Keeps a small pool of Stores, one per concurrent request. Outlives the http::Server it registers with.
// Thread     Handlers run on HTTP threads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/http/server.h"
#include "metrics/registry.h"
#include "queue/types.h"
#include "queue/url.h"

namespace volley::intake {

struct ApiOptions {
  queue::QueueUrl queue;
  uint32_t partitions = queue::kDefaultPartitions;
  bool memory_durability = false;
  std::vector<std::string> senders;       // addresses or "@domain" / "domain"; empty: nothing may be sent
  std::string hostname;                   // Message-ID's right side
  std::function<void()> on_queued;        // wake the engine
};

class Api {
 public:
  Api(ApiOptions options, metrics::Registry& registry);
  ~Api();
  void register_routes(http::Server& server);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace volley::intake
