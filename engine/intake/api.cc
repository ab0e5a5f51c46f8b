#include "engine/intake/api.h"

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/random.h"
#include "engine/intake/api_json.h"
#include "engine/intake/sender_list.h"
#include "engine/intake/single_check.h"
#include "queue/store.h"

namespace volley::intake {
namespace {

http::Response refuse(int status, std::string_view message) {
  http::Response response = http::error_response(status, message);
  if (status == 503) response.headers.emplace_back("Retry-After", "2");
  return response;
}

http::Response refuse(const Error& error) {
  switch (error.code) {
    case Errc::kProtocol:
      return refuse(400, error.message);
    case Errc::kData:
      return refuse(422, error.message);
    case Errc::kInternal:
      return refuse(500, error.message);
    default:
      return refuse(503, error.message);
  }
}

http::Response answer(int status, std::string body) {
  http::Response response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

}  // namespace

struct Api::Impl {
  // What one request needs for itself. Kept for the next one.
  struct Worker {
    explicit Worker(metrics::Shard& counters)
        : shard(counters), random(Random::seed_from_system()) {}
    metrics::Shard& shard;
    Random random;
    std::unique_ptr<queue::Store> store;
  };

  Impl(ApiOptions o, metrics::Registry& r)
      : options(std::move(o)), registry(r), senders(options.senders) {}

  const ApiOptions options;
  metrics::Registry& registry;
  const SenderList senders;
  std::mutex mutex;
  std::vector<std::unique_ptr<Worker>> idle;

  std::unique_ptr<Worker> take_worker() {
    const std::lock_guard lock(mutex);
    if (idle.empty()) return std::make_unique<Worker>(registry.new_shard());
    std::unique_ptr<Worker> worker = std::move(idle.back());
    idle.pop_back();
    return worker;
  }

  template <typename Handle>  // http::Response(Worker&)
  http::Response with_worker(Handle handle) {
    std::unique_ptr<Worker> worker = take_worker();
    worker->shard[metrics::Metric::kHttpRequests].add();
    http::Response response = handle(*worker);
    if (response.status >= 400) worker->shard[metrics::Metric::kHttpRefused].add();
    const std::lock_guard lock(mutex);
    idle.push_back(std::move(worker));
    return response;
  }

  Status open_store(Worker& worker) const {
    if (worker.store) return {};
    auto store = queue::Store::open(options.queue, options.partitions, options.memory_durability);
    if (!store) return Error{Errc::kUnavailable, store.error().message};
    worker.store = std::move(store).value();
    worker.store->set_counters(&worker.shard);
    return {};
  }

  http::Response post(Worker& worker, const http::Request& request);
  http::Response queue_message(Worker& worker, const queue::SingleMessage& message);
  http::Response get(Worker& worker, const std::string& id);
};

http::Response Api::Impl::post(Worker& worker, const http::Request& request) {
  const std::string key = request.header("Idempotency-Key");
  if (!is_usable_key(key)) return refuse(400, std::string("Idempotency-Key: ") + kUsableKey);
  Result<message::SingleMessage> parsed = parse_single(request.body);
  if (!parsed) return refuse(parsed.error());
  Result<queue::SingleMessage> single =
      to_submit(std::move(*parsed), senders, options.partitions, worker.random);
  if (!single) {
    if (single.error().code == Errc::kNoPermission) return refuse(403, single.error().message);
    return refuse(single.error());
  }
  if (Status status = open_store(worker); !status) return refuse(status.error());
  single->idempotency_key = key;
  single->body_fingerprint = to_hex(Sha256::of(request.body));
  return queue_message(worker, *single);
}

http::Response Api::Impl::queue_message(Worker& worker, const queue::SingleMessage& message) {
  std::string id;
  Result<queue::SubmitResult> result = worker.store->submit(message, id);
  if (!result) {
    // Nothing in the message can make the queue refuse it, so kData is the queue's own trouble too.
    const Errc code = result.error().code;
    return refuse(code == Errc::kInternal ? 500 : 503, result.error().message);
  }
  if (*result == queue::SubmitResult::kConflict) {
    return refuse(409, "Idempotency-Key: used before with another body");
  }
  if (*result == queue::SubmitResult::kQueued) {
    worker.shard[metrics::Metric::kMessagesAccepted].add();
    if (options.on_queued) options.on_queued();
  }
  return answer(202, accepted_json(id));
}

http::Response Api::Impl::get(Worker& worker, const std::string& id) {
  if (Status status = open_store(worker); !status) return refuse(status.error());
  Result<std::optional<queue::SingleStatus>> status = worker.store->single(id);
  if (!status) {
    if (status.error().code == Errc::kData) return refuse(404, "no message with this id");
    return refuse(status.error());
  }
  if (!*status) return refuse(404, "no message with this id");
  return answer(200, status_json(id, **status));
}

Api::Api(ApiOptions options, metrics::Registry& registry)
    : impl_(std::make_unique<Impl>(std::move(options), registry)) {}
Api::~Api() = default;

void Api::register_routes(http::Server& server) {
  server.route("POST", "/v1/messages", http::Access::kToken, [this](const http::Request& request) {
    return impl_->with_worker([&](Impl::Worker& worker) { return impl_->post(worker, request); });
  });
  server.route("GET", "/v1/messages/([A-Za-z0-9._-]{1,100})", http::Access::kToken,
               [this](const http::Request& request) {
                 return impl_->with_worker([&](Impl::Worker& worker) {
                   return impl_->get(worker, request.captures.at(0));
                 });
               });
}

}  // namespace volley::intake
