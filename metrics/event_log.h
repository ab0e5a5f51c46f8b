// The delivery event log: one JSON line per thing that happened to a recipient.
//
// Purpose    time, event, id, campaign, lane, recipient, site, host, source, code, enhanced, text,
//            attempt, generation, revision; every line has every key. `id` names the message through all its attempts: a
//            single message's is the one the API answered. A replay after a crash may write a line
//            again, never lose one: (id, generation, attempt, event) is the same then, and differs otherwise.
// Ownership  Owns its file (0600) and a writer thread; large appends, rotated at max_bytes (give or
//            take a line), `keep` old files: path.1 is the youngest. Lines wait 10 ms for company.
//            The file may be replaced while it is written (event_rewrite.h).
// Thread     append() from any thread; never blocks on the disk. written() tells up to which
//            sequence the file has it (written to the system, not fsynced).
// Errors     open(): kCantCreate. A full disk: lines wait in memory (bounded by the caller's
//            journal), retried every second, logged once. A line cut short by a crash is removed at
//            the next open: the journal's replay writes it again.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace volley::metrics {

struct Shard;

enum class EventKind : uint8_t { kDelivered, kDeferred, kBounced, kExpired, kSuppressed, kInDoubt };
std::string_view to_string(EventKind kind);

struct Event {
  WallTime time;
  EventKind kind = EventKind::kDelivered;
  std::string id;  // "<campaign>.<number>", or a single message's own
  std::string campaign;
  std::string_view lane = "bulk";
  std::string recipient;
  std::string site, host, source;
  uint16_t code = 0;  // 0: no reply
  std::string enhanced, text;
  uint32_t attempt = 0;
  uint32_t generation = 1;  // of the campaign: those that failed were tried again so often, less one
  uint32_t revision = 1;    // of the campaign's content
};

struct EventLogOptions {
  std::string path;
  uint64_t max_bytes = uint64_t{256} << 20;
  unsigned keep = 10;
  Shard* counters = nullptr;  // nobody else's; outlives the log
};

class EventLog {
 public:
  static Result<std::unique_ptr<EventLog>> open(EventLogOptions options);
  ~EventLog();                          // writes what is left, as far as the disk takes it
  uint64_t append(const Event& event);  // its sequence, from 1
  uint64_t written() const;             // all events up to this sequence are in the file
  // Blocks until all appended so far is written, or the disk refuses (once more) to take it.
  void flush();
  // Why events are waiting now (a full disk); empty: nothing is wrong.
  std::string trouble() const;

 private:
  struct Impl;
  explicit EventLog(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// One line, with newline. Valid JSON whatever the bytes: what is no UTF-8 becomes U+FFFD.
std::string to_json_line(const Event& event);

}  // namespace volley::metrics
