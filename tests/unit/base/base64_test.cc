#include "base/base64.h"

#include <gtest/gtest.h>

namespace volley {
namespace {

TEST(Base64, Rfc4648Vectors) {
  const std::pair<const char*, const char*> kVectors[] = {{"", ""},
                                                          {"f", "Zg=="},
                                                          {"fo", "Zm8="},
                                                          {"foo", "Zm9v"},
                                                          {"foob", "Zm9vYg=="},
                                                          {"fooba", "Zm9vYmE="},
                                                          {"foobar", "Zm9vYmFy"},
                                                          {"\xFF\xFE\xFD", "//79"}};
  for (const auto& [plain, encoded] : kVectors) {
    EXPECT_EQ(to_base64(plain), encoded);
    EXPECT_EQ(from_base64(encoded), plain);
  }
}

TEST(Base64, EveryOctetComesBack) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) {
    EXPECT_EQ(from_base64(to_base64(bytes)), bytes) << i;
    bytes += static_cast<char>(i);
  }
}

TEST(Base64, AppendsToWhatIsThere) {
  std::string out = "v=";
  append_base64("foo", out);
  EXPECT_EQ(out, "v=Zm9v");
}

TEST(Base64, NothingElseIsTaken) {
  for (const char* text : {"Z", "Zg", "Zg=", "Zm9", "Zm9v ", " Zm9", "Zm=v",
                           "Zm9v====", "====", "Zg==Zg==", "Zm9v\r\n", "Zm-v", "Zm_v", "ok, go on",
                           "\xC3\xA9\xC3\xA9"}) {
    EXPECT_EQ(from_base64(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace volley
