#include "base/config.h"

#include <gtest/gtest.h>

namespace volley {
namespace {

std::unique_ptr<Config> parse(std::string_view text) {
  Result<std::unique_ptr<Config>> config = Config::parse(text, "conf/volley.toml");
  EXPECT_TRUE(config) << (config ? "" : config.error().message);
  return config ? std::move(config).value() : nullptr;
}

std::string problem(Config& config) {
  const Status status = config.finish();
  return status ? "" : status.error().message;
}

TEST(Config, ReadsEveryKind) {
  const auto config = parse(R"(
name = "november"
count = 7
on = true
wait = "1h30m"
never = 0
cap = "64MB"
bytes = 1000
rate = "100/s"
share = "5%"
share2 = 0.25
list = ["a", "b"]
single = "c"
[headers]
"X-Zed" = "1"
"X-Alpha" = "2"
[site."gmail.com"]
connections = 3
[site."aol.com"]
connections = 4
[[attach]]
file = "x"
[[attach]]
file = "y"
)");
  ASSERT_TRUE(config);
  Table root = config->root();
  EXPECT_EQ(root.string("name"), "november");
  EXPECT_EQ(root.integer("count"), 7);
  EXPECT_EQ(root.boolean("on"), true);
  EXPECT_EQ(root.duration("wait"), std::chrono::minutes(90));
  EXPECT_EQ(root.duration("never"), Duration(0));
  EXPECT_EQ(root.size("cap"), 64000000u);
  EXPECT_EQ(root.size("bytes"), 1000u);
  EXPECT_EQ(root.rate("rate"), 100.0);
  EXPECT_EQ(root.fraction("share"), 0.05);
  EXPECT_EQ(root.fraction("share2"), 0.25);
  EXPECT_EQ(root.strings("list"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(root.strings("single"), std::vector<std::string>{"c"});
  EXPECT_EQ(root.string("absent"), std::nullopt);
  EXPECT_TRUE(root.strings("absent2").empty());
  const auto headers = root.string_map("headers");
  ASSERT_EQ(headers.size(), 2u);
  EXPECT_EQ(headers[0].first, "X-Zed") << "file order, not by name";
  auto sites = root.tables("site");
  ASSERT_EQ(sites.size(), 2u);
  EXPECT_EQ(sites[0].first, "gmail.com");
  EXPECT_EQ(sites[0].second.integer("connections"), 3);
  EXPECT_EQ(sites[1].second.integer("connections"), 4);
  auto attach = root.array("attach");
  ASSERT_EQ(attach.size(), 2u);
  EXPECT_EQ(attach[1].string("file"), "y");
  EXPECT_EQ(attach[0].string("file"), "x");
  EXPECT_EQ(problem(*config), "");
}

TEST(Config, UnknownKeysAreErrorsWithTheirPlace) {
  const auto config = parse("name = \"a\"\n[retry]\n  frist_delay = \"5m\"\n");
  Table root = config->root();
  (void)root.string("name");
  auto retry = root.table("retry");
  ASSERT_TRUE(retry);
  EXPECT_EQ(retry->duration("first_delay"), std::nullopt);
  EXPECT_EQ(problem(*config),
            "conf/volley.toml:3:3: unknown key \"frist_delay\": did you mean \"first_delay\"?");
}

TEST(Config, UnknownTablesAreErrorsToo) {
  const auto config = parse("[nonsense]\nx = 1\n");
  (void)config->root();
  EXPECT_EQ(problem(*config), "conf/volley.toml:1:2: unknown key \"nonsense\"");
}

TEST(Config, UnknownKeysInArraysOfTables) {
  const auto config = parse("[[a]]\nx = 1\n[[a]]\ny = 2\n");
  for (Table& table : config->root().array("a")) (void)table.integer("x");
  EXPECT_EQ(problem(*config), "conf/volley.toml:4:1: unknown key \"y\"")
      << "one-letter names are too short for a guess";
}

TEST(Config, WrongTypeNamesBoth) {
  const auto config = parse("\ncount = \"seven\"\n");
  EXPECT_EQ(config->root().integer("count"), std::nullopt);
  EXPECT_EQ(problem(*config), "conf/volley.toml:2:9: count: expected an integer, got a string");
}

TEST(Config, BadUnitNamesThePlace) {
  const auto config = parse("wait = \"5 parsecs\"");
  EXPECT_EQ(config->root().duration("wait"), std::nullopt);
  EXPECT_EQ(problem(*config).substr(0, 46), "conf/volley.toml:1:8: wait: expected a duratio");
}

TEST(Config, AmbiguousNumbersAreRefused) {
  const auto config = parse("wait = 5");
  EXPECT_EQ(config->root().duration("wait"), std::nullopt);
  EXPECT_NE(problem(*config), "");
  const auto negative = parse("cap = -1");
  EXPECT_EQ(negative->root().size("cap"), std::nullopt);
  EXPECT_NE(problem(*negative), "");
  const auto over = parse("share = 1.5");
  EXPECT_EQ(over->root().fraction("share"), std::nullopt);
  EXPECT_NE(problem(*over), "");
}

TEST(Config, SyntaxErrorsHaveAPlace) {
  const auto config = Config::parse("a = 1\nb = = 2\n", "x.toml");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code, Errc::kConfig);
  EXPECT_EQ(config.error().message.substr(0, 9), "x.toml:2:");
}

TEST(Config, TheCodeIsTheCallers) {
  const auto config = Config::parse("b = = 2\n", "x.toml", Errc::kData);
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code, Errc::kData);
}

TEST(Config, FailNotesTheKeysLine) {
  const auto config = parse("\n\nhostname = \"x\"\n");
  Table root = config->root();
  (void)root.string("hostname");
  EXPECT_EQ(root.place("hostname"), "conf/volley.toml:3:1: hostname");
  root.fail("hostname", "must be fully qualified");
  EXPECT_EQ(problem(*config), "conf/volley.toml:3:1: hostname: must be fully qualified");
}

TEST(Config, FailNamesTheKeyOnce) {
  const auto config = parse("host = \"x\"\n");
  Table root = config->root();
  (void)root.string("host");
  root.fail("host", "host: is nowhere");
  EXPECT_EQ(problem(*config), "conf/volley.toml:1:1: host: is nowhere");
}

TEST(Config, FailNameLeavesTheNamingToTheMessage) {
  const auto config = parse("[site.\"*\"]\n");
  Table root = config->root();
  root.table("site")->fail_name("*", "[site.\"*\"]: is no site");
  EXPECT_EQ(problem(*config), "conf/volley.toml:1:7: [site.\"*\"]: is no site");
}

TEST(Config, MissingFile) {
  const auto config = Config::load("/nonexistent/volley.toml");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code, Errc::kNoInput);
}

TEST(Config, PathsHangOnTheFile) {
  const auto config = parse("");
  EXPECT_EQ(config->directory(), "conf");
  EXPECT_EQ(config->resolve("list.csv"), "conf/list.csv");
  EXPECT_EQ(config->resolve("/abs/list.csv"), "/abs/list.csv");
  const auto here = Config::parse("", "volley.toml");
  EXPECT_EQ((*here)->resolve("list.csv"), "list.csv");
  const auto top = Config::parse("", "/volley.toml");
  EXPECT_EQ((*top)->resolve("list.csv"), "/list.csv");
}

}  // namespace
}  // namespace volley
