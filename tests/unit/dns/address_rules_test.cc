#include "dns/address_rules.h"

#include <gtest/gtest.h>

#include <set>

#include "dns/cache.h"

namespace volley::dns {
namespace {

using std::chrono::seconds;
using Family = net::Endpoint::Family;

Reply with_v4(std::initializer_list<std::array<uint8_t, 4>> addresses, uint32_t ttl = 300) {
  Reply reply;
  reply.answer.a = addresses;
  reply.answer.ttl = ttl;
  return reply;
}
Reply with_v6(size_t count, uint32_t ttl = 300) {
  Reply reply;
  for (size_t i = 0; i < count; ++i) {
    reply.answer.aaaa.push_back(
        {0x26, 0x06, 0x47, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, static_cast<uint8_t>(i + 1)});
  }
  reply.answer.ttl = ttl;
  return reply;
}
Reply no_record() { return {}; }
Reply failed() {
  Reply reply;
  reply.failed = true;
  reply.detail = "SERVFAIL from 192.0.2.53:53";
  return reply;
}
Reply nxdomain() {
  Reply reply;
  reply.answer.rcode = 3;
  reply.answer.negative_ttl = 120;
  return reply;
}

TEST(JoinAddresses, V6First) {
  AddressAnswer a = join_addresses({with_v4({{192, 0, 2, 1}}), with_v6(1, 100)}, false);
  ASSERT_EQ(a.addresses.size(), 2u);
  EXPECT_EQ(a.addresses[0].family(), Family::kV6);
  EXPECT_EQ(a.addresses[1].host(), "192.0.2.1");
  EXPECT_EQ(a.addresses[1].port(), 0);
  EXPECT_EQ(a.ttl, seconds(100));
  EXPECT_FALSE(a.permanent);
}

TEST(JoinAddresses, OneFamilyFailingDoesNoHarm) {
  AddressAnswer a = join_addresses({with_v4({{192, 0, 2, 1}}), failed()}, false);
  EXPECT_EQ(a.addresses.size(), 1u);
  EXPECT_EQ(a.ttl, failure_ttl()) << "so that the other family is asked for again soon";
}

Reply signed_reply(Reply reply) {
  reply.answer.authenticated = true;
  return reply;
}

TEST(JoinAddresses, AuthenticatedWhenEveryReplyUsedIs) {
  const Reply v4 = with_v4({{192, 0, 2, 1}}), v6 = with_v6(1);
  auto authenticated = [](const AddressParts& parts) {
    return join_addresses(parts, false).authenticated;
  };
  EXPECT_TRUE(authenticated({signed_reply(v4), signed_reply(v6)}));
  EXPECT_TRUE(authenticated({signed_reply(v4), std::nullopt}));
  EXPECT_TRUE(authenticated({signed_reply(v4), signed_reply(no_record())}));
  EXPECT_TRUE(authenticated({signed_reply(v4), failed()})) << "a failure is not used";
  EXPECT_TRUE(authenticated({failed(), signed_reply(v6)}));
  EXPECT_FALSE(authenticated({signed_reply(v4), v6}));
  EXPECT_FALSE(authenticated({v4, signed_reply(v6)}));
  EXPECT_FALSE(authenticated({signed_reply(v4), no_record()}));
  EXPECT_FALSE(authenticated({v4, std::nullopt}));
  EXPECT_FALSE(authenticated({failed(), failed()}));
}

TEST(JoinAddresses, CanonicalNameOfWhatHasAddresses) {
  auto named = [](Reply reply, const char* owner) {
    reply.answer.owner = owner;
    return reply;
  };
  auto canonical = [](const AddressParts& parts) { return join_addresses(parts, false).canonical; };
  EXPECT_EQ(canonical({named(with_v4({{192, 0, 2, 1}}), "a"), named(with_v6(1), "b")}), "a");
  EXPECT_EQ(canonical({named(no_record(), "a"), named(with_v6(1), "b")}), "b");
  EXPECT_EQ(canonical({failed(), named(no_record(), "b")}), "b");
  EXPECT_EQ(canonical({named(no_record(), "a"), failed()}), "a");
}

TEST(JoinAddresses, WhatIsPermanent) {
  EXPECT_TRUE(join_addresses({no_record(), no_record()}, false).permanent);
  EXPECT_TRUE(join_addresses({no_record(), std::nullopt}, false).permanent);
  AddressAnswer gone = join_addresses({nxdomain(), nxdomain()}, false);
  EXPECT_TRUE(gone.permanent);
  EXPECT_EQ(gone.detail, "NXDOMAIN");
  EXPECT_EQ(gone.ttl, seconds(120));
  for (auto& parts : {AddressParts{no_record(), failed()}, AddressParts{failed(), no_record()},
                      AddressParts{failed(), failed()}}) {
    AddressAnswer a = join_addresses(parts, false);
    EXPECT_FALSE(a.permanent);
    EXPECT_EQ(a.detail, "SERVFAIL from 192.0.2.53:53");
  }
}

TEST(JoinAddresses, PrivateOnesAreRefused) {
  AddressParts parts{with_v4({{10, 0, 0, 1}, {127, 0, 0, 1}, {192, 0, 2, 1}}), std::nullopt};
  AddressAnswer a = join_addresses(parts, false);
  ASSERT_EQ(a.addresses.size(), 1u);
  EXPECT_TRUE(a.refused_private);
  EXPECT_EQ(join_addresses(parts, true).addresses.size(), 3u);
  EXPECT_FALSE(join_addresses(parts, true).refused_private);

  AddressAnswer none = join_addresses({with_v4({{10, 0, 0, 1}}), no_record()}, false);
  EXPECT_TRUE(none.addresses.empty());
  EXPECT_TRUE(none.refused_private);
  EXPECT_FALSE(none.permanent) << "somebody may mend it: the mail is kept";
  EXPECT_NE(none.detail.find("allow_private"), std::string::npos);
}

TEST(ChooseAddresses, ShufflesWithinAFamily) {
  std::set<std::string> first;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    auto a = join_addresses({with_v4({{192, 0, 2, 1}, {192, 0, 2, 2}}), with_v6(2)}, false);
    Random random(seed);
    choose_addresses(a.addresses, random);
    ASSERT_EQ(a.addresses.size(), 4u);
    EXPECT_EQ(a.addresses[1].family(), Family::kV6);
    EXPECT_EQ(a.addresses[2].family(), Family::kV4);
    first.insert(a.addresses[0].host() + a.addresses[2].host());
  }
  EXPECT_EQ(first.size(), 4u);
}

TEST(ChooseAddresses, CutsFairly) {
  struct Case {
    size_t n4, n6, keep4, keep6;
  };
  for (Case c : {Case{20, 20, 4, 4}, Case{20, 0, 8, 0}, Case{0, 20, 0, 8}, Case{2, 20, 2, 6},
                 Case{20, 3, 5, 3}, Case{4, 4, 4, 4}, Case{1, 1, 1, 1}}) {
    Reply v4;
    for (size_t i = 0; i < c.n4; ++i) v4.answer.a.push_back({192, 0, 2, static_cast<uint8_t>(i)});
    auto a = join_addresses({v4, with_v6(c.n6)}, false);
    Random random(1);
    choose_addresses(a.addresses, random);
    size_t n6 = 0;
    for (auto& e : a.addresses) n6 += e.family() == Family::kV6;
    EXPECT_EQ(n6, c.keep6) << c.n4 << " " << c.n6;
    EXPECT_EQ(a.addresses.size() - n6, c.keep4) << c.n4 << " " << c.n6;
  }
}

}  // namespace
}  // namespace volley::dns
