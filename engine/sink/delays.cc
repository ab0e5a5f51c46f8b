#include "engine/sink/delays.h"

#include <algorithm>
#include <charconv>

namespace volley::sink {
namespace {

bool parse_ms(std::string_view text, Duration& out) {
  uint32_t ms = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), ms);
  out = std::chrono::milliseconds(ms);
  return !text.empty() && error == std::errc() && end == text.data() + text.size();
}

}  // namespace

Duration DelayRange::draw(Random& random) const {
  if (least == most) return least;
  return least + Duration(static_cast<int64_t>(
                     random.below(static_cast<uint64_t>((most - least).count()) + 1)));
}

bool Delays::work_none() const {
  return std::all_of(work.begin(), work.end(),
                     [](const DelayRange& range) { return range.none(); });
}

Status parse_delay(std::string_view text, Delays& delays) {
  const auto bad = [&](std::string_view why) {
    return Error{Errc::kUsage, "delay \"" + std::string(text) + "\": " + std::string(why) +
                                   "; it is MS, MS..MS or STEP=MS..MS, for instance \"rcpt=50\""};
  };
  DelayRange* range = &delays.distance;
  std::string_view times = text;
  if (const size_t equals = text.find('='); equals != std::string_view::npos) {
    Step step{};
    if (!parse_step(text.substr(0, equals), step)) return bad("no such step");
    range = &delays.work[static_cast<size_t>(step)];
    times = text.substr(equals + 1);
  }
  const size_t dots = times.find("..");
  const bool one = dots == std::string_view::npos;
  if (!parse_ms(times.substr(0, dots), range->least) ||
      !parse_ms(one ? times : times.substr(dots + 2), range->most)) {
    return bad("a time is a number of milliseconds");
  }
  if (range->most < range->least) return bad("the first time is the shorter one");
  return {};
}

}  // namespace volley::sink
