#include "engine/message/mustache.h"

#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <nlohmann/json.hpp>

namespace volley::message {
namespace {

Value to_value(const nlohmann::json& json) {
  if (json.is_null()) return {};
  if (json.is_boolean()) return Value::of(json.get<bool>());
  if (json.is_string()) return Value::of(json.get<std::string>());
  if (json.is_number()) return Value::of(json.dump());
  if (json.is_array()) {
    std::vector<Value> items;
    for (const auto& item : json) items.push_back(to_value(item));
    return Value::array(std::move(items));
  }
  std::map<std::string, Value> members;
  for (const auto& [name, member] : json.items()) members.emplace(name, to_value(member));
  return Value::dict(std::move(members));
}

class Specification : public testing::TestWithParam<const char*> {};

TEST_P(Specification, AllCasesPass) {
  const std::string path =
      std::string(VOLLEY_SOURCE_DIR) + "/../shared/mustache/" + GetParam() + ".json";
  std::ifstream file(path);
  if (!file) GTEST_SKIP() << "SKIPPED: the Mustache specification is not at " << path;
  const auto cases = nlohmann::json::parse(file).at("tests");
  EXPECT_GE(cases.size(), 10u);
  for (const auto& one : cases) {
    Partials partials;
    if (one.contains("partials")) {
      for (const auto& [name, text] : one["partials"].items()) {
        partials[name] = {name, text.get<std::string>()};
      }
    }
    const auto parsed = Template::parse(one.at("template").get<std::string>(), "spec", partials);
    ASSERT_TRUE(parsed.ok()) << one.at("name") << ": " << parsed.error().message;
    std::string out;
    parsed->render(to_value(one.at("data")), Escape::kHtml, out);
    EXPECT_EQ(out, one.at("expected").get<std::string>()) << one.at("name");
  }
}

INSTANTIATE_TEST_SUITE_P(Mustache, Specification,
                         testing::Values("comments", "interpolation", "sections", "inverted",
                                         "delimiters", "partials"));

const std::vector<std::string> kColumns = {"email", "first_name", "url", "city.name"};

Result<RowTemplate> bind(std::string_view text, const Partials& partials = {}) {
  auto parsed = Template::parse(text, "t", partials);
  if (!parsed.ok()) return parsed.error();
  return parsed->bind(kColumns);
}

std::string row(std::string_view text, std::string_view name, Escape escape = Escape::kNone,
                const Partials& partials = {}) {
  const auto bound = bind(text, partials);
  EXPECT_TRUE(bound.ok()) << (bound.ok() ? "" : bound.error().message);
  const std::array<std::string_view, 4> values = {"a@example.com", name,
                                                  "https://example.com/?a=1&b", "Köln"};
  std::string out;
  EXPECT_TRUE(bound->render(values, escape, out));
  return out;
}

std::string fault(std::string_view text, const Partials& partials = {}) {
  const auto bound = bind(text, partials);
  return bound.ok() ? "" : bound.error().message;
}

TEST(Row, FillsColumns) {
  EXPECT_EQ(row("Hello {{first_name}}, {{ email }}!", "Ann"), "Hello Ann, a@example.com!");
  EXPECT_EQ(row("{{city.name}}", ""), "Köln");
}

TEST(Row, EmptyIsFalse) {
  const std::string text =
      "{{#first_name}}Dear {{.}}{{/first_name}}{{^first_name}}Hello{{/first_name}},";
  EXPECT_EQ(row(text, "Ann"), "Dear Ann,");
  EXPECT_EQ(row(text, ""), "Hello,");
}

TEST(Row, SectionsNest) {
  const std::string text =
      "{{#email}}a{{^first_name}}b{{#url}}c{{/url}}{{/first_name}}d{{/email}}e";
  EXPECT_EQ(row(text, ""), "abcde");
  EXPECT_EQ(row(text, "x"), "ade");
}

TEST(Row, EscapesForHtmlOnlyThere) {
  EXPECT_EQ(row("{{first_name}}", "<b>&'\"", Escape::kHtml), "&lt;b&gt;&amp;&#39;&quot;");
  EXPECT_EQ(row("{{{first_name}}}{{&first_name}}", "<b>", Escape::kHtml), "<b><b>");
  EXPECT_EQ(row("{{first_name}}", "<b>&"), "<b>&");
}

TEST(Row, LineEndsOfValuesBecomeCrlf) {
  EXPECT_EQ(row("[{{first_name}}]", "a\nb\rc\r\nd\n"), "[a\r\nb\r\nc\r\nd\r\n]");
  EXPECT_EQ(row("[{{{first_name}}}]", "a\nb", Escape::kHtml), "[a\r\nb]");
}

TEST(Row, HeadersCannotBeInjected) {
  const std::string evil = std::string("x\r\nBcc: e@example.org\0y", 23);
  EXPECT_EQ(row("{{first_name}}", evil, Escape::kHeader), "x  Bcc: e@example.org y");
  EXPECT_EQ(row("{{{first_name}}}", "a\nb", Escape::kHeader), "a b");
}

TEST(Row, UrisAreEncodedUnlessTheValueIsTheUri) {
  EXPECT_EQ(row("https://example.com/u?e={{first_name}}", "a+b@x&c", Escape::kUri),
            "https://example.com/u?e=a%2Bb%40x%26c");
  EXPECT_EQ(row("{{url}}", "", Escape::kUri), "https://example.com/?a=1&b");
}

TEST(Row, NulIsRefused) {
  const auto bound = bind("{{first_name}}");
  ASSERT_TRUE(bound.ok());
  const std::array<std::string_view, 2> values = {"", std::string_view("a\0b", 3)};
  std::string out;
  EXPECT_FALSE(bound->render(values, Escape::kNone, out));
}

TEST(Row, MissingValuesAreEmpty) {
  const auto bound = bind("[{{url}}]");
  std::string out;
  EXPECT_TRUE(bound->render({}, Escape::kNone, out));
  EXPECT_EQ(out, "[]");
}

TEST(Row, PartialsAreExpandedInPlace) {
  const Partials partials = {{"greet", {"greet.txt", "Hi {{first_name}}\n{{>sign}}"}},
                             {"sign", {"sign.txt", "-- {{email}}\n"}}};
  EXPECT_EQ(row("A\n  {{>greet}}\nB", "Ann", Escape::kNone, partials),
            "A\n  Hi Ann\n  -- a@example.com\nB");
}

TEST(Errors, NamePlaceAndRemedy) {
  EXPECT_EQ(fault("a\nb {{First Name}}"),
            "t:2:3: no column is called `First Name`; write {{first_name}}");
  EXPECT_EQ(fault("{{nope}}"),
            "t:1:1: no column is called `nope`; there are: email, first_name, url, city.name");
  EXPECT_EQ(fault("x{{#email}}"), "t:1:2: section `email` is never closed: add {{/email}}");
  EXPECT_EQ(fault("{{#email}}{{/url}}"),
            "t:1:11: {{/url}} here, but the open section is `email` of t:1:1");
  EXPECT_EQ(fault("\n{{/url}}"), "t:2:1: {{/url}} closes a section that is not open");
  EXPECT_EQ(fault("abc {{email"), "t:1:5: this tag is never closed: expected `}}`");
  EXPECT_EQ(fault("{{}}"), "t:1:1: a tag without a name");
  EXPECT_EQ(fault("{{=<% =}}"), "t:1:1: set-delimiter tags look like {{=<% %>=}}");
  EXPECT_NE(fault("{{.}}"), "");
  EXPECT_NE(fault("{{<parent}}"), "");
}

TEST(Errors, PartialsTooNameTheirOwnFile) {
  EXPECT_EQ(fault("{{>p}}", {{"p", {"p.txt", "\n {{wrong}}"}}}).substr(0, 10), "p.txt:2:2:");
  EXPECT_EQ(fault("{{>p}}", {{"p", {"p.txt", "{{#email}}"}}}).substr(0, 10), "p.txt:1:1:");
  EXPECT_NE(fault("{{>gone}}").find("[partials]"), std::string::npos);
  EXPECT_NE(fault("{{>p}}", {{"p", {"p.txt", "a{{>p}}"}}}).find("includes itself"),
            std::string::npos);
}

TEST(Variables, AreListedOnceWithTheirPlace) {
  const auto parsed =
      Template::parse("{{a}}\n{{#b}}{{a}}{{.}}{{/b}}{{>p}}", "t", {{"p", {"p.txt", "{{c.d}}"}}});
  ASSERT_TRUE(parsed.ok());
  const auto names = parsed->variables();
  ASSERT_EQ(names.size(), 3u);
  EXPECT_EQ(names[0].name, "a");
  EXPECT_EQ(names[1].where, "t:2:1");
  EXPECT_EQ(names[2].name, "c.d");
  EXPECT_EQ(names[2].where, "p.txt:1:1");
}

// The two ways of rendering agree wherever both apply.
TEST(Row, AgreesWithTheTree) {
  const std::string text =
      "{{email}}|{{#first_name}}{{.}} {{url}}{{/first_name}}|{{^url}}none{{/url}}\r\n"
      "  {{#url}}\r\n  {{{url}}}\r\n  {{/url}}\r\n{{! comment }}\r\nend";
  for (const char* name : {"", "Ann & Bob"}) {
    const auto parsed = Template::parse(text, "t");
    const Value context = Value::dict({{"email", Value::of("a@example.com")},
                                       {"first_name", Value::of(name)},
                                       {"url", Value::of("https://example.com/?a=1&b")}});
    std::string tree;
    parsed->render(context, Escape::kHtml, tree);
    EXPECT_EQ(row(text, name, Escape::kHtml), tree);
  }
}

}  // namespace
}  // namespace volley::message
