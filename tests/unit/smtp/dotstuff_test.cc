#include "engine/smtp/dotstuff.h"

#include <gtest/gtest.h>

#include <string>

#include "base/random.h"
#include "engine/smtp/output.h"

namespace volley::smtp {
namespace {

std::string stuff(std::string_view body, size_t max) {
  DotStuffer stuffer(body);
  std::string out;
  for (auto slice = stuffer.next(max); !slice.empty(); slice = stuffer.next(max)) out += slice;
  EXPECT_TRUE(stuffer.done());
  return out;
}

struct Decoded {
  std::string content, rest;
  bool end = false, bare = false;
};

Decoded decode(std::string_view wire, size_t step) {
  DotDecoder decoder;
  Decoded out;
  for (size_t at = 0; at < wire.size() && !out.end; at += step) {
    const std::string copy(wire.substr(at, step));  // so that reading beyond it is seen
    std::string_view piece = copy;
    while (!piece.empty()) {
      size_t used = 0;
      std::string_view content;
      const auto what = decoder.feed(piece, used, content);
      out.content += content;
      piece.remove_prefix(used);
      if (what == DotDecoder::Step::kEnd) {
        out.end = true;
        out.rest = std::string(piece);
        break;
      }
      if (what == DotDecoder::Step::kNeedMore) {
        EXPECT_TRUE(piece.empty());
      }
    }
  }
  out.bare = decoder.bare_newline();
  return out;
}

TEST(DotStuff, Vectors) {
  EXPECT_EQ(stuff("", 10), "");
  EXPECT_EQ(stuff(".", 10), "..");
  EXPECT_EQ(stuff("a\r\n.\r\n..b\r\nc.\r\n", 10), "a\r\n..\r\n...b\r\nc.\r\n");
  EXPECT_EQ(stuff("\r\n.", 10), "\r\n..");
}

TEST(DotStuff, BackAndForthAtAnySplit) {
  Random random(7);
  static constexpr char kLetters[] = {'.', '.', 'a', 'b'};
  for (int round = 0; round < 300; ++round) {
    std::string body;
    for (uint64_t n = random.below(40); n > 0; --n) {
      if (random.below(3) == 0) {
        body += "\r\n";
      } else {
        body += kLetters[random.below(4)];
      }
    }
    body += "\r\n";
    const std::string wire = stuff(body, 1 + random.below(9)) + ".\r\n";
    EXPECT_EQ(wire.size() - 3, body.size() + scan_body(body).dot_lines);
    for (size_t step = 1; step <= wire.size(); ++step) {
      const Decoded got = decode(wire, step);
      ASSERT_TRUE(got.end) << wire;
      ASSERT_EQ(got.content, body);
      ASSERT_FALSE(got.bare);
    }
  }
}

TEST(DotDecoder, OnlyCrlfDotCrlfEnds) {
  using std::string_literals::operator""s;
  for (const std::string& attack :
       {"\n.\n"s, "\n.\r\n"s, "\r\n.\n"s, "\r.\r"s, "\r\n.\r"s, "\n.\r"s, "\r.\n"s, "\r.\r\n"s,
        "\r\n.\r\r\n"s, "\r\n\0.\r\n"s}) {
    const std::string wire = "a" + attack + "b\r\n.\r\nMAIL";
    for (size_t step = 1; step <= wire.size(); ++step) {
      const Decoded got = decode(wire, step);
      EXPECT_TRUE(got.end);
      EXPECT_NE(got.content.find("b\r\n"), std::string::npos) << attack;
      if (step == wire.size()) {
        EXPECT_EQ(got.rest, "MAIL");
      }
      const bool nul = attack.find('\0') != std::string::npos;
      EXPECT_EQ(got.bare, !nul) << attack << " " << step;
    }
  }
}

TEST(DotDecoder, EmptyMessage) {
  const Decoded got = decode(".\r\n", 1);
  EXPECT_TRUE(got.end);
  EXPECT_EQ(got.content, "");
}

TEST(Canonical, Reasons) {
  EXPECT_EQ(check_canonical(""), nullptr);
  EXPECT_EQ(check_canonical("a\r\nb"), nullptr);
  EXPECT_EQ(check_canonical(std::string(998, 'x') + "\r\n"), nullptr);
  EXPECT_NE(check_canonical(std::string(999, 'x') + "\r\n"), nullptr);
  EXPECT_NE(check_canonical("a\nb\r\n"), nullptr);
  EXPECT_NE(check_canonical("a\rb\r\n"), nullptr);
  EXPECT_NE(check_canonical("a\r\r\n"), nullptr);
  EXPECT_NE(check_canonical("a\r\n\n"), nullptr);
  EXPECT_NE(check_canonical("a\r"), nullptr);
  EXPECT_NE(check_canonical(std::string_view("a\0b\r\n", 5)), nullptr);
  EXPECT_TRUE(scan_body("a\r\n").ends_crlf);
  EXPECT_FALSE(scan_body("a").ends_crlf);
  EXPECT_EQ(scan_body(".\r\n..\r\na.\r\n.").dot_lines, 3u);
  EXPECT_TRUE(scan_body("\xc3\xa9\r\n").eight_bit);
}

TEST(Output, GatherAndConsumeInAnyPortions) {
  const auto body = std::make_shared<const std::string>(".a\r\n.b\r\nccc\r\n");
  const std::string expected = "ONE\r\n..a\r\n..b\r\nccc\r\n.\r\nTWO\r\n";
  for (size_t portion = 1; portion <= expected.size(); ++portion) {
    Output out;
    out.append("ONE\r\n");
    out.append_body(body, scan_body(*body).dot_lines);
    out.append(".\r\n");
    EXPECT_EQ(out.handed(), 0u);
    std::string got;
    bool late = false;
    while (!out.empty()) {
      OutSlice slices[3];
      const size_t n = out.gather(slices, portion);
      size_t bytes = 0;
      for (size_t i = 0; i < n; ++i) {
        got += slices[i];
        bytes += slices[i].size();
      }
      ASSERT_GT(bytes, 0u);
      ASSERT_LE(bytes, portion);
      EXPECT_EQ(out.handed(), out.consumed() + bytes);
      if (!late) out.append("TWO\r\n");
      late = true;
      out.consume(bytes);
    }
    EXPECT_EQ(got, expected);
    EXPECT_EQ(out.appended(), expected.size());
  }
}

// A write in flight reads its slices while the next commands are added: they must not move.
TEST(Output, SlicesOutlastWhatIsAppendedBehindThem) {
  const auto body = std::make_shared<const std::string>(".a\r\n");
  Output out;
  out.append("ONE\r\n");
  out.append_body(body, 1);
  out.append(".\r\n");
  OutSlice slices[8];
  const size_t n = out.gather(slices, 1000);
  for (int i = 0; i < 100; ++i) {
    OutSlice later[128];
    out.append("RSET\r\n");
    out.gather(later, 10'000);  // what was given out is closed: the next has a segment of its own
  }
  std::string got;
  for (size_t i = 0; i < n; ++i) got += slices[i];
  EXPECT_EQ(got, "ONE\r\n..a\r\n.\r\n");
  out.consume(got.size());
  EXPECT_EQ(out.gather(slices, 6), 1u);
  EXPECT_EQ(slices[0], "RSET\r\n");
}

}  // namespace
}  // namespace volley::smtp
