#include "engine/cli/workplace.h"

#include <unistd.h>

#include <cerrno>

#include "base/hash.h"
#include "base/log.h"
#include "base/random.h"
#include "engine/cli/named_files.h"

namespace volley::cli {
namespace {

// A random name that stays with the data directory: a restarted engine takes its own leases back at once.
Result<std::string> instance_id(const std::string& data) {
  const std::string path = data + "/instance";
  if (auto known = read_file(path, 64); known && !known->empty()) return known;
  const uint64_t words[2] = {Random::seed_from_system(), Random::seed_from_system()};
  std::string id = to_hex(reinterpret_cast<const uint8_t*>(words), sizeof words);
  if (Status status = write_file_atomically(path, id); !status) return status.error();
  return id;
}

// Whoever looks at a queue, or steers a campaign of it, makes none. An engine that is just starting has the lock first.
Status must_have_queue(const std::string& data) {
  if (access((data + "/redis").c_str(), F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR)) return {};
  if (FileLock::held(data + "/engine.lock")) return {};
  return Error{Errc::kNoInput, data + ": there is no queue in this data directory: name that of `volley send` or `volley serve` "
                                      "with --data, or an external queue with --queue"};
}

// The embedded server of the engine that holds the lock.
Result<queue::QueueUrl> neighbours_url(const std::string& data, const std::string& busy) {
  auto path = read_file(data + "/redis.sock-path", 256);
  if (!path)
    return Error{Errc::kUnavailable, busy + "; its queue is external: name it with --queue"};
  queue::QueueUrl url;
  url.unix_socket = url.embedded = true;
  url.host_or_path = path->substr(0, path->find('\n'));  // the server's pid follows
  return url;
}

}  // namespace

Status Workplace::prepare_directory() {
  if (Status status = make_directories(data_); !status) return status;
  auto id = instance_id(data_);
  if (!id) return id.error();
  engine_id_ = *id;
  return {};
}

Result<std::unique_ptr<Workplace>> Workplace::open(const Settings& settings, Access access) {
  auto place = std::unique_ptr<Workplace>(new Workplace());
  place->data_ = settings.data;
  place->memory_durability_ = settings.memory_durability;
  const bool external = !settings.queue_url.empty();

  if (access == Access::kClient && !external) {
    if (Status status = must_have_queue(place->data_); !status) return status.error();
  }
  if (access == Access::kEngine || !external) {
    if (Status status = place->prepare_directory(); !status) return status.error();
    auto lock = FileLock::acquire(place->data_ + "/engine.lock");
    if (lock) {
      place->lock_ = std::move(*lock);
    } else if (lock.error().code != Errc::kUnavailable) {
      return lock.error();
    } else if (access == Access::kEngine) {
      return Error{Errc::kUnavailable, lock.error().message +
                                           ": another volley works in this data directory: stop it, or let both share an external queue: "
                                           "--queue redis://HOST:PORT for each, and a --data of its own for each"};
    } else {
      auto url = neighbours_url(place->data_, lock.error().message);
      if (!url) return url.error();
      place->url_ = *url;
    }
  }
  if (external) {
    auto url = external_queue(settings);
    if (!url) return url.error();
    place->url_ = *url;
  } else if (place->lock_.fd() >= 0) {
    queue::EmbeddedOptions options;
    options.data_directory = place->data_;
    options.memory_durability = settings.memory_durability;
    options.max_memory = settings.queue_max_memory;
    options.on_event = [](const std::string& event) { log_warn(event); };
    auto embedded = queue::Embedded::start(std::move(options));
    if (!embedded) return embedded.error();
    place->embedded_ = std::move(*embedded);
    place->url_ = place->embedded_->url();
  }
  if (Status connected = place->connect(); !connected) return connected.error();
  return place;
}

Result<std::unique_ptr<Workplace>> Workplace::visit(const Settings& settings) {
  auto place = std::unique_ptr<Workplace>(new Workplace());
  place->data_ = settings.data;
  place->memory_durability_ = settings.memory_durability;
  const std::string lock = settings.data + "/engine.lock";
  const bool external = !settings.queue_url.empty();
  if (!external && !FileLock::held(lock)) {
    if (Status status = must_have_queue(settings.data); !status) return status.error();
    return std::unique_ptr<Workplace>();
  }
  auto url = external ? external_queue(settings) : neighbours_url(settings.data, lock + ": in use");
  if (!url) return url.error();
  place->url_ = *url;
  if (Status connected = place->connect(); !connected) return connected.error();
  return place;
}

Status Workplace::connect() {
  auto store = another_store();
  if (!store) return store.error();
  store_ = std::move(*store);
  for (const std::string& warning : store_->warnings()) log_warn(warning);
  return {};
}

Result<std::unique_ptr<queue::Store>> Workplace::another_store() const {
  return queue::Store::open(url_, queue::kDefaultPartitions, memory_durability_);
}

Status announce(const RunningEngine& engine, Workplace& place) {
  return place.store().publish_status(place.engine_id(), engine.status_json());
}

}  // namespace volley::cli
