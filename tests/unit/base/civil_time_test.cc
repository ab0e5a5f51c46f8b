#include "base/civil_time.h"

#include <gtest/gtest.h>

#include "base/weekly_window.h"

namespace volley {
namespace {

int64_t at(std::string_view text) {
  auto moment = parse_moment(text);
  EXPECT_TRUE(moment.ok()) << moment.error().message;
  return moment.ok() ? *moment : 0;
}

WeeklyWindow window(std::string_view text) {
  auto made = WeeklyWindow::parse(text);
  EXPECT_TRUE(made.ok()) << made.error().message;
  return made.ok() ? *made : WeeklyWindow();
}

std::string opens(const WeeklyWindow& w, std::string_view from) {
  return format_moment(w.next_open(at(from)), "UTC");
}

TEST(Moment, IsReadWithAZoneOrAnOffset) {
  EXPECT_EQ(at("2026-12-01 09:00 Europe/Paris"), 1796112000000);
  EXPECT_EQ(at("2026-12-01T09:00:00+01:00"), 1796112000000);
  EXPECT_EQ(at("2026-12-01T08:00Z"), 1796112000000);
  EXPECT_EQ(at("2026-12-01 03:30:30 -0430"), 1796112030000);
  EXPECT_EQ(format_moment(1796112000000, "Europe/Paris"), "Tue 2026-12-01 09:00 Europe/Paris");
  EXPECT_EQ(format_moment(1796112000000), "Tue 2026-12-01 08:00 UTC");
}

TEST(Moment, SaysWhatItExpected) {
  for (const char* bad :
       {"", "tomorrow", "2026-12-01", "2026-12-01 09:00", "2026-02-30 09:00 UTC",
        "2026-12-01 24:00 UTC", "2026-12-01 09:00 +99:00", "2026-12-01 09:00 Europe/Atlantis",
        "2026-12-01 9:00 UTC", "2026-12-01 09:00 ../../etc/passwd"}) {
    EXPECT_FALSE(parse_moment(bad).ok()) << bad;
  }
  EXPECT_NE(
      parse_moment("2026-12-01 09:00 Europe/Atlantis").error().message.find("Europe/Atlantis"),
      std::string::npos);
}

TEST(Moment, ASkippedTimeIsTheMomentOfTheChangeAndOneThatComesTwiceTheFirst) {
  EXPECT_EQ(at("2026-03-29 02:30 Europe/Paris"), at("2026-03-29T01:00Z"));  // 02:00 becomes 03:00
  EXPECT_EQ(at("2026-10-25 02:30 Europe/Paris"), at("2026-10-25T00:30Z"));  // 03:00 becomes 02:00
}

TEST(WeeklyWindow, IsOpenFromTheFirstTimeToJustBeforeTheSecond) {
  const auto w = window("mon-fri 09:00-18:00 Europe/Paris");
  EXPECT_FALSE(w.open(at("2026-12-01 08:59:59 Europe/Paris")));
  EXPECT_TRUE(w.open(at("2026-12-01 09:00 Europe/Paris")));
  EXPECT_TRUE(w.open(at("2026-12-01 17:59:59 Europe/Paris")));
  EXPECT_FALSE(w.open(at("2026-12-01 18:00 Europe/Paris")));
  EXPECT_FALSE(w.open(at("2026-12-05 12:00 Europe/Paris")));  // a Saturday
  EXPECT_EQ(opens(w, "2026-12-04 18:00 Europe/Paris"), "Mon 2026-12-07 08:00 UTC");
  EXPECT_EQ(opens(w, "2026-12-01 12:34 Europe/Paris"), "Tue 2026-12-01 11:34 UTC");
  EXPECT_EQ(w.text(), "mon-fri 09:00-18:00 Europe/Paris");
}

TEST(WeeklyWindow, OverMidnightBelongsToTheDayItBegan) {
  const auto w = window("fri 22:00-06:00 UTC");
  EXPECT_TRUE(w.open(at("2026-12-04T23:00Z")));
  EXPECT_TRUE(w.open(at("2026-12-05T05:59Z")));
  EXPECT_FALSE(w.open(at("2026-12-05T06:00Z")));
  EXPECT_FALSE(w.open(at("2026-12-05T22:00Z")));
  EXPECT_FALSE(w.open(at("2026-12-04T05:00Z")));
}

TEST(WeeklyWindow, ReadsDays) {
  EXPECT_EQ(opens(window("sat,sun 10:00-11:00 UTC"), "2026-12-01T00:00Z"),
            "Sat 2026-12-05 10:00 UTC");
  EXPECT_EQ(opens(window("fri-mon 10:00-11:00 UTC"), "2026-12-05T11:00Z"),
            "Sun 2026-12-06 10:00 UTC");
  EXPECT_EQ(opens(window("daily 00:00-24:00 UTC"), "2026-12-05T11:00Z"),
            "Sat 2026-12-05 11:00 UTC");
  EXPECT_EQ(opens(window("tue 10:00-11:00 UTC"), "2026-12-01T11:00Z"), "Tue 2026-12-08 10:00 UTC");
}

// Clocks go forward on 2026-03-29, 02:00 to 03:00.
TEST(WeeklyWindow, WhatTheSpringChangeSkipsOpensAtTheChange) {
  const auto skipped = window("daily 02:30-04:00 Europe/Paris");
  EXPECT_EQ(opens(skipped, "2026-03-29T00:00Z"), "Sun 2026-03-29 01:00 UTC");
  EXPECT_FALSE(skipped.open(at("2026-03-29T00:59:59Z")));
  EXPECT_TRUE(skipped.open(at("2026-03-29T01:59Z")));
  EXPECT_FALSE(skipped.open(at("2026-03-29T02:00Z")));  // 04:00 there
  // All of it is skipped: that day has none.
  const auto gone = window("daily 02:10-02:50 Europe/Paris");
  EXPECT_EQ(opens(gone, "2026-03-28T12:00Z"), "Mon 2026-03-30 00:10 UTC");
  EXPECT_EQ(opens(window("daily 09:00-10:00 Europe/Paris"), "2026-03-28T12:00Z"),
            "Sun 2026-03-29 07:00 UTC");
}

// Clocks go back on 2026-10-25, 03:00 to 02:00.
TEST(WeeklyWindow, WhatTheAutumnChangeRepeatsIsOpenTwice) {
  const auto w = window("daily 02:15-02:45 Europe/Paris");
  EXPECT_TRUE(w.open(at("2026-10-25T00:20Z")));
  EXPECT_FALSE(w.open(at("2026-10-25T00:50Z")));
  EXPECT_TRUE(w.open(at("2026-10-25T01:20Z")));
  EXPECT_EQ(opens(w, "2026-10-25T00:50Z"), "Sun 2026-10-25 01:15 UTC");
  // The change jumps back into hours that had just ended.
  const auto jumped = window("daily 01:00-02:30 Europe/Paris");
  EXPECT_EQ(opens(jumped, "2026-10-25T00:30Z"), "Sun 2026-10-25 01:00 UTC");
  EXPECT_EQ(opens(window("daily 09:00-10:00 Europe/Paris"), "2026-10-24T12:00Z"),
            "Sun 2026-10-25 08:00 UTC");
}

TEST(WeeklyWindow, SaysWhatItExpected) {
  for (const char* bad : {"", "mon-fri", "09:00-18:00", "mon-fri 09:00-18:00", "mon-fri 9-18 UTC",
                          "mon-fre 09:00-18:00 UTC", "mon-fri 09:00-09:00 UTC",
                          "mon-fri 09:00-24:30 UTC", "mon 24:00-02:00 UTC", "mon, 09:00-10:00 UTC",
                          "mon-fri 09:00-18:00 Europe/Atlantis", "mon 09:00-10:00 UTC more"}) {
    EXPECT_FALSE(WeeklyWindow::parse(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace volley
