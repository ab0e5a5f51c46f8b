#include "engine/cli/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/units.h"

namespace volley::cli {
namespace {

constexpr Duration kPlainInterval = std::chrono::seconds(5);
constexpr Duration kRateWindow = std::chrono::seconds(10);
constexpr unsigned kBarWidth = 20;

unsigned terminal_width() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

double share_done(const ProgressState& state) {
  if (state.importing && state.imported < 1) return state.imported;
  if (state.counts.accepted == 0) return 0;
  return 1 - static_cast<double>(state.counts.queued) / static_cast<double>(state.counts.accepted);
}

std::string bar(double share) {
  const auto full = static_cast<unsigned>(share * kBarWidth);
  return '[' + std::string(full, '#') + std::string(kBarWidth - full, '.') + ']';
}

}  // namespace

std::string progress_line(const ProgressState& state, unsigned width) {
  const auto& counts = state.counts;
  std::string line;
  if (width > 0) line += fmt::format("{} {:>3.0f}% ", bar(share_done(state)), share_done(state) * 100);
  if (state.importing) line += fmt::format("importing {}, ", format_count(counts.accepted));
  line += fmt::format("sent {}, deferred {}, bounced {}, left {}", format_count(counts.delivered),
                      format_count(counts.waiting_retry), format_count(counts.bounced), format_count(counts.queued));
  if (state.rate > 0) {
    line += fmt::format(", {}/s", format_count(static_cast<uint64_t>(state.rate)));
    const uint64_t ready = counts.queued - std::min(counts.queued, counts.waiting_retry);
    if (!state.importing && ready > 0) {
      const auto left = std::chrono::duration<double>(static_cast<double>(ready) / state.rate);
      line += ", ETA " + format_duration(std::chrono::duration_cast<Duration>(left));
    }
  }
  if (width > 1 && line.size() >= width) line.resize(width - 1);
  return line;
}

Progress::Progress() : terminal_(isatty(STDERR_FILENO) == 1) {}

void Progress::show(ProgressState state, TimePoint now) {
  samples_.push_back({now, state.counts.delivered});
  while (samples_.size() > 2 && now - samples_.front().at > kRateWindow) samples_.pop_front();
  const auto window = std::chrono::duration<double>(now - samples_.front().at).count();
  if (window > 0) {
    state.rate = static_cast<double>(state.counts.delivered - samples_.front().delivered) / window;
  }
  state_ = state;
  if (terminal_) {
    std::fprintf(stderr, "\r\033[K%s", progress_line(state_, terminal_width()).c_str());
    std::fflush(stderr);
    drawn_ = true;
  } else if (last_plain_ == TimePoint{} || now - last_plain_ >= kPlainInterval) {
    std::string text = progress_line(state_, 0);
    if (text != last_text_) std::fprintf(stderr, "%s\n", text.c_str());
    last_text_ = std::move(text);
    last_plain_ = now;
  }
}

void Progress::clear() {
  if (drawn_) std::fprintf(stderr, "\r\033[K");
  drawn_ = false;
}

void Progress::last(ProgressState state, TimePoint now) {
  last_plain_ = {};
  show(std::move(state), now);
  if (drawn_) std::fprintf(stderr, "\n");
  drawn_ = false;
}

}  // namespace volley::cli
