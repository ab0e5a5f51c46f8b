#include "engine/message/dkim.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <random>

#include "base/hash.h"
#include "engine/message/mime.h"

namespace volley::message {
namespace {

// RFC 8463, appendix A.
constexpr std::array<uint8_t, 32> kSeed = {
    0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4,
    0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60};
constexpr std::string_view kRsaKey =
    "-----BEGIN RSA PRIVATE KEY-----\n"
    "MIICXQIBAAKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi\n"
    "Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqM\n"
    "KrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB\n"
    "AoGAH0cxOhFZDgzXWhDhnAJDw5s4roOXN4OhjiXa8W7Y3rhX3FJqmJSPuC8N9vQm\n"
    "6SVbaLAE4SG5mLMueHlh4KXffEpuLEiNp9Ss3O4YfLiQpbRqE7Tm5SxKjvvQoZZe\n"
    "zHorimOaChRL2it47iuWxzxSiRMv4c+j70GiWdxXnxe4UoECQQDzJB/0U58W7RZy\n"
    "6enGVj2kWF732CoWFZWzi1FicudrBFoy63QwcowpoCazKtvZGMNlPWnC7x/6o8Gc\n"
    "uSe0ga2xAkEA8C7PipPm1/1fTRQvj1o/dDmZp243044ZNyxjg+/OPN0oWCbXIGxy\n"
    "WvmZbXriOWoSALJTjExEgraHEgnXssuk7QJBALl5ICsYMu6hMxO73gnfNayNgPxd\n"
    "WFV6Z7ULnKyV7HSVYF0hgYOHjeYe9gaMtiJYoo0zGN+L3AAtNP9huqkWlzECQE1a\n"
    "licIeVlo1e+qJ6Mgqr0Q7Aa7falZ448ccbSFYEPD6oFxiOl9Y9se9iYHZKKfIcst\n"
    "o7DUw1/hz2Ck4N5JrgUCQQCyKveNvjzkkd8HjYs0SwM0fPjK16//5qDZ2UiDGnOe\n"
    "uEzxBDAr518Z8VFbR41in3W4Y3yCDgQlLlcETrS+zYcL\n"
    "-----END RSA PRIVATE KEY-----\n";
constexpr std::string_view kHeaders =
    "From: Joe SixPack <joe@football.example.com>\r\n"
    "To: Suzie Q <suzie@shopping.example.net>\r\n"
    "Subject: Is dinner ready?\r\n"
    "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
    "Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n";
constexpr std::string_view kBody =
    "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n";
const std::vector<std::string> kNames = {"from",       "to",   "subject", "date",
                                         "message-id", "from", "subject", "date"};

std::string signature_field(std::string_view algorithm, std::string_view selector) {
  return "DKIM-Signature: v=1; a=" + std::string(algorithm) +
         "; c=relaxed/relaxed;\r\n"
         " d=football.example.com; i=@football.example.com;\r\n"
         " q=dns/txt; s=" +
         std::string(selector) +
         "; t=1528637909; h=from : to :\r\n"
         " subject : date : message-id : from : subject : date;\r\n"
         " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
         " b=";
}

TEST(Rfc8463, BodyHash) {
  EXPECT_EQ(relaxed_body_hash(kBody), "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
}

TEST(Rfc8463, Ed25519BitForBit) {
  const auto key = DkimKey::from_seed(kSeed);
  ASSERT_TRUE(key.ok());
  EXPECT_EQ(key->dns_record(),
            "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
  const std::string input =
      dkim_signing_input(kHeaders, kNames, signature_field("ed25519-sha256", "brisbane"));
  EXPECT_EQ(to_hex(Sha256::of(input)),
            "48ce9a2c710ece1710ff156996b836a7f45470e43efe5643074d6e1690ed62e7");
  EXPECT_EQ(base64(*key->sign(input)),
            "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw"
            "==");
}

TEST(Rfc8463, RsaBitForBit) {
  const auto key = DkimKey::load_pem(kRsaKey, "test.pem");
  ASSERT_TRUE(key.ok());
  EXPECT_EQ(key->bits(), 1024u);
  EXPECT_TRUE(key->weak());
  EXPECT_EQ(key->dns_record(),
            "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08"
            "a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKr"
            "M3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB");
  const std::string input =
      dkim_signing_input(kHeaders, kNames, signature_field("rsa-sha256", "test"));
  EXPECT_EQ(base64(*key->sign(input)),
            "F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1"
            "tFOeS9mPYQTnGdaSGsgeefOsk2JzdA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8"
            "=");
}

std::string relaxed(std::string_view body) {
  std::string out;
  append_relaxed_body(body, out);
  return out;
}

TEST(Relaxed, Bodies) {
  EXPECT_EQ(relaxed(" C \r\nD \t E\r\n\r\n\r\n"), " C\r\nD E\r\n");
  EXPECT_EQ(relaxed(""), "");
  EXPECT_EQ(relaxed("\r\n"), "");
  EXPECT_EQ(relaxed(" \t\r\n\r\n"), "");
  EXPECT_EQ(relaxed("\r\n a"), "\r\n a\r\n");
  EXPECT_EQ(relaxed("a\r\n \r\nb\r\n \r\n"), "a\r\n\r\nb\r\n");
  EXPECT_EQ(relaxed_body_hash(""), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
}

// A body that is relaxed already is hashed as it is.
TEST(Relaxed, TheHashIsThatOfTheRelaxedBody) {
  std::mt19937 random(1);
  const std::vector<std::string> pieces = {"word", " ", " ", "\t", "\r\n", "\r\n", "x", ".", "  "};
  for (int i = 0; i < 5000; ++i) {
    std::string body;
    const size_t kinds =
        random() % 2 == 0 ? pieces.size() : 2;  // half of them have nothing to relax but their end
    for (size_t n = random() % 12; n > 0; --n) body += pieces[random() % kinds];
    if (random() % 2 == 0) body += "\r\n";
    const auto digest = Sha256::of(relaxed(body));
    EXPECT_EQ(relaxed_body_hash(body),
              base64({reinterpret_cast<const char*>(digest.data()), digest.size()}))
        << ::testing::PrintToString(body);
  }
}

// As the RFC says it, line by line.
std::string relaxed_plainly(std::string_view body) {
  std::string out, empty_lines;
  while (!body.empty()) {
    const size_t end = std::min(body.find("\r\n"), body.size());
    std::string line;
    for (const char c : body.substr(0, end)) {
      const bool blank = c == ' ' || c == '\t';
      if (!blank) {
        line += c;
      } else if (!line.ends_with(' ')) {
        line += ' ';
      }
    }
    if (line.ends_with(' ')) line.pop_back();
    body.remove_prefix(std::min(end + 2, body.size()));
    if (line.empty()) {
      empty_lines += "\r\n";
      continue;
    }
    out += std::exchange(empty_lines, "") + line + "\r\n";
  }
  return out;
}

TEST(Relaxed, ManyBytesAtATimeAreAsOneAtATime) {
  std::mt19937 random(2);
  const std::string letters = "abcdefghijklmnopqrstuvwxyz";
  const std::vector<std::string> pieces = {" ", "  ", "\t", "\r\n", " \r\n", "\r\n\r\n", " \t", "\r", "\n"};
  for (int i = 0; i < 20000; ++i) {
    std::string body;
    for (size_t n = random() % 8; n > 0; --n) {
      body += letters.substr(0, random() % 27);
      body += pieces[random() % pieces.size()];
    }
    EXPECT_EQ(relaxed(body), relaxed_plainly(body)) << ::testing::PrintToString(body);
  }
}

std::string relaxed_header(std::string_view field) {
  std::string out;
  append_relaxed_header(field, out);
  return out;
}

TEST(Relaxed, Headers) {
  EXPECT_EQ(relaxed_header("A: X\r\n"), "a:X");
  EXPECT_EQ(relaxed_header("B : Y\t\r\n\tZ  \r\n"), "b:Y Z");
  EXPECT_EQ(relaxed_header("SubJect:"), "subject:");
}

TEST(SigningInput, PicksFromTheBottomUp) {
  const std::vector<std::string> names = {"x", "X", "x"};
  EXPECT_EQ(dkim_signing_input("X: 1\r\nY: 2\r\nX: 3\r\n", names, "DKIM-Signature: b="),
            "x:3\r\nx:1\r\ndkim-signature:b=");
}

TEST(Sign, TwoKeysOneOnTopOfTheOther) {
  DkimKeyRing ring;
  ring.add({"example.com", "r1", std::move(*DkimKey::load_pem(kRsaKey, "k"))});
  ring.add({"example.com", "e1", std::move(*DkimKey::from_seed(kSeed))});
  EXPECT_EQ(ring.warnings().size(), 1u);
  const std::string message = std::string(kHeaders) + "\r\n" + std::string(kBody);
  std::string one = message, two = message;
  ASSERT_TRUE(dkim_sign(one, ring.find("example.com"), from_ms(1700000000000)).ok());
  ASSERT_TRUE(dkim_sign(two, ring.find("example.com"), from_ms(1700000000000)).ok());
  EXPECT_EQ(one, two);
  EXPECT_TRUE(one.ends_with(message));
  EXPECT_LT(one.find("s=r1"), one.find("s=e1"));
  EXPECT_NE(one.find("h=from:from:to:to:cc:subject:subject:date:date:"), std::string::npos);
  EXPECT_EQ(one.find(" l="), std::string::npos);
  for (size_t start = 0; start < one.find("From:");) {
    const size_t end = one.find("\r\n", start);
    EXPECT_LE(end - start, 78u);
    start = end + 2;
  }
  std::string none = message;
  EXPECT_TRUE(dkim_sign(none, ring.find("example.org"), from_ms(0)).ok());
  EXPECT_EQ(none, message);
}

TEST(KeyRing, FindsTheDomainOrItsParent) {
  DkimKeyRing ring;
  ring.add({"example.com", "a", std::move(*DkimKey::from_seed(kSeed))});
  ring.add({"mail.example.com", "b", std::move(*DkimKey::from_seed(kSeed))});
  EXPECT_EQ(ring.find("Example.COM").at(0)->selector, "a");
  EXPECT_EQ(ring.find("mail.example.com").size(), 1u);
  EXPECT_EQ(ring.find("x.mail.example.com").at(0)->selector, "b");
  EXPECT_EQ(ring.find("news.example.com").at(0)->selector, "a");
  EXPECT_TRUE(ring.find("notexample.com").empty());
  EXPECT_TRUE(ring.find("com").empty());
}

TEST(Keys, GeneratedOnesLoadAgain) {
  const auto key = DkimKey::generate(DkimAlgorithm::kRsaSha256, 2048);
  ASSERT_TRUE(key.ok());
  EXPECT_FALSE(key->weak());
  const auto again = DkimKey::load_pem(key->pem(), "k");
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->dns_record(), key->dns_record());
  const std::string line = dkim_zone_line("s1", "example.com", key->dns_record());
  EXPECT_TRUE(line.starts_with("s1._domainkey.example.com. IN TXT ( \"v=DKIM1; k=rsa; p="));
  size_t quotes = 0, last = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] != '"') continue;
    if (++quotes % 2 == 0) {
      EXPECT_LE(i - last - 1, 255u);
    }
    last = i;
  }
  EXPECT_EQ(quotes, 4u);
  const auto ed = DkimKey::generate(DkimAlgorithm::kEd25519Sha256);
  ASSERT_TRUE(ed.ok());
  EXPECT_EQ(DkimKey::load_pem(ed->pem(), "k")->algorithm(), DkimAlgorithm::kEd25519Sha256);
}

TEST(Keys, BadOnesAreRefused) {
  EXPECT_EQ(DkimKey::load_pem("nonsense", "bad.pem").error().message.substr(0, 8), "bad.pem:");
  EXPECT_EQ(DkimKey::load_pem("", "x").error().code, Errc::kConfig);
  EXPECT_FALSE(DkimKey::generate(DkimAlgorithm::kRsaSha256, 512).ok());
  constexpr std::string_view kEncrypted =
      "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIC\n-----END ENCRYPTED PRIVATE KEY-----\n";
  EXPECT_FALSE(DkimKey::load_pem(kEncrypted, "x").ok());
}

TEST(KeyRing, LoadsFilesThatAreSecret) {
  std::string name = (std::filesystem::temp_directory_path() / "dkim-test-XXXXXX").string();
  ASSERT_NE(mkdtemp(name.data()), nullptr);
  const std::filesystem::path folder = name;
  const std::string file = folder / "key.pem";
  std::ofstream(file) << kRsaKey;
  const std::vector<DkimSettings> settings = {{"Example.com", "s", file}};
  chmod(file.c_str(), 0644);
  EXPECT_FALSE(DkimKeyRing::load(settings).ok());
  chmod(file.c_str(), 0600);
  const auto ring = DkimKeyRing::load(settings);
  ASSERT_TRUE(ring.ok()) << ring.error().message;
  EXPECT_EQ(ring->find("example.com").size(), 1u);
  const std::vector<DkimSettings> gone = {{"example.com", "s", file + ".gone"}};
  EXPECT_EQ(DkimKeyRing::load(gone).error().code, Errc::kConfig);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace volley::message
