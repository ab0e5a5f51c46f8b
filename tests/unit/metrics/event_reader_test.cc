#include "metrics/event_reader.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <vector>

#include "metrics/event_log.h"
#include "metrics/event_rewrite.h"
#include "tests/unit/temp_dir.h"

namespace volley::metrics {
namespace {

std::vector<std::string> lines_of(const std::string& path) {
  std::vector<std::string> out;
  const Status read = each_event_line(path, [&](std::string_view line) {
    out.emplace_back(line);
    return true;
  });
  EXPECT_TRUE(read.ok()) << (read ? "" : read.error().message);
  return out;
}

void write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

TEST(EventReader, OldestFirstOverRotatedFiles) {
  const TempDir dir;
  const std::string path = dir.file("events.jsonl");
  EXPECT_TRUE(lines_of(path).empty());
  write(path + ".2", "a\nb\n");
  write(path + ".1", "c\n");
  write(path, "d\ncut short");
  EXPECT_EQ(lines_of(path), (std::vector<std::string>{"a", "b", "c", "d"}));
}

TEST(EventReader, StopsWhenTold) {
  const TempDir dir;
  const std::string path = dir.file("events.jsonl");
  write(path + ".1", "a\n");
  write(path, "b\n");
  size_t seen = 0;
  ASSERT_TRUE(each_event_line(path, [&](std::string_view) { return ++seen < 1; }).ok());
  EXPECT_EQ(seen, 1u);
}

TEST(EventReader, LongLines) {
  const TempDir dir;
  const std::string path = dir.file("events.jsonl");
  const std::string line((size_t{3} << 20) + 5, 'x');
  write(path, line + "\nend\n");
  EXPECT_EQ(lines_of(path), (std::vector<std::string>{line, "end"}));
}

TEST(EventReader, WhatCannotBeRead) {
  const TempDir dir;
  EXPECT_EQ(each_event_line(dir.file(""), [](std::string_view) { return true; }).error().code,
            Errc::kNoInput);
}

// Nobody writes to it: it would be waited for.
TEST(EventReader, AFifoHasNoLines) {
  const TempDir dir;
  const std::string path = dir.file("events.jsonl");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_TRUE(lines_of(path).empty());
  auto rewritten = rewrite_events(path, [](std::string_view, std::string&) { return LineEdit::kDrop; });
  ASSERT_TRUE(rewritten.ok()) << rewritten.error().message;
  EXPECT_EQ(*rewritten, 0u);
  EXPECT_NE(::access((path + ".lock").c_str(), F_OK), 0);
}

TEST(EventReader, Fields) {
  Event event;
  event.id = "november.17";
  event.recipient = "\"a b\"@example.com";
  event.text = "said \"recipient\":\"x\"";
  const std::string line = to_json_line(event);
  EXPECT_EQ(event_field(line, "id"), "november.17");
  EXPECT_EQ(event_field(line, "recipient"), "\\\"a b\\\"@example.com");
  EXPECT_EQ(event_field(line, "site"), "");
  EXPECT_EQ(event_field(line, "nothing"), "");
  EXPECT_EQ(event_field("\"id\":\"cut", "id"), "");
}

}  // namespace
}  // namespace volley::metrics
