#include "engine/cli/last_words.h"

#include <unistd.h>

#include "engine/cli/exit_code.h"

namespace volley::cli {
namespace {

constexpr Duration kGrace = std::chrono::milliseconds(500);

}  // namespace

LastWords::LastWords(bool json, std::FILE* out)
    : json_(json), out_(out), exit_code_(kExitTempFail) {
  watcher_ = std::thread([this] { watch(); });
}

LastWords::~LastWords() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  second_.cancel();
  watcher_.join();
}

void LastWords::know(const Summary& summary) {
  const std::lock_guard lock(mutex_);
  known_ = summary;
  if (phase_ == Phase::kNothingOwed) phase_ = Phase::kOwed;
}

Status LastWords::print(const Summary& summary) {
  const std::string text = json_ ? summary.json() + '\n' : summary.text();
  const bool written = std::fwrite(text.data(), 1, text.size(), out_) == text.size();
  if (std::fflush(out_) != 0 || !written) return Error{Errc::kIo, "the summary cannot be written"};
  return {};
}

// Printed outside of the lock: whoever reads slowly must not keep the watcher from ending the process.
Status LastWords::say(const Summary& summary, int exit_code) {
  {
    const std::lock_guard lock(mutex_);
    phase_ = Phase::kSaying;
    exit_code_ = exit_code;
  }
  Status printed = print(summary);
  {
    const std::lock_guard lock(mutex_);
    phase_ = Phase::kSaid;
    if (!printed) exit_code_ = cli::exit_code(Errc::kIo);
  }
  changed_.notify_all();
  return printed;
}

void LastWords::watch() {
  if (!second_.wait()) return;
  std::unique_lock lock(mutex_);
  if (phase_ != Phase::kNothingOwed) changed_.wait_for(lock, kGrace, [this] { return ending_; });
  if (phase_ == Phase::kSaying) {
    changed_.wait_for(lock, kGrace, [this] { return ending_ || phase_ != Phase::kSaying; });
  }
  if (ending_) return;
  if (phase_ == Phase::kOwed) {
    std::fprintf(stderr,
                 "%svolley: stopped at once; the same command goes on where this one stopped\n",
                 isatty(STDERR_FILENO) == 1 ? "\n" : "");
    known_->campaign.reason = "interrupted: these are the last known counts";
    (void)print(*known_);
  }
  _exit(exit_code_);
}

}  // namespace volley::cli
