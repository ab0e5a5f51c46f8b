#include "engine/message/renderer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

namespace volley::message {
namespace {

const std::vector<std::string> kColumns = {"email", "first_name", "token"};

Content basic() {
  Content c;
  c.id = "november news";
  c.source = "november.toml";
  c.from = "Example News <news@example.com>";
  c.subject = "Hello {{first_name}}";
  c.text = PartText{"news.txt", "Dear {{first_name}},\r\nbye\r\n"};
  return c;
}

std::unique_ptr<Renderer> compile(const Content& content) {
  auto renderer = Renderer::compile(content, kColumns);
  EXPECT_TRUE(renderer.ok()) << (renderer.ok() ? "" : renderer.error().message);
  return renderer.ok() ? std::move(*renderer) : nullptr;
}

std::string fault(const Content& content) {
  const auto renderer = Renderer::compile(content, kColumns);
  return renderer.ok() ? "" : renderer.error().message;
}

const Stamp kStamp = {from_ms(1700000000000), "mail.example.com"};

Result<std::string> render(const Content& content, std::string_view name = "Ann",
                           std::string_view token = "t0k") {
  const auto renderer = compile(content);
  const std::array<std::string_view, 3> values = {"ann@example.org", name, token};
  std::string out;
  Status status = renderer->render({17, "ann@example.org", values}, kStamp, out);
  if (!status.ok()) return status.error();
  return out;
}

TEST(Renderer, WritesTheWholeMessage) {
  const std::string id = compile(basic())->message_id(17, kStamp);
  EXPECT_TRUE(id.starts_with("november-news.17."));
  EXPECT_TRUE(id.ends_with("@mail.example.com"));
  EXPECT_EQ(*render(basic()),
            "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
            "From: Example News <news@example.com>\r\n"
            "To: ann@example.org\r\n"
            "Subject: Hello Ann\r\n"
            "Message-ID: <" +
                id +
                ">\r\n"
                "MIME-Version: 1.0\r\n"
                "Content-Type: text/plain; charset=utf-8\r\n"
                "Content-Transfer-Encoding: 7bit\r\n"
                "\r\n"
                "Dear Ann,\r\nbye\r\n");
}

TEST(Renderer, SameBytesEveryTime) {
  Content c = basic();
  c.html = PartText{"news.html", "<p>{{first_name}}</p>"};
  EXPECT_EQ(*render(c), *render(c));
  const auto renderer = compile(c);
  EXPECT_NE(renderer->message_id(1, kStamp), renderer->message_id(2, kStamp));
}

// Who looks at a message before it is sent sees what will be sent, but for the Date.
TEST(Renderer, TheDateChangesOnlyTheDate) {
  Content c = basic();
  c.html = PartText{"news.html", "<p>{{first_name}}</p>"};
  Stamp later = kStamp;
  later.date += std::chrono::seconds(1);
  const auto renderer = compile(c);
  const std::array<std::string_view, 3> values = {"ann@example.org", "Ann", "t0k"};
  std::string first, second;
  ASSERT_TRUE(renderer->render({17, "ann@example.org", values}, kStamp, first).ok());
  ASSERT_TRUE(renderer->render({17, "ann@example.org", values}, later, second).ok());
  EXPECT_NE(first, second);
  EXPECT_EQ(first.substr(first.find("\r\n")), second.substr(second.find("\r\n")));
}

TEST(Renderer, MessageIdsAndBoundariesDependOnContentAndNumber) {
  const auto suffix = [](const Content& content, uint64_t number) {
    const std::string id = compile(content)->message_id(number, kStamp);
    return id.substr(id.rfind('.', id.find('@')));
  };
  const auto boundary = [](const Content& content, uint64_t number) {
    std::string out;
    EXPECT_TRUE(compile(content)->render({number, "ann@example.org", {}}, kStamp, out).ok());
    const size_t at = out.find("boundary=");
    return out.substr(at, out.find("\r\n", at) - at);
  };
  Content c = basic();
  c.html = PartText{"news.html", "<p>{{first_name}}</p>"};
  EXPECT_NE(suffix(c, 1), suffix(c, 2));
  EXPECT_NE(boundary(c, 1), boundary(c, 2));
  Content moved = c;
  moved.source = "elsewhere/november.toml";
  moved.html->source = "elsewhere/news.html";
  EXPECT_EQ(suffix(c, 1), suffix(moved, 1));
  EXPECT_EQ(boundary(c, 1), boundary(moved, 1));
  Content changed = c;
  changed.subject += "!";
  EXPECT_NE(suffix(c, 1), suffix(changed, 1));
  EXPECT_NE(boundary(c, 1), boundary(changed, 1));
  // Identities that a Message-ID writes alike, and single messages, which all have number 0.
  Content other = c;
  other.id = "november.news";
  EXPECT_NE(compile(c)->message_id(1, kStamp), compile(other)->message_id(1, kStamp));
  EXPECT_NE(boundary(c, 0), boundary(other, 0));
}

TEST(Renderer, OnlyThePartsThatExist) {
  Content c = basic();
  EXPECT_EQ(render(c)->find("multipart"), std::string::npos);
  c.html = PartText{"news.html", "<img src=\"cid:logo\">"};
  EXPECT_NE(render(c)->find("multipart/alternative"), std::string::npos);
  EXPECT_EQ(render(c)->find("multipart/mixed"), std::string::npos);
  c.inline_parts.push_back({"logo.png", "image/png", "logo", "\x89PNG"});
  c.attachments.push_back({"a.pdf", "application/pdf", "", "%PDF"});
  const std::string all = *render(c);
  EXPECT_LT(all.find("multipart/mixed"), all.find("multipart/alternative"));
  EXPECT_LT(all.find("multipart/alternative"), all.find("multipart/related"));
  EXPECT_NE(all.find("Content-ID: <logo>"), std::string::npos);
  c.text.reset();
  EXPECT_EQ(render(c)->find("multipart/alternative"), std::string::npos);
}

TEST(Renderer, EscapesInTheHtmlPartOnly) {
  Content c = basic();
  c.html = PartText{"news.html", "<p>{{first_name}}</p>"};
  const std::string out = *render(c, "<A&B>");
  EXPECT_NE(out.find("Dear <A&B>,"), std::string::npos);
  EXPECT_NE(out.find("<p>&lt;A&amp;B&gt;</p>"), std::string::npos);
  EXPECT_NE(out.find("Subject: Hello <A&B>\r\n"), std::string::npos);
}

TEST(Renderer, DataCannotInject) {
  Content c = basic();
  c.to = "{{first_name}}";
  c.headers = {{"X-Name", "{{{first_name}}}"}};
  c.reply_to = "Reply <r-{{token}}@example.com>";
  const std::string out = *render(c, "x\r\nBcc: evil@example.net\n\n<html>");
  const std::string header = out.substr(0, out.find("\r\n\r\n"));
  EXPECT_EQ(header.find("\r\nBcc:"), std::string::npos);
  EXPECT_EQ(header.find("\r\n<html>"), std::string::npos);
  EXPECT_NE(header.find("Reply-To: Reply <r-t0k@example.com>"), std::string::npos);
  EXPECT_FALSE(render(c, "Ann", "bad token@").ok());
}

TEST(Renderer, LoneLineEndsAndLongLinesNeverLeave) {
  Content c = basic();
  const std::string out = *render(c, "a\n.\nb\r.\r" + std::string(3000, 'x'));
  size_t start = 0;
  for (size_t i = 0; i < out.size(); ++i) {
    if (out[i] == '\n') {
      ASSERT_EQ(out[i - 1], '\r');
      EXPECT_LE(i - 1 - start, 998u);
      start = i + 1;
    }
    if (out[i] == '\r') {
      ASSERT_EQ(out[i + 1], '\n');
    }
  }
  EXPECT_TRUE(out.ends_with("\r\n"));
}

TEST(Renderer, NulIsTheRecipientsFault) {
  const auto out = render(basic(), std::string_view("a\0b", 3));
  ASSERT_FALSE(out.ok());
  EXPECT_EQ(out.error().code, Errc::kData);
}

TEST(Renderer, ABoundaryInTheTextCannotEndAPart) {
  Content c = basic();
  c.html = PartText{"news.html", "<p>hi</p>"};
  const std::string first = *render(c);
  const size_t at = first.find("boundary=\"") + 10;
  const std::string mark = first.substr(at, first.find('"', at) - at);
  const std::string out = *render(c, "x\n--" + mark + "--\n");
  size_t seen = 0;
  for (size_t i = 0; (i = out.find("\r\n--" + mark, i)) != std::string::npos; ++i) ++seen;
  EXPECT_EQ(seen, 3u);
}

TEST(Renderer, ListUnsubscribeIsOneClickWithHttps) {
  Content c = basic();
  c.list_unsubscribe = {"https://example.com/u?e={{email}}&t={{token}}", "mailto:u@example.com"};
  const std::string out = *render(c, "Ann", "a+b");
  EXPECT_NE(out.find("List-Unsubscribe: <https://example.com/u?e=ann%40example.org&t=a%2Bb>,\r\n"
                     " <mailto:u@example.com>\r\n"
                     "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"),
            std::string::npos);
  c.list_unsubscribe = {"mailto:u@example.com"};
  EXPECT_EQ(render(c)->find("One-Click"), std::string::npos);
  c.list_unsubscribe = {"{{token}}"};
  EXPECT_FALSE(render(c, "Ann", "not a uri").ok());
  EXPECT_NE(render(c, "Ann", "https://example.com/?a=1&b=2")->find("/?a=1&b=2>"),
            std::string::npos);
}

TEST(Renderer, HeadersThatSayNothingAreLeftOut) {
  Content c = basic();
  c.headers = {{"X-Token", "{{token}}"}, {"Feedback-ID", "a:b"}};
  EXPECT_EQ(render(c, "Ann", "")->find("X-Token"), std::string::npos);
  EXPECT_NE(render(c, "Ann", "")->find("Feedback-ID: a:b\r\n"), std::string::npos);
}

TEST(Renderer, TheDisplayNamesMayBeTemplates) {
  Content c = basic();
  c.from = "{{token}} Shop <news@example.com>";
  c.to = "{{first_name}} <{{email}}>";
  const std::string out = *render(c, "J\xC3\xBCrgen", "Big");
  EXPECT_NE(out.find("From: Big Shop <news@example.com>\r\n"), std::string::npos);
  EXPECT_NE(out.find("To: =?UTF-8?Q?J=C3=BCrgen?= <ann@example.org>\r\n"), std::string::npos);
}

TEST(Renderer, EnvelopeSender) {
  std::string out;
  ASSERT_TRUE(compile(basic())->return_path({1, "x@example.org", {}}, out).ok());
  EXPECT_EQ(out, "news@example.com");
  Content c = basic();
  c.return_path = "b-{{token}}@bounce.example.com";
  const std::array<std::string_view, 3> values = {"", "", "17"};
  ASSERT_TRUE(compile(c)->return_path({1, "x@example.org", values}, out).ok());
  EXPECT_EQ(out, "b-17@bounce.example.com");
  const std::array<std::string_view, 3> bad = {"", "", "1 7\r\n"};
  EXPECT_FALSE(compile(c)->return_path({1, "x@example.org", bad}, out).ok());
}

TEST(Renderer, OnlyTheRecipientsAddressIsEverRawUtf8) {
  Content c = basic();
  c.to = "{{first_name}} <{{email}}>";
  const std::string address = "j\xC3\xB6rg@example.org";
  const std::array<std::string_view, 3> values = {address, "J\xC3\xB6rg", ""};
  std::string out;
  ASSERT_TRUE(compile(c)->render({17, address, values}, kStamp, out).ok());
  const std::string line = "\r\nTo: =?UTF-8?B?SsO2cmc=?= <" + address + ">\r\n";
  const size_t at = out.find(line);
  ASSERT_NE(at, std::string::npos) << out;
  out.erase(at, line.size());
  EXPECT_TRUE(std::all_of(out.begin(), out.end(), [](char ch) { return (ch & 0x80) == 0; })) << out;
}

TEST(Renderer, OtherAddressesStayAscii) {
  const std::string utf8 = "j\xC3\xB6rg@example.org";
  Content c = basic();
  c.from = utf8;
  EXPECT_NE(fault(c).find("SMTPUTF8"), std::string::npos);
  c = basic();
  c.reply_to = utf8;
  EXPECT_NE(fault(c).find("Reply-To: only a recipient's address"), std::string::npos);
  c = basic();
  c.return_path = utf8;
  EXPECT_NE(fault(c).find("return_path: only a recipient's address"), std::string::npos);
  c = basic();
  c.to = "Members <" + utf8 + ">";
  EXPECT_NE(fault(c).find("to: only a recipient's address"), std::string::npos);
  c = basic();
  c.return_path = "{{email}}";
  const std::array<std::string_view, 3> values = {utf8, "", ""};
  std::string out;
  EXPECT_FALSE(compile(c)->return_path({1, utf8, values}, out).ok());
}

TEST(Compile, NamesFilePlaceAndRemedy) {
  Content c = basic();
  c.text->text = "Dear\r\n {{frist_name}}";
  EXPECT_EQ(fault(c),
            "news.txt:2:2: no column is called `frist_name`; there are: email, first_name, token");
  c = basic();
  c.subject = "{{nope}}";
  EXPECT_EQ(fault(c).substr(0, 27), "november.toml: subject:1:1:");
  c = basic();
  c.from = "{{token}}@example.com";
  EXPECT_NE(fault(c).find("display name"), std::string::npos);
  c = basic();
  c.from = "nonsense";
  EXPECT_NE(fault(c), "");
  c = basic();
  c.text.reset();
  EXPECT_NE(fault(c).find("text_file"), std::string::npos);
  c = basic();
  c.return_path = "nonsense";
  EXPECT_NE(fault(c).find("return_path"), std::string::npos);
  c = basic();
  c.inline_parts.push_back({"a.png", "image/png", "a", "x"});
  EXPECT_NE(fault(c).find("html_file"), std::string::npos);
}

TEST(Compile, VariablesAreKnownBeforeAnyList) {
  Content c = basic();
  c.headers = {{"X-T", "{{token}}"}};
  const auto names = content_variables(c);
  ASSERT_TRUE(names.ok());
  ASSERT_EQ(names->size(), 2u);
  EXPECT_EQ(names->at(0).name, "first_name");
  EXPECT_EQ(names->at(1).name, "token");
}

TEST(ContentBytes, ComeBackTheSame) {
  Content c = basic();
  c.html = PartText{"h", "<p>"};
  c.headers = {{"X-A", "b"}};
  c.list_unsubscribe = {"https://example.com"};
  c.partials = {{"p", {"p.txt", "x"}}};
  c.attachments = {{"a", "b", "c", std::string("\0\xFF", 2)}};
  c.inline_parts = {{"d", "e", "f", "g"}};
  const std::string bytes = c.to_bytes();
  const auto back = Content::from_bytes(bytes);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, c);
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(Content::from_bytes(std::string_view(bytes).substr(0, size)).ok());
  }
  EXPECT_FALSE(Content::from_bytes(bytes + "x").ok());
  std::string newer = bytes;
  newer[4] = 2;
  EXPECT_NE(Content::from_bytes(newer).error().message.find("newer"), std::string::npos);
}

TEST(ContentBytes, TheFingerprintKnowsContentNotPlaces) {
  Content c = basic();
  const std::string print = c.fingerprint();
  EXPECT_EQ(print.size(), 64u);
  c.source = "elsewhere/november.toml";
  c.text->source = "elsewhere/news.txt";
  EXPECT_EQ(c.fingerprint(), print);
  c.subject += "!";
  EXPECT_NE(c.fingerprint(), print);
}

}  // namespace
}  // namespace volley::message
