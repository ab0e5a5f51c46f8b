#include "engine/smtp/command.h"

#include <gtest/gtest.h>

namespace volley::smtp {
namespace {

TEST(Command, Lines) {
  std::string out;
  MailParameters parameters;
  append_mail(out, "", parameters);
  parameters.size = 12;
  parameters.body_8bit = parameters.smtputf8 = true;
  parameters.ret = "HDRS";
  parameters.envid = "a+b=c d";
  append_mail(out, "a@example.com", parameters);
  append_rcpt(out, "b@example.net");
  append_rcpt(out, "b@example.net", {"NEVER", "b+x@example.net"});
  EXPECT_EQ(
      out,
      "MAIL FROM:<>\r\n"
      "MAIL FROM:<a@example.com> SIZE=12 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb+3Dc+20d\r\n"
      "RCPT TO:<b@example.net>\r\n"
      "RCPT TO:<b@example.net> NOTIFY=NEVER ORCPT=rfc822;b+2Bx@example.net\r\n");
}

TEST(Command, Xtext) {
  EXPECT_EQ(from_xtext("a+2Bb+20"), "a+b ");
  EXPECT_FALSE(from_xtext("a+2"));
  EXPECT_FALSE(from_xtext("a+2b"));
  EXPECT_FALSE(from_xtext("a=b"));
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  EXPECT_EQ(from_xtext(to_xtext(all)), all);
}

TEST(Command, OriginalRecipients) {
  EXPECT_EQ(to_orcpt("a+b@example.net"), "rfc822;a+2Bb@example.net");
  // RFC 6533: not xtext, but something any server can read.
  EXPECT_EQ(to_orcpt("d\xc3\xa9=\\\xf0\x9f\x93\xae@example.net"),
            "utf-8;d\\x{E9}\\x{3D}\\x{5C}\\x{1F4EE}@example.net");
  EXPECT_EQ(to_orcpt("bad\xff@example.net"), "");
  EXPECT_EQ(to_orcpt(std::string(493, 'a')).size(), 500u);
  EXPECT_EQ(to_orcpt(std::string(494, 'a')), "");
}

TEST(Command, EnvelopeIds) {
  const auto mail = [](std::string_view envid) {
    MailParameters parameters;
    parameters.envid = envid;
    std::string out;
    append_mail(out, "", parameters);
    return out;
  };
  EXPECT_EQ(mail(std::string(100, 'a')), "MAIL FROM:<> ENVID=" + std::string(100, 'a') + "\r\n");
  EXPECT_EQ(mail(std::string(101, 'a')), "MAIL FROM:<>\r\n");
  EXPECT_EQ(mail(std::string(34, '+')), "MAIL FROM:<>\r\n");  // three octets each
  EXPECT_EQ(mail("a\r\nRSET"), "MAIL FROM:<>\r\n");
}

TEST(Command, SafePaths) {
  EXPECT_TRUE(is_safe_path(""));
  EXPECT_TRUE(is_safe_path("a@example.com"));
  EXPECT_TRUE(is_safe_path("\"a b\\\"c\"@example.com"));
  for (const char* bad : {"a@b>\r\nRCPT TO:<c@d", "a\n@b", "a\r@b", "a b@c", "a>@b", "<a@b",
                          "\"a@b", "a\x7f@b", "\"a\\\r\"@b"}) {
    EXPECT_FALSE(is_safe_path(bad)) << bad;
  }
  EXPECT_FALSE(is_safe_path(std::string_view("a\0@b", 4)));
  EXPECT_FALSE(is_safe_path(std::string(255, 'a')));
}

TEST(Command, PathArguments) {
  using Status = PathArgument::Status;
  const auto parse = [](std::string_view text) { return parse_path_argument(text, "FROM:"); };
  EXPECT_EQ(parse("FROM:<a@b.example> SIZE=1 X").parameters, "SIZE=1 X");
  EXPECT_EQ(parse("from: <a@b.example>").address, "a@b.example");
  EXPECT_EQ(parse("FROM:<>").status, Status::kOk);
  EXPECT_EQ(parse("FROM:<@x.example,@y.example:a@b.example>").address, "a@b.example");
  EXPECT_EQ(parse("FROM:<\"a>b\"@b.example>").address, "\"a>b\"@b.example");
  EXPECT_EQ(parse("FROM:<PostMaster>").status, Status::kOk);
  EXPECT_EQ(parse("FROM:a@b.example").status, Status::kBadSyntax);
  EXPECT_EQ(parse("TO:<a@b.example>").status, Status::kBadSyntax);
  EXPECT_EQ(parse("FROM:<a@b.example").status, Status::kBadSyntax);
  EXPECT_EQ(parse("FROM:<a@b.example>SIZE=1").status, Status::kBadSyntax);
  for (const char* bad : {"FROM:<a>", "FROM:<@b>", "FROM:<a@>", "FROM:<a@b@c>", "FROM:<a b@c>",
                          "FROM:<a@b.>", "FROM:<@x:>", "FROM:<@x>"}) {
    EXPECT_EQ(parse(bad).status, Status::kBadPath) << bad;
  }
  EXPECT_EQ(parse("FROM:<" + std::string(65, 'a') + "@b.example>").status, Status::kBadPath);
}

}  // namespace
}  // namespace volley::smtp
