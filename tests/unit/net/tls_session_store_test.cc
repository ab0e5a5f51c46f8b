#include "base/net/tls_session_store.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>

namespace volley::net {
namespace {

using std::chrono::seconds;

constexpr TimePoint kStart{seconds(1000)};

RememberedSession made(const std::string& der, TimePoint since = kStart) {
  RememberedSession session;
  session.der = der;
  session.trust = TlsTrust::kPkix;
  session.since = since;
  return session;
}

TEST(TlsSessionStore, TheLastOneOfAKeyCounts) {
  TlsSessionStore store(10, seconds(60));
  EXPECT_FALSE(store.recall("a", kStart));
  store.remember("a", made("one"));
  store.remember("b", made("other"));
  store.remember("a", made("two"));
  EXPECT_EQ(store.size(), 2u);
  const auto found = store.recall("a", kStart);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->der, "two");
  EXPECT_EQ(found->trust, TlsTrust::kPkix);
}

TEST(TlsSessionStore, TheOneLongestNotRenewedGoes) {
  TlsSessionStore store(2, seconds(60));
  store.remember("a", made("a"));
  store.remember("b", made("b"));
  store.remember("a", made("a"));
  store.remember("c", made("c"));
  EXPECT_EQ(store.size(), 2u);
  EXPECT_TRUE(store.recall("a", kStart));
  EXPECT_FALSE(store.recall("b", kStart));
  EXPECT_TRUE(store.recall("c", kStart));
}

TEST(TlsSessionStore, OldOnesGo) {
  TlsSessionStore store(2, seconds(60));
  store.remember("a", made("a"));
  EXPECT_TRUE(store.recall("a", kStart + seconds(59)));
  EXPECT_FALSE(store.recall("a", kStart + seconds(60)));
  EXPECT_EQ(store.size(), 0u);
}

TEST(TlsSessionStore, WhatWasReadBackIsKeptInPlaceOfTheBytes) {
  TlsSessionStore store(2, seconds(60));
  store.remember("a", made("one"));
  const auto first = store.recall("a", kStart);
  const std::shared_ptr<ssl_session_st> open(SSL_SESSION_new(), SSL_SESSION_free);
  store.keep_open("a", first->number + 1, open);
  EXPECT_EQ(store.recall("a", kStart)->der, "one");
  store.keep_open("a", first->number, open);
  const auto second = store.recall("a", kStart);
  EXPECT_EQ(second->open, open);
  EXPECT_EQ(second->der, "");
  EXPECT_EQ(second->trust, TlsTrust::kPkix);
  store.keep_open("b", first->number, open);
  EXPECT_EQ(store.size(), 1u);
}

TEST(TlsSessionStore, ForgetsOnlyTheOneThatFailed) {
  TlsSessionStore store(2, seconds(60));
  store.remember("a", made("one"));
  const auto first = store.recall("a", kStart);
  store.remember("a", made("two"));
  store.forget("a", first->number);
  const auto second = store.recall("a", kStart);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->der, "two");
  store.forget("a", second->number);
  EXPECT_FALSE(store.recall("a", kStart));
  store.forget("a", second->number);
  EXPECT_EQ(store.size(), 0u);
}

}  // namespace
}  // namespace volley::net
