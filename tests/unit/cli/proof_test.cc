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
  EXPECT_EQ(proof_way("no answer within two minutes", {}), "");
}

}  // namespace
}  // namespace volley::cli
