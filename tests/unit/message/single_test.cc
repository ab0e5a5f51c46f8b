#include "engine/message/single.h"

#include <gtest/gtest.h>

#include "engine/message/renderer.h"

namespace volley::message {
namespace {

const Stamp kStamp = {from_ms(1700000000000), "mail.example.com"};

SingleMessage note() {
  SingleMessage m;
  m.id = "01hx";
  m.from = "Example <no-reply@example.com>";
  m.to = "Ann <ann@example.org>";
  m.subject = "Your code {{is}} 42";
  m.text = "Hi {{name}}\n";
  return m;
}

TEST(Single, IsLiteral) {
  const auto single = make_single(note());
  ASSERT_TRUE(single.ok()) << single.error().message;
  EXPECT_EQ(single->recipient.str(), "ann@example.org");
  EXPECT_EQ(single->from.domain, "example.com");
  const auto renderer = Renderer::compile(single->content, {});
  ASSERT_TRUE(renderer.ok()) << renderer.error().message;
  std::string out;
  ASSERT_TRUE((*renderer)->render({0, "ann@example.org", {}}, kStamp, out).ok());
  EXPECT_NE(out.find("Subject: Your code {{is}} 42\r\n"), std::string::npos);
  EXPECT_NE(out.find("To: Ann <ann@example.org>\r\n"), std::string::npos);
  EXPECT_TRUE(out.ends_with("Hi {{name}}\r\n"));
}

TEST(Single, OnlyTheRecipientMayNeedSmtpUtf8) {
  SingleMessage m = note();
  m.to =
      "J\xC3\xB6rg <j\xC3\xB6rg@b\xC3\xBC"
      "cher.example>";
  const auto single = make_single(m);
  ASSERT_TRUE(single.ok()) << single.error().message;
  EXPECT_EQ(single->recipient.str(), "j\xC3\xB6rg@xn--bcher-kva.example");
  m = note();
  m.from = "j\xC3\xB6rg@example.com";
  EXPECT_TRUE(make_single(m).error().message.starts_with("from: only a recipient's address"));
  m = note();
  m.headers = {{"Reply-To", "j\xC3\xB6rg@example.com"}};
  EXPECT_TRUE(make_single(m).error().message.starts_with("Reply-To: only a recipient's address"));
}

TEST(Single, RefusesWhatCouldInject) {
  auto refused = [](auto change) {
    SingleMessage m = note();
    change(m);
    const auto single = make_single(m);
    return single.ok() ? std::string() : single.error().message;
  };
  EXPECT_NE(refused([](auto& m) { m.subject = "a\r\nBcc: x@example.net"; }).find("subject"),
            std::string::npos);
  EXPECT_NE(refused([](auto& m) { m.from = "a\n <a@example.com>"; }).find("from"),
            std::string::npos);
  EXPECT_NE(refused([](auto& m) { m.to = std::string("a@example.org\0", 14); }).find("to"),
            std::string::npos);
  EXPECT_NE(refused([](auto& m) { m.to = "a@example.org, b@example.org"; }), "");
  EXPECT_NE(refused([](auto& m) { m.text = std::string("a\0b", 3); }).find("NUL"),
            std::string::npos);
  EXPECT_NE(refused([](auto& m) { m.html = "\xFF"; }).find("html"), std::string::npos);
  EXPECT_NE(refused([](auto& m) { m.text.reset(); }), "");
  EXPECT_NE(refused([](auto& m) { m.headers = {{"Bcc", "x@example.net"}}; }), "");
  EXPECT_NE(refused([](auto& m) { m.headers = {{"X-A", "b\nc"}}; }), "");
  EXPECT_NE(refused([](auto& m) { m.headers = {{"Reply-To", "nonsense"}}; }), "");
  EXPECT_EQ(refused([](auto& m) {
              m.headers = {{"Reply-To", "r@example.com"}, {"X-A", "b"}};
            }),
            "");
}

}  // namespace
}  // namespace volley::message
