#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "engine/message/campaign_content.h"

namespace volley::message {
namespace {

class CampaignFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "campaign-test-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    write("news.txt", "Hello\n");
    write("news.html", "<p>Hello</p>\n");
    write("logo.png", "\x89PNG");
    write("terms.pdf", "%PDF");
    write("foot.txt", "bye");
    write("optouts.txt", "a@example.com\n");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void write(const std::string& name, const std::string& bytes) {
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
  }
  Result<CampaignSpec> load(const std::string& text) {
    write("c.toml", text);
    return load_campaign(folder_ / "c.toml");
  }
  // The message without the folder, and the code.
  std::pair<std::string, Errc> fault(const std::string& text) {
    const auto spec = load(text);
    if (spec.ok()) return {"", Errc::kInternal};
    std::string message = spec.error().message;
    const std::string prefix = folder_.string() + "/";
    for (size_t at; (at = message.find(prefix)) != std::string::npos;) {
      message.erase(at, prefix.size());
    }
    return {message, spec.error().code};
  }

  std::filesystem::path folder_;
};

const std::string kBase =
    "name = \"november\"\n"
    "from = \"Example News <news@example.com>\"\n"
    "subject = \"Hello {{first_name}}\"\n"
    "text_file = \"news.txt\"\n";

TEST_F(CampaignFile, TheSmallOne) {
  const auto spec = load(kBase + "recipients = \"list.csv\"\n");
  ASSERT_TRUE(spec.ok()) << spec.error().message;
  EXPECT_EQ(spec->identity(), "november");
  EXPECT_EQ(spec->recipients, folder_ / "list.csv");
  EXPECT_EQ(spec->priority, 10u);
  EXPECT_DOUBLE_EQ(spec->max_invalid, 0.05);
  EXPECT_FALSE(spec->sign.has_value());
  const auto content = load_content(*spec);
  ASSERT_TRUE(content.ok());
  EXPECT_EQ(content->text->text, "Hello\r\n");
  EXPECT_FALSE(content->html.has_value());
}

TEST_F(CampaignFile, EveryKey) {
  const auto spec = load(kBase + R"(
id = "nov-1"
to = "{{first_name}}"
html_file = "news.html"
reply_to = "r@example.com"
return_path = "b@example.com"
attachments = ["terms.pdf"]
list_unsubscribe = ["https://example.com/u/{{token}}", "mailto:u@example.com"]
suppress = ["optouts.txt"]
encoding = "windows-1252"
max_invalid = "10%"
rate = "100/s"
sign = false
priority = 50
[headers]
X-Campaign = "november"
Feedback-ID = "a:b"
[partials]
foot = "foot.txt"
[[inline]]
file = "logo.png"
cid = "logo"
[retry]
first_delay = "5m"
max_delay = "4h"
give_up_after = "72h"
)");
  ASSERT_TRUE(spec.ok()) << spec.error().message;
  EXPECT_EQ(spec->identity(), "nov-1");
  EXPECT_EQ(spec->encoding, ListEncoding::kWindows1252);
  EXPECT_EQ(spec->headers.size(), 2u);
  EXPECT_EQ(spec->headers[0].first, "X-Campaign");
  EXPECT_DOUBLE_EQ(*spec->rate, 100);
  EXPECT_EQ(*spec->sign, false);
  EXPECT_EQ(*spec->give_up_after, std::chrono::hours(72));
  const auto content = load_content(*spec);
  ASSERT_TRUE(content.ok()) << content.error().message;
  EXPECT_EQ(content->inline_parts.at(0).cid, "logo");
  EXPECT_EQ(content->inline_parts.at(0).type, "image/png");
  EXPECT_EQ(content->attachments.at(0).bytes, "%PDF");
  EXPECT_EQ(content->partials.at(0).second.text, "bye");
}

TEST_F(CampaignFile, FaultsNamePlaceAndRemedy) {
  using Fault = std::pair<std::string, Errc>;
  EXPECT_EQ(fault(kBase + "subjekt = \"x\"\n"),
            Fault("c.toml:5:1: unknown key \"subjekt\": did you mean \"subject\"?", Errc::kData));
  EXPECT_EQ(fault(kBase + "html_file = \"gone.html\"\n"),
            Fault("c.toml:5:1: html_file: gone.html: No such file or directory (paths are relative "
                  "to this file)",
                  Errc::kNoInput));
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"name = ", "c.toml:5:"},
      {"name = \"a\"", "c.toml:5:"},
      {"reply_to = \"{{x\"", "c.toml:5:1: reply_to:1:1:"},
      {"return_path = \"a\\nb@example.com\"", "c.toml:5:1: return_path: contains a line break"},
      {"encoding = \"latin-9\"", "c.toml:5:1: encoding"},
      {"rate = 5", "c.toml:5:8: rate"},
      {"priority = 0", "c.toml:5:1: priority"},
      {"list_unsubscribe = \"<https://example.com>\"", "c.toml:5:1: list_unsubscribe"},
      {"inline = [\"logo.png\"]", "c.toml:5:1: inline"},
      {"attachments = [1]", "c.toml:5:16: attachments"},
      {"[headers]\nBcc = \"a@example.com\"", "c.toml:6:1: header Bcc"},
      {"[headers]\nX-A = \"a\\r\\nB: c\"", "c.toml:6:1: X-A: contains a line break"},
      {"[headers]\nContent-Type = \"a\"", "c.toml:6:1: header Content-Type"},
      {"[retry]\nfirst_delay = \"5\"", "c.toml:6:15: first_delay"},
      {"[retry]\nfirst_delay = \"5h\"\nmax_delay = \"1h\"", "c.toml:7:1: max_delay"},
      {"[[attachments]]\nname = \"x\"", "c.toml:5:"},
      {"[[attachments]]\nfile = \"terms.pdf\"\ntype = \"pdf\"", "c.toml:7:1: type"}};
  for (const auto& [line, expected] : bad) {
    const Fault got = fault(kBase + line + "\n");
    EXPECT_EQ(got.first.substr(0, expected.size()), expected) << line << "\n" << got.first;
    EXPECT_EQ(got.second, Errc::kData) << line;
  }
}

TEST_F(CampaignFile, WhatMustBeThere) {
  EXPECT_NE(fault("").first, "");
  EXPECT_NE(fault("name = \"a\"\nsubject = \"s\"\ntext_file = \"news.txt\"\n")
                .first.find("from: missing"),
            std::string::npos);
  EXPECT_NE(fault("name = \"a\"\nfrom = \"nonsense\"\nsubject = \"s\"\ntext_file = \"news.txt\"\n")
                .first.find("3:"),
            0u);
  EXPECT_NE(
      fault("name = \"a\"\nfrom = \"a@example.com\"\nsubject = \"s\"\n").first.find("text_file"),
      std::string::npos);
  EXPECT_EQ(load_campaign(folder_ / "none.toml").error().code, Errc::kNoInput);
}

TEST_F(CampaignFile, BodiesMustBeUtf8) {
  write("news.txt", "ok\nna\xEFve\n");
  const auto spec = load(kBase);
  ASSERT_TRUE(spec.ok());
  const auto content = load_content(*spec);
  ASSERT_FALSE(content.ok());
  EXPECT_EQ(content.error().code, Errc::kData);
  EXPECT_NE(content.error().message.find("news.txt:2:3: not UTF-8"), std::string::npos);
  write("news.txt", std::string("a\0", 2));
  EXPECT_NE(load_content(*spec).error().message.find("NUL"), std::string::npos);
  write("news.txt", "\xEF\xBB\xBFhello\r\n");
  EXPECT_EQ(load_content(*spec)->text->text, "hello\r\n");
}

TEST_F(CampaignFile, FiftyMegabytesTogether) {
  write("big.bin", "x");
  std::filesystem::resize_file(folder_ / "big.bin", kMaxAttachmentBytes - 3);
  const auto spec = load(kBase + "attachments = [\"big.bin\", \"terms.pdf\"]\n");
  ASSERT_TRUE(spec.ok()) << spec.error().message;
  const auto content = load_content(*spec);
  ASSERT_FALSE(content.ok());
  EXPECT_EQ(content.error().code, Errc::kData);
  EXPECT_NE(content.error().message.find("50 MB"), std::string::npos);
}

}  // namespace
}  // namespace volley::message
