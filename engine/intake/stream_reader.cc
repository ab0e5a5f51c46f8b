#include "engine/intake/stream_reader.h"

#include <fmt/format.h>

#include <condition_variable>
#include <mutex>
#include <set>
#include <span>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/random.h"
#include "engine/intake/sender_list.h"
#include "engine/intake/single_check.h"
#include "engine/intake/stream_entry.h"
#include "queue/store.h"
#include "queue/stream.h"

namespace volley::intake {
namespace {

using queue::IntakeEntry;
using queue::StreamField;
using queue::SubmitResult;

constexpr size_t kEntriesARead = 32;
constexpr size_t kBytesACall = size_t{4} << 20;
constexpr Duration kBetweenTries = std::chrono::seconds(1);
constexpr Duration kBetweenClaims = std::chrono::seconds(5);

// One message, or an entry that has none; and what becomes of it.
struct Fate {
  const IntakeEntry* entry = nullptr;
  StreamItem item;
  std::string id;      // of the message, when it is queued
  std::string reason;  // to park it, when it is not
};

struct Group {
  std::vector<Fate> fates;
  std::vector<queue::SingleMessage> messages;
  std::vector<size_t> places;  // of the messages among the fates
};

std::string name_of(const Fate& fate) { return entry_key(fate.entry->id, fate.item.index); }

}  // namespace

struct StreamReader::Impl {
  Impl(StreamOptions o, metrics::Registry& registry)
      : options(std::move(o)),
        counters(registry.new_shard()),
        senders(options.senders),
        random(Random::seed_from_system()),
        stream(options.queue, options.memory_durability, options.engine_id) {
    stream.set_patience(options.patience);
  }

  const StreamOptions options;
  metrics::Shard& counters;  // the reader's thread only
  const SenderList senders;
  Random random;
  queue::IntakeStream stream;
  std::unique_ptr<queue::Store> store;
  TimePoint next_claim{};
  std::set<std::string> parked;  // of entries that are not settled yet: these are not parked again
  std::string trouble;

  std::mutex mutex;
  std::condition_variable wake;
  bool stopping = false;
  std::thread thread;

  void run();
  bool rest(bool after_trouble);
  void note(const Status& status);
  Result<size_t> round();
  Status open_store();
  Result<queue::IntakeBatch> read();
  Status handle(std::span<const IntakeEntry> entries);
  void check(const IntakeEntry& entry, Group& group);
  void check(const IntakeEntry& entry, StreamItem item, Group& group);
  Status queue_messages(Group& group);
  Status park_all(const std::vector<Fate>& fates);
  Status park(const Fate& fate);
  void publish(const std::vector<Fate>& fates);
};

Status StreamReader::Impl::open_store() {
  if (store) return {};
  auto opened = queue::Store::open(options.queue, options.partitions, options.memory_durability);
  if (!opened) return opened.error();
  store = std::move(*opened);
  store->set_counters(&counters);
  store->set_patience(options.patience);
  return {};
}

// What this engine, or a dead one, read and did not settle comes first.
Result<queue::IntakeBatch> StreamReader::Impl::read() {
  if (const TimePoint now = monotonic_now(); now >= next_claim) {
    auto claimed = stream.claim_idle(options.idle, kEntriesARead);
    if (!claimed) return claimed.error();
    next_claim = now + kBetweenClaims;
  }
  auto batch = stream.pending(kEntriesARead);
  if (!batch || !batch->entries.empty()) return batch;
  return stream.next(kEntriesARead, options.wait);
}

void StreamReader::Impl::check(const IntakeEntry& entry, StreamItem item, Group& group) {
  Fate fate{&entry, std::move(item), {}, {}};
  if (fate.item.message) {
    auto message = to_submit(std::move(*fate.item.message), senders, options.partitions, random);
    if (message) {
      message->idempotency_key =
          fate.item.key.empty() ? entry_key(entry.id, fate.item.index) : fate.item.key;
      message->body_fingerprint = fate.item.fingerprint;
      group.messages.push_back(std::move(*message));
      group.places.push_back(group.fates.size());
    } else {
      fate.reason = message.error().message;
    }
  } else {
    fate.reason = fate.item.message.error().message;
  }
  group.fates.push_back(std::move(fate));
}

void StreamReader::Impl::check(const IntakeEntry& entry, Group& group) {
  if (entry.fields.empty()) return;  // somebody deleted it
  auto items = read_entry(entry.fields);
  if (!items) {
    check(entry, StreamItem{std::nullopt, {}, {}, {}, items.error()}, group);
    return;
  }
  for (StreamItem& item : *items) check(entry, std::move(item), group);
}

Status StreamReader::Impl::queue_messages(Group& group) {
  if (group.messages.empty()) return {};
  if (Status opened = open_store(); !opened) return opened;
  auto answers = store->submit(group.messages);
  if (!answers) return answers.error();
  uint64_t queued = 0;
  for (size_t i = 0; i < answers->size(); ++i) {
    queue::Submitted& answer = answers->at(i);
    Fate& fate = group.fates[group.places[i]];
    if (answer.result == SubmitResult::kConflict) {
      fate.reason = "key: used before with another body";
    } else if (answer.result == SubmitResult::kRefused) {
      fate.reason = std::move(answer.reason);
    } else {
      fate.id = std::move(answer.id);
      queued += answer.result == SubmitResult::kQueued ? 1 : 0;
    }
  }
  counters[metrics::Metric::kIntakeAccepted].add(queued);
  if (queued > 0 && options.on_queued) options.on_queued();
  return {};
}

// One call each: what was parked before the queue refused is known here, and not parked again.
Status StreamReader::Impl::park(const Fate& fate) {
  std::string name = name_of(fate);
  if (parked.contains(name)) return {};
  const std::string index = fate.item.index ? fmt::format("{}", *fate.item.index) : "";
  std::vector<StreamField> fields;
  if (fate.item.index) {
    fields.emplace_back("message", fate.item.body);
    if (!fate.item.key.empty()) fields.emplace_back("key", fate.item.key);
    fields.emplace_back("index", index);
  } else {
    fields = fate.entry->fields;
  }
  fields.emplace_back("reason", fate.reason);
  fields.emplace_back("id", fate.entry->id);
  if (Status done = stream.park(fields); !done) return done;
  parked.insert(std::move(name));
  counters[metrics::Metric::kIntakeParked].add();
  return {};
}

// One line for all of a call: a producer's mistake comes in thousands.
Status StreamReader::Impl::park_all(const std::vector<Fate>& fates) {
  size_t count = 0;
  const Fate* last = nullptr;
  for (const Fate& fate : fates) {
    if (fate.reason.empty()) continue;
    if (Status done = park(fate); !done) return done;
    last = &fate;
    ++count;
  }
  if (last != nullptr) {
    log_warn(fmt::format("intake stream: {} parked, last {}: {}", count, last->entry->id,
                         sanitize(last->reason, 200)));
  }
  return {};
}

// Nothing waits for it: a producer that hears nothing can add the same again, with the same key.
void StreamReader::Impl::publish(const std::vector<Fate>& fates) {
  std::vector<std::string> indexes(fates.size());
  std::vector<std::vector<StreamField>> results(fates.size());
  for (size_t i = 0; i < fates.size(); ++i) {
    const Fate& fate = fates[i];
    std::vector<StreamField>& fields = results[i];
    fields.emplace_back("entry", fate.entry->id);
    if (fate.item.index) {
      indexes[i] = fmt::format("{}", *fate.item.index);
      fields.emplace_back("index", indexes[i]);
    }
    if (!fate.item.key.empty()) fields.emplace_back("key", fate.item.key);
    if (fate.reason.empty()) {
      fields.emplace_back("id", fate.id);
    } else {
      fields.emplace_back("parked", fate.reason);
    }
  }
  if (Status done = stream.publish(results); !done)
    log_debug("intake stream: results are not published: " + done.error().message);
}

Status StreamReader::Impl::handle(std::span<const IntakeEntry> entries) {
  Group group;
  for (const IntakeEntry& entry : entries) check(entry, group);
  if (Status done = queue_messages(group); !done) return done;
  if (Status done = park_all(group.fates); !done) return done;
  publish(group.fates);
  std::vector<std::string_view> ids;
  ids.reserve(entries.size());
  for (const IntakeEntry& entry : entries) ids.push_back(entry.id);
  if (Status done = stream.settle(ids); !done) return done;
  for (const Fate& fate : group.fates) parked.erase(name_of(fate));
  return {};
}

// In pieces, so that large messages are not all held several times over.
Result<size_t> StreamReader::Impl::round() {
  auto batch = read();
  if (!batch) return batch.error();
  std::span<const IntakeEntry> left = batch->entries;
  while (!left.empty()) {
    size_t count = 0;
    for (size_t bytes = 0; count < left.size() && (count == 0 || bytes < kBytesACall); ++count)
      bytes += left[count].bytes;
    if (Status done = handle(left.first(count)); !done) return done.error();
    left = left.subspan(count);
  }
  return batch->entries.size();
}

void StreamReader::Impl::note(const Status& status) {
  const std::string now = status ? std::string() : status.error().message;
  if (now == trouble) return;
  if (!now.empty()) {
    log_warn("intake stream: entries wait: " + now);
  } else {
    log_info("intake stream: entries are taken again");
  }
  trouble = now;
}

// False: to stop.
bool StreamReader::Impl::rest(bool after_trouble) {
  std::unique_lock lock(mutex);
  if (after_trouble) wake.wait_for(lock, kBetweenTries, [this] { return stopping; });
  return !stopping;
}

void StreamReader::Impl::run() {
  bool good = true;
  while (rest(!good)) {
    auto settled = round();
    good = settled.ok();
    note(good ? Status() : Status(settled.error()));
  }
}

StreamReader::StreamReader(StreamOptions options, metrics::Registry& registry)
    : impl_(std::make_unique<Impl>(std::move(options), registry)) {}

StreamReader::~StreamReader() { stop(); }

void StreamReader::start() {
  impl_->thread = std::thread([this] { impl_->run(); });
}

void StreamReader::stop() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->wake.notify_all();
  if (impl_->thread.joinable()) impl_->thread.join();
}

Result<size_t> StreamReader::round() { return impl_->round(); }

}  // namespace volley::intake
