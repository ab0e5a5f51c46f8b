// LastWords: the summary that `volley send` owes from the moment its import begins, whatever happens to it.
//
// Purpose    The command tells what it knows as it goes, and says its summary at the end. After the second signal it has
//            half a second to do so; if it is still not out then (receivers hold their answers back, the queue does not
//            answer), what it last knew is printed for it, and the process exits.
// Ownership  One per process; outlives whatever may block at the end. A thread of its own waits for the second signal.
// Thread     know() and say() on the main thread, after watch_interrupts().
// Exit code  75, or the one that was said.
// Not for    Commands that print no summary: for them the second signal exits from its handler (interrupt.h).
#pragma once

#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <optional>
#include <thread>

#include "engine/cli/interrupt.h"
#include "engine/cli/summary.h"

namespace volley::cli {

class LastWords {
 public:
  explicit LastWords(bool json, std::FILE* out = stdout);
  ~LastWords();

  void know(const Summary& summary);  // the first time: from here on something is owed
  Status say(const Summary& summary, int exit_code);  // kIo: could not be written

 private:
  enum class Phase { kNothingOwed, kOwed, kSaying, kSaid };
  Status print(const Summary& summary);
  void watch();

  const bool json_;
  std::FILE* const out_;
  SecondInterrupt second_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Phase phase_ = Phase::kNothingOwed;  // below: guarded by mutex_
  bool ending_ = false;
  int exit_code_;
  std::optional<Summary> known_;
  std::thread watcher_;
};

}  // namespace volley::cli
