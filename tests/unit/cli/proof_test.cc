#include "engine/cli/proof.h"

#include <gtest/gtest.h>

namespace volley::cli {
namespace {

TEST(Proof, SaysWhichWayItTook) {
  const std::vector<std::string> routes{"example.org=[::1]:25", "*=MX.example.net:2525"};
  EXPECT_EQ(proof_way(R"({"site":"mx.example.net:2525","host":"mx.example.net"})", routes),
            "by the route to mx.example.net:2525");
  EXPECT_EQ(proof_way(R"({"site":"[::1]:25","host":""})", routes), "by the route to [::1]:25");
  EXPECT_EQ(proof_way(R"({"site":"relay","host":"smtp.example.com"})", {}),
            "through the relay smtp.example.com");
  EXPECT_EQ(proof_way(R"({"site":"google","host":"aspmx.l.google.com"})", routes),
            "directly to aspmx.l.google.com");
}

TEST(Proof, WhatReachedNobodyTookNoWay) {
  EXPECT_EQ(proof_way(R"({"site":"","host":""})", {"*=mx.example.net:25"}), "");
  EXPECT_EQ(proof_way("", {}), "");
}

TEST(Proof, SaysInWordsWhatBecameOfIt) {
  EXPECT_EQ(proof_answer(R"({"event":"bounced","code":550,"enhanced":"5.1.1","text":"no such user"})"),
            "bounced: 550 5.1.1 no such user");
  EXPECT_EQ(proof_answer(R"({"event":"deferred","code":451,"enhanced":"","text":"later please"})"),
            "deferred, and a campaign would try again: 451 later please");
  EXPECT_EQ(proof_answer(R"({"event":"deferred","code":0,"enhanced":"4.4.2","text":"closed by peer"})"),
            "deferred, and a campaign would try again: 4.4.2 closed by peer");
  EXPECT_EQ(proof_answer(R"({"event":"suppressed"})"), "suppressed");
  EXPECT_EQ(proof_answer(""), "no answer within two minutes");
}

}  // namespace
}  // namespace volley::cli
