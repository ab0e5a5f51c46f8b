#include "engine/message/headers.h"

#include <gtest/gtest.h>

#include <array>

namespace volley::message {
namespace {

std::string unstructured(std::string_view name, std::string_view value) {
  std::string out;
  append_unstructured(name, value, out);
  return out;
}

std::string mailbox(std::string_view display, std::string_view address) {
  std::string out;
  const Status status = append_mailbox("To", display, address, out);
  return status.ok() ? out : "error: " + status.error().message;
}

TEST(Unstructured, PlainStaysPlain) {
  EXPECT_EQ(unstructured("Subject", "Hello"), "Subject: Hello\r\n");
  EXPECT_EQ(unstructured("Subject", "  Hello \t"), "Subject: Hello\r\n");
  EXPECT_EQ(unstructured("Subject", ""), "Subject:\r\n");
  EXPECT_EQ(unstructured("Subject", "tab\there"), "Subject: tab here\r\n");
}

TEST(Unstructured, FoldsAtBlanks) {
  std::string words;
  for (int i = 0; i < 30; ++i) words += "word ";
  const std::string out = unstructured("Subject", words);
  size_t start = 0;
  std::string unfolded;
  while (start < out.size()) {
    const size_t end = out.find("\r\n", start);
    EXPECT_LE(end - start, 76u);
    unfolded += out.substr(start, end - start);
    start = end + 2;
  }
  words.pop_back();
  EXPECT_EQ(unfolded, "Subject: " + words);
}

TEST(Unstructured, EncodesWhatCannotStand) {
  EXPECT_EQ(unstructured("Subject",
                         "Gr\xC3\xBC\xC3\x9F"
                         "e"),
            "Subject: =?UTF-8?B?R3LDvMOfZQ==?=\r\n");
  EXPECT_EQ(unstructured("Subject", "a =?UTF-8?Q?x?= b"),
            "Subject: =?UTF-8?B?YSA9P1VURi04P1E/eD89IGI=?=\r\n");
  const std::string out = unstructured("Subject", std::string(5000, 'x'));
  for (size_t start = 0; start < out.size();) {
    const size_t end = out.find("\r\n", start);
    EXPECT_LE(end - start, 76u);
    start = end + 2;
  }
}

TEST(Mailbox, QuotesAndEncodes) {
  EXPECT_EQ(mailbox("", "a@example.com"), "To: a@example.com\r\n");
  EXPECT_EQ(mailbox("Ann Lee", "a@example.com"), "To: Ann Lee <a@example.com>\r\n");
  EXPECT_EQ(mailbox("Lee, \"Ann\"", "a@example.com"),
            "To: \"Lee, \\\"Ann\\\"\" <a@example.com>\r\n");
  EXPECT_EQ(mailbox("J\xC3\xBCrgen", "a@example.com"),
            "To: =?UTF-8?Q?J=C3=BCrgen?= <a@example.com>\r\n");
  EXPECT_NE(mailbox("", "j\xC3\xBC@example.com").find("SMTPUTF8"), std::string::npos);
  EXPECT_NE(mailbox("x", "a\r\n@example.com").find("control"), std::string::npos);
}

TEST(Mailbox, WritesUtf8WhereItIsAllowed) {
  std::string out;
  ASSERT_TRUE(append_mailbox("To", "J\xC3\xBCrgen", "j\xC3\xBC@example.com", out, true).ok());
  EXPECT_EQ(out, "To: =?UTF-8?Q?J=C3=BCrgen?= <j\xC3\xBC@example.com>\r\n");
  EXPECT_FALSE(append_mailbox("To", "", "j\xC3@example.com", out, true).ok());
  EXPECT_FALSE(append_mailbox("To", "", "j\xC3\xBC\r\n@example.com", out, true).ok());
}

TEST(Mailbox, LongOnesFold) {
  const std::string address = std::string(60, 'a') + "@example.com";
  EXPECT_EQ(mailbox("Somebody Important", address),
            "To: Somebody Important\r\n <" + address + ">\r\n");
}

TEST(Uris, AreBracketedFoldedAndSafe) {
  std::string out;
  const std::array<std::string, 2> uris = {"https://example.com/u?x=a b\r\nX: y>",
                                           "mailto:u@example.com"};
  ASSERT_TRUE(append_uris("List-Unsubscribe", uris, out).ok());
  EXPECT_EQ(out,
            "List-Unsubscribe: <https://example.com/u?x=a%20b%0D%0AX:%20y%3E>,\r\n"
            " <mailto:u@example.com>\r\n");
  const std::array<std::string, 1> huge = {"https://example.com/" + std::string(1000, 'x')};
  EXPECT_FALSE(append_uris("List-Unsubscribe", huge, out).ok());
}

TEST(UserHeaders, OwnedNamesAreRefused) {
  for (const char* name : {"From", "date", "MESSAGE-ID", "DKIM-Signature", "Bcc", "Received",
                           "Return-Path", "Content-Type", "content-x", "MIME-Version", "Subject",
                           "To", "", "X Y", "X:Y", "X\r\nY", "\xC3\xA4"}) {
    EXPECT_FALSE(check_user_header_name(name).ok()) << name;
  }
  for (const char* name : {"X-Campaign", "Feedback-ID", "List-ID", "Auto-Submitted", "Contents"}) {
    EXPECT_TRUE(check_user_header_name(name).ok()) << name;
  }
}

TEST(UserHeaders, ValuesAreOneLineOfUtf8) {
  EXPECT_TRUE(check_header_text("x", "gr\xC3\xBC").ok());
  EXPECT_FALSE(check_header_text("x", "a\nb").ok());
  EXPECT_FALSE(check_header_text("x", "a\rb").ok());
  EXPECT_FALSE(check_header_text("x", std::string("a\0b", 3)).ok());
  EXPECT_FALSE(check_header_text("x", "gr\xFC").ok());
}

TEST(Date, IsRfc5322) {
  EXPECT_EQ(date_header(from_ms(880106106000)), "Fri, 21 Nov 1997 09:55:06 +0000");
  EXPECT_EQ(date_header(from_ms(0)), "Thu, 01 Jan 1970 00:00:00 +0000");
}

}  // namespace
}  // namespace volley::message
