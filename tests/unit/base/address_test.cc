#include "base/address.h"

#include <gtest/gtest.h>

namespace volley {
namespace {

std::string reason(std::string_view text) {
  const Result<Address> parsed = parse_address(text);
  if (parsed) return "accepted: " + parsed->str();
  EXPECT_EQ(parsed.error().code, Errc::kData);
  return parsed.error().message;
}

TEST(Address, SplitsAndLowersOnlyTheDomain) {
  const Result<Address> parsed = parse_address("John.Smith+News@Example.COM");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->local, "John.Smith+News");
  EXPECT_EQ(parsed->domain, "example.com");
  EXPECT_FALSE(parsed->utf8);
  EXPECT_EQ(parsed->str(), "John.Smith+News@example.com");
}

TEST(Address, AcceptsEveryAtomCharacter) {
  EXPECT_TRUE(parse_address("!#$%&'*+-/=?^_`{|}~aZ09@example.com"));
  EXPECT_TRUE(parse_address("a@x1.example"));
  EXPECT_TRUE(parse_address("a@1.2.example"));
  EXPECT_TRUE(parse_address("a@xn--bcher-kva.example"));
}

TEST(Address, AcceptsQuotedLocalParts) {
  const Result<Address> parsed = parse_address("\"a b@c\\\"d\"@example.com");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->local, "\"a b@c\\\"d\"");
  EXPECT_EQ(parsed->domain, "example.com");
  EXPECT_EQ(reason("\"abc@example.com"), "no closing quote in local part");
  EXPECT_EQ(reason("\"a\"b@example.com"), "text after the closing quote");
  EXPECT_EQ(reason("\"a\\@example.com"), "bad quoting in local part");
}

TEST(Address, RefusesWithAReason) {
  EXPECT_EQ(reason(""), "empty address");
  EXPECT_EQ(reason("nobody"), "no @");
  EXPECT_EQ(reason("@example.com"), "no local part");
  EXPECT_EQ(reason("a@"), "no domain");
  EXPECT_EQ(reason("a@b@example.com"), "more than one @");
  EXPECT_EQ(reason("a b@example.com"), "space");
  EXPECT_EQ(reason(" a@example.com"), "space");
  EXPECT_EQ(reason("a,b@example.com"), "bad character in local part");
  EXPECT_EQ(reason("a..b@example.com"), "two dots in a row");
  EXPECT_EQ(reason(".a@example.com"), "dot at the edge of the local part");
  EXPECT_EQ(reason("a.@example.com"), "dot at the edge of the local part");
  EXPECT_EQ(reason("a@localhost"), "no dot in domain");
  EXPECT_EQ(reason("a@example..com"), "empty label in domain");
  EXPECT_EQ(reason("a@.example.com"), "empty label in domain");
  EXPECT_EQ(reason("a@example.com."), "empty label in domain");
  EXPECT_EQ(reason("a@-example.com"), "hyphen at the edge of a label");
  EXPECT_EQ(reason("a@example-.com"), "hyphen at the edge of a label");
  EXPECT_EQ(reason("a@exam_ple.com"), "bad character in domain");
  EXPECT_EQ(reason("a@192.0.2.1"), "top-level domain is a number");
  EXPECT_EQ(reason("a@[192.0.2.1]"), "address literals are not accepted");
}

TEST(Address, RefusesEveryControlCharacter) {
  for (int c = 0; c < 128; ++c) {
    if (c >= 32 && c != 127) continue;
    const char byte = static_cast<char>(c);
    EXPECT_EQ(reason(std::string("a") + byte + "b@example.com"), "control character") << c;
    EXPECT_EQ(reason(std::string("\"a") + byte + "b\"@example.com"), "control character") << c;
    EXPECT_EQ(reason(std::string("a@exam") + byte + "ple.com"), "control character") << c;
  }
  EXPECT_EQ(reason("a\xC2\x85z@example.com"), "control character");
}

TEST(Address, LengthsAtTheirEdges) {
  EXPECT_TRUE(parse_address(std::string(64, 'a') + "@example.com"));
  EXPECT_EQ(reason(std::string(65, 'a') + "@example.com"), "local part too long");
  EXPECT_TRUE(parse_address("a@" + std::string(63, 'b') + ".com"));
  EXPECT_EQ(reason("a@" + std::string(64, 'b') + ".com"), "domain label too long");
  const std::string long_domain = std::string(63, 'b') + '.' + std::string(63, 'c') + '.' +
                                  std::string(63, 'd') + '.' + std::string(58, 'e') + ".f";
  ASSERT_EQ(long_domain.size(), 252u);
  EXPECT_TRUE(parse_address("a@" + long_domain));
  EXPECT_EQ(reason("aa@" + long_domain), "address too long");
  EXPECT_EQ(reason("a@" + long_domain + "ggg.h"), "domain too long");
}

TEST(Address, InternationalDomainsBecomeALabels) {
  const Result<Address> parsed = parse_address(
      "info@B\xC3\xBC"
      "cher.example");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->domain, "xn--bcher-kva.example");
  EXPECT_FALSE(parsed->utf8);
  // Nontransitional: sharp s stays itself.
  const Result<Address> sharp = parse_address("a@fa\xC3\x9F.example");
  ASSERT_TRUE(sharp);
  EXPECT_EQ(sharp->domain, "xn--fa-hia.example");
  EXPECT_EQ(reason("a@b\xC3.example"), "not UTF-8");
  EXPECT_EQ(reason("a@b\xC3\xBC"
                   "cher"),
            "no dot in domain");
}

TEST(Address, NonAsciiLocalPartsNeedSmtpUtf8) {
  const Result<Address> parsed = parse_address("j\xC3\xB6rg@example.com");
  ASSERT_TRUE(parsed);
  EXPECT_TRUE(parsed->utf8);
  EXPECT_EQ(parsed->local, "j\xC3\xB6rg");
  EXPECT_EQ(parsed->str(), "j\xC3\xB6rg@example.com");
  EXPECT_EQ(reason("j\xC3rg@example.com"), "not UTF-8");
  EXPECT_EQ(reason("a\xC2\x85"
                   "b@example.com"),
            "control character");
  // As it was given: o and a combining diaeresis stay two.
  const Result<Address> apart = parse_address("jo\xCC\x88rg@B\xC3\xBC"
                                              "cher.example");
  ASSERT_TRUE(apart);
  EXPECT_EQ(apart->str(), "jo\xCC\x88rg@xn--bcher-kva.example");
  const Result<Address> quoted = parse_address("\"j\xC3\xB6rg m\"@example.com");
  ASSERT_TRUE(quoted);
  EXPECT_TRUE(quoted->utf8);
}

TEST(Address, TheLengthOfALocalPartIsInOctets) {
  std::string local;
  for (int i = 0; i < 32; ++i) local += "\xC3\xB6";
  EXPECT_TRUE(parse_address(local + "@example.com"));
  EXPECT_EQ(reason(local + "x@example.com"), "local part too long");
}

TEST(Mailbox, ReadsTheThreeForms) {
  const Result<Mailbox> plain = parse_mailbox("news@example.com");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->name, "");
  EXPECT_EQ(plain->address.str(), "news@example.com");

  const Result<Mailbox> named = parse_mailbox(" Example News <news@example.com> ");
  ASSERT_TRUE(named);
  EXPECT_EQ(named->name, "Example News");
  EXPECT_EQ(named->address.str(), "news@example.com");

  const Result<Mailbox> quoted = parse_mailbox("\"News, \\\"daily\\\"\" <n@example.com>");
  ASSERT_TRUE(quoted);
  EXPECT_EQ(quoted->name, "News, \"daily\"");

  const Result<Mailbox> bare = parse_mailbox("<n@example.com>");
  ASSERT_TRUE(bare);
  EXPECT_EQ(bare->name, "");
}

TEST(Mailbox, RefusesHeaderInjectionAndLists) {
  EXPECT_FALSE(parse_mailbox("News\r\nBcc: x@example.com <n@example.com>"));
  EXPECT_FALSE(parse_mailbox("a@example.com, B <b@example.com>"));
  EXPECT_FALSE(parse_mailbox("\"News <n@example.com>"));
  EXPECT_FALSE(parse_mailbox("News n@example.com>"));
  EXPECT_FALSE(parse_mailbox("News <n@example.com"));
  EXPECT_FALSE(parse_mailbox("\xFF <n@example.com>"));
}

TEST(Fold, SamePersonSameKey) {
  EXPECT_EQ(fold_address("John@Example.COM"), "john@example.com");
  EXPECT_EQ(fold_address("J\xC3\xB6RG@example.com"), "j\xC3\xB6rg@example.com");
  EXPECT_NE(fold_address("j\xC3\x96rg@example.com"), fold_address("j\xC3\xB6rg@example.com"));
  EXPECT_NE(fold_address("a@example.com"), fold_address("b@example.com"));
  EXPECT_EQ(fold_address("\xFF"
                         "A"),
            "\xFF"
            "a");
}

TEST(Fqdn, WhatEhloMayCarry) {
  EXPECT_TRUE(is_fqdn("mail.example.com"));
  EXPECT_TRUE(is_fqdn("MAIL.example.com"));
  EXPECT_FALSE(is_fqdn("localhost"));
  EXPECT_FALSE(is_fqdn("mail.example.com."));
  EXPECT_FALSE(is_fqdn("mail_1.example.com"));
  EXPECT_FALSE(is_fqdn("192.0.2.1"));
  EXPECT_FALSE(is_fqdn(""));
  EXPECT_FALSE(is_fqdn("a.example\r\n.com"));
}

TEST(Address, LocalPartsAreHidden) {
  EXPECT_EQ(hide_local_parts("550 5.1.1 <ann@example.com>: unknown"), "550 5.1.1 <*@example.com>: unknown");
  EXPECT_EQ(hide_local_parts("ann.b+c@example.com, bob@example.org"), "*@example.com, *@example.org");
  EXPECT_EQ(hide_local_parts(R"(<"ann lee"@example.com>)"), "<*@example.com>");
  EXPECT_EQ(hide_local_parts("450 busy @ noon"), "450 busy @ noon");
  EXPECT_EQ(hide_local_parts(""), "");
}

}  // namespace
}  // namespace volley
