// WeeklyWindow: hours of a week in a place: "mon-fri 09:00-18:00 Europe/Paris".
//
// Purpose  When a campaign may send. It is open while a clock on the wall there shows a time from the first to just before the
//          second, on a day that is named; hours that end before they begin run into the next day, and belong to the one they
//          began on. "00:00-24:00" is the whole day.
// Clocks   The clock on the wall counts: an hour that a change of clocks skips is not missed elsewhere, one that comes twice is
//          open twice.
// Units    Unix milliseconds. Thread: values. Errors kData with what was expected.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace volley {

class WeeklyWindow {
 public:
  // Days: "mon-fri", "sat,sun", "daily"; "fri-mon" goes over the weekend.
  static Result<WeeklyWindow> parse(std::string_view text);
  const std::string& text() const { return text_; }
  const std::string& zone() const { return zone_; }

  bool open(int64_t ms) const;
  // The first moment from `ms` on at which it is open: `ms` itself while it is.
  int64_t next_open(int64_t ms) const;

 private:
  std::string text_, zone_;
  uint8_t days_ = 0;          // bit 0: Monday
  int from_ = 0, until_ = 0;  // minutes of the day; until_ over 24 h: into the next
};

}  // namespace volley
