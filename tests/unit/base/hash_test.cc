#include "base/hash.h"

#include <gtest/gtest.h>

namespace volley {
namespace {

TEST(Hash, FrozenFormat) {
  // Stored on disk and in Redis: these values may never change.
  EXPECT_EQ(xxh64(""), 0x2d06800538d394c2ull);
  EXPECT_NE(xxh64("example.com"), xxh64("example.org"));
  EXPECT_NE(xxh64("example.com"), xxh64("example.com", 1));
}

TEST(Hash, KeyedDependsOnTheKey) {
  const KeyedHash one("first key"), same("first key"), two("second key");
  EXPECT_EQ(one("a@example.com"), same("a@example.com"));
  EXPECT_NE(one("a@example.com"), two("a@example.com"));
  EXPECT_NE(one("a@example.com"), one("b@example.com"));
  EXPECT_EQ(KeyedHash("")("x"), KeyedHash("")("x"));
}

TEST(Hash, Sha256Vectors) {
  EXPECT_EQ(to_hex(Sha256::of("")),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  Sha256 parts;
  parts.update("a");
  parts.update("bc");
  EXPECT_EQ(to_hex(parts.finish()),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace volley
