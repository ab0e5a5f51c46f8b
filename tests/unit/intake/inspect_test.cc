#include <gtest/gtest.h>

#include "engine/intake/list_sample.h"
#include "tests/unit/intake/importer_fixture.h"

namespace volley::intake {
namespace {

TEST_F(ImporterTest, TooManyInvalidRowsAreFatalBeforeAnythingIsQueued) {
  std::string text = "email\n";
  for (int i = 0; i < 95; ++i) text += "u" + std::to_string(i) + "@example.com\n";
  for (int i = 0; i < 5; ++i) text += "nobody\n";
  use_list(text);
  auto facts = inspect(options_.list, stop_);
  ASSERT_TRUE(facts.ok()) << "exactly 5 % is allowed: " << facts.error().message;
  EXPECT_EQ(facts->rows, 100U);
  EXPECT_EQ(facts->invalid, 5U);
  EXPECT_EQ(facts->domains, 1U);
  EXPECT_EQ(facts->first_email, "u0@example.com");
  use_list(text + "a@b\n");
  facts = inspect(options_.list, stop_, nullptr, options_.rejects_path);
  ASSERT_FALSE(facts.ok());
  EXPECT_EQ(facts.error().code, Errc::kData);
  EXPECT_NE(
      facts.error().message.find(
          "6 of 101 rows are invalid (5.9 %, max_invalid is 5.0 %): line 97: no @; line 98: no @;"),
      std::string::npos)
      << facts.error().message;
  EXPECT_NE(facts.error().message.find("rejects.csv"), std::string::npos);
  EXPECT_NE(TempDir::read(options_.rejects_path).find("\n102,no dot in domain,\"a@b\"\n"),
            std::string::npos);
}

TEST_F(ImporterTest, InspectShowsEveryValidRowAndCountsWhatTheVisitorRefuses) {
  use_list("name,email\nAnn,Ann@Example.com\nBob,bob@example.net\n,nobody\n");
  options_.list.max_invalid = 1;
  std::string seen;
  const auto facts = inspect(
      options_.list, stop_,
      [&](uint64_t number, std::string_view email, auto values) -> Status {
        seen += std::to_string(number) + std::string(email) + std::string(values[0]) + ";";
        if (number == 2) return Error{Errc::kData, "cannot be rendered"};
        return {};
      },
      options_.rejects_path);
  ASSERT_TRUE(facts.ok()) << facts.error().message;
  EXPECT_EQ(seen, "1Ann@Example.comAnn;2bob@example.netBob;");
  EXPECT_EQ(facts->rows, 3U);
  EXPECT_EQ(facts->invalid, 2U);
  EXPECT_EQ(facts->first_values, (std::vector<std::string>{"Ann", "Ann@Example.com"}));
  EXPECT_EQ(TempDir::read(options_.rejects_path),
            "line,reason,row\n3,cannot be rendered,\"Bob,bob@example.net\"\n4,no @,\",nobody\"\n");
  const auto look = look_at_list(options_.list, true);
  ASSERT_TRUE(look.ok());
  EXPECT_EQ(look->fingerprint, *sample_list(options_.list.path));
  EXPECT_EQ(look_at_list(options_.list, false)->fingerprint, "");
  EXPECT_EQ(look->columns, facts->columns);
  EXPECT_EQ(look->first_email, "Ann@Example.com");
  stop_ = true;
  EXPECT_EQ(inspect(options_.list, stop_).error().code, Errc::kTempFail);
}

TEST_F(ImporterTest, InspectCountsLikeTheImport) {
  use_made_list(3000);
  const auto facts = inspect(options_.list, stop_, nullptr, options_.rejects_path, &suppressed_,
                             store_->dedupe_key());
  ASSERT_TRUE(facts.ok()) << facts.error().message;
  const std::string rejects = TempDir::read(options_.rejects_path);
  create("c1");
  const auto totals = run();
  ASSERT_TRUE(totals.ok()) << totals.error().message;
  EXPECT_EQ(facts->rows, totals->read);
  EXPECT_EQ(facts->invalid, totals->invalid);
  EXPECT_EQ(facts->duplicate, totals->duplicate);
  EXPECT_EQ(facts->suppressed, totals->suppressed);
  EXPECT_GT(facts->duplicate, 0U);
  EXPECT_GT(facts->suppressed, 0U);
  EXPECT_EQ(rejects, TempDir::read(options_.rejects_path));
  const auto keyless = inspect(options_.list, stop_);
  ASSERT_TRUE(keyless.ok());
  EXPECT_EQ(keyless->duplicate, totals->duplicate);
  EXPECT_EQ(keyless->suppressed, 0U);
}

TEST_F(ImporterTest, InspectShowsNobodyWhoGetsNothing) {
  use_list("email\nbob@example.com\nann@example.com\nANN@example.com\n");
  auto loaded = SuppressionList::load({directory_.write("optouts.txt", "bob@example.com\n")},
                                      store_->dedupe_key());
  ASSERT_TRUE(loaded.ok());
  std::string seen;
  const auto facts = inspect(
      options_.list, stop_,
      [&](uint64_t, std::string_view email, auto) -> Status {
        seen += std::string(email) + ";";
        return {};
      },
      {}, &*loaded, store_->dedupe_key());
  ASSERT_TRUE(facts.ok()) << facts.error().message;
  EXPECT_EQ(seen, "ann@example.com;");
  EXPECT_EQ(facts->first_email, "ann@example.com");
  EXPECT_EQ(facts->domains, 1U);
}

TEST_F(ImporterTest, LocalPartsMayBeUtf8) {
  // Two spellings that differ in the case of ASCII letters are one; another letter is another person.
  const std::vector<std::string> lists = {
      "email\na@example.com\nj\xC3\xB6rg@example.com\nJ\xC3\xB6RG@Example.com\nj\xC3\x96rg@example.com\n",
      R"({"email":"a@example.com"}
{"email":"j\u00f6rg@example.com"}
{"email":"J\u00f6RG@Example.com"}
{"email":"j\u00d6rg@example.com"}
)"};
  for (const std::string name : {"list.csv", "list.jsonl"}) {
    use_list(lists[name == "list.jsonl"], name);
    create(name.substr(5));
    const auto facts = inspect(options_.list, stop_);
    ASSERT_TRUE(facts.ok());
    EXPECT_EQ(facts->invalid, 0U);
    const auto totals = run();
    ASSERT_TRUE(totals.ok()) << totals.error().message;
    EXPECT_EQ(totals->accepted, 3U);
    EXPECT_EQ(totals->duplicate, 1U);
    EXPECT_EQ(totals->invalid, 0U);
  }
}

}  // namespace
}  // namespace volley::intake
