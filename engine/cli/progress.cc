#include "engine/cli/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/log.h"
#include "base/units.h"

namespace volley::cli {
namespace {

constexpr Duration kFirstInterval = std::chrono::seconds(5);
constexpr Duration kLaterInterval = std::chrono::seconds(10);
constexpr Duration kLater = std::chrono::minutes(1);
constexpr Duration kRateWindow = std::chrono::seconds(10);
constexpr Duration kLeastWindow = std::chrono::seconds(1);
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

void draw(const ProgressState& state) {
  std::fprintf(stderr, "\r\033[K%s", progress_line(state, terminal_width()).c_str());
  std::fflush(stderr);
}

std::string bar(double share) {
  const auto full = static_cast<unsigned>(share * kBarWidth);
  return '[' + std::string(full, '#') + std::string(kBarWidth - full, '.') + ']';
}

}  // namespace

std::string progress_line(const ProgressState& state, unsigned width) {
  const auto& counts = state.counts;
  std::string line;
  if (!state.waits_for.empty() && state.rate == 0) {
    // What a narrow terminal cuts off is not the reason.
    line = fmt::format("{}; sent {}, left {}", state.waits_for, format_count(counts.delivered),
                       format_count(counts.queued));
    if (width > 1 && line.size() >= width) line.resize(width - 1);
    return line;
  }
  if (width > 0) line += fmt::format("{} {:>3.0f}% ", bar(share_done(state)), share_done(state) * 100);
  if (state.importing) {
    line += fmt::format("importing {}", format_count(counts.accepted));
    line += width > 0 ? ", " : fmt::format(" ({:.0f}%), ", state.imported * 100);
  }
  line += fmt::format("sent {}, deferred {}, bounced {}, left {}", format_count(counts.delivered),
                      format_count(counts.waiting_retry), format_count(counts.bounced), format_count(counts.queued));
  if (state.rate > 0) {
    line += ", " + format_rate(state.rate);
    const uint64_t ready = counts.queued - std::min(counts.queued, counts.waiting_retry);
    if (!state.importing && ready > 0) {
      const auto left = std::chrono::duration<double>(static_cast<double>(ready) / state.rate);
      line += ", ETA " + format_duration(std::chrono::duration_cast<Duration>(left));
    }
  }
  if (width > 1 && line.size() >= width) line.resize(width - 1);
  return line;
}

std::optional<std::string> PlainLines::unless_known(const ProgressState& state) {
  std::string text = progress_line(state, 0);
  if (text == text_) return std::nullopt;
  text_ = text;
  return text;
}

// Nothing new when a line is due: the next news is printed as it comes.
std::optional<std::string> PlainLines::next(const ProgressState& state, TimePoint now) {
  const bool begins = !sending_ && !state.importing;
  sending_ |= begins;
  const Duration interval = first_ && now - *first_ >= kLater ? kLaterInterval : kFirstInterval;
  if (first_ && !begins && now - printed_ < interval) return std::nullopt;
  auto text = unless_known(state);
  if (!text) return text;
  if (!first_) first_ = now;
  printed_ = now;
  return text;
}

std::optional<std::string> PlainLines::last(const ProgressState& state) { return unless_known(state); }

Progress::Progress() : terminal_(isatty(STDERR_FILENO) == 1) {
  if (terminal_) log_over_redrawn_line();
}

void Progress::show(ProgressState state, TimePoint now) {
  if (state.importing && state.counts.delivered == 0) samples_.clear();
  samples_.push_back({now, state.counts.delivered});
  while (samples_.size() > 2 && now - samples_.front().at > kRateWindow) samples_.pop_front();
  const Duration window = now - samples_.front().at;
  if (window >= kLeastWindow) {
    state.rate = static_cast<double>(state.counts.delivered - samples_.front().delivered) /
                 std::chrono::duration<double>(window).count();
  }
  if (terminal_) {
    draw(state);
    drawn_ = true;
  } else if (auto text = plain_.next(state, now)) {
    std::fprintf(stderr, "%s\n", text->c_str());
  }
}

void Progress::clear() {
  if (drawn_) std::fprintf(stderr, "\r\033[K");
  drawn_ = false;
}

void Progress::last(const ProgressState& state) {
  if (terminal_) {
    draw(state);
    std::fprintf(stderr, "\n");
  } else if (auto text = plain_.last(state)) {
    std::fprintf(stderr, "%s\n", text->c_str());
  }
  drawn_ = false;
}

}  // namespace volley::cli
