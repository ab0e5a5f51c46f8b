#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "base/files.h"
#include "base/hash.h"
#include "tests/unit/net/tls_chain.h"
#include "tests/unit/net/tls_pair.h"

namespace volley::net {
namespace {

using Kind = TlsDemand::Kind;

constexpr const char* kHost = "mx.example.com";

class TlsResumptionTest : public testing::TestWithParam<TlsVersion> {
 protected:
  TlsResumptionTest() {
    server_ = make_server();
    client_ = make_client({});
  }
  std::unique_ptr<TlsContext> make_server() const {
    auto made = TlsContext::server(identity_of(leaf_), {.max_version = GetParam()});
    EXPECT_TRUE(made);
    return std::move(made).value();
  }
  std::unique_ptr<TlsContext> make_client(TlsClientOptions options) const {
    std::string path = testing::TempDir() + "volley-ca-XXXXXX";
    const int fd = ::mkstemp(path.data());
    EXPECT_GE(fd, 0);
    ::close(fd);
    EXPECT_TRUE(write_file_atomically(path, root_.pem()));
    options.ca_file = path;
    options.system_cas = false;
    auto made = TlsContext::client(options);
    ::unlink(path.c_str());
    EXPECT_TRUE(made);
    return std::move(made).value();
  }
  TlsInfo meet(const TlsStart& start) {
    const TlsPair pair(*client_, start, *server_);
    EXPECT_TRUE(pair.client.ready) << pair.client.session->error();
    return pair.client.ready ? pair.client.session->info() : TlsInfo();
  }
  TlsInfo meet(const TlsDemand& demand) { return meet({.server_name = kHost, .demand = demand}); }
  bool resumes(const TlsStart& start) { return meet(start).resumed; }

  TlsaRecord record(const Certificate& of) const {
    const auto hash = Sha256::of(of.spki_der());
    return {3, 1, 1, std::string(hash.begin(), hash.end())};
  }

  const Certificate root_ = make_certificate({.common_name = "Root", .is_ca = true});
  const Certificate leaf_ = make_certificate({.dns = {kHost, "*.example.net"}}, &root_);
  const Certificate stranger_ = make_certificate({.dns = {kHost}});
  std::unique_ptr<TlsContext> server_, client_;
};

// Whatever was made for one demand is of no use to another.
TEST_P(TlsResumptionTest, OnlyTheSameDemandResumes) {
  const TlsaRecord right = record(leaf_), wrong = record(stranger_);
  const std::vector<TlsDemand> demands = {
      {},
      {.min_version = TlsVersion::kTls12},
      {.kind = Kind::kPkix},
      {.kind = Kind::kPkix, .names = {"a.example.net"}},
      {.kind = Kind::kPkix, .names = {kHost, "a.example.net"}},
      {.kind = Kind::kPkix, .enforce = false},
      {.kind = Kind::kDane, .tlsa = {right}},
      {.kind = Kind::kDane, .tlsa = {right, wrong}},
      {.kind = Kind::kDane, .names = {"a.example.net"}, .tlsa = {right}},
      {.kind = Kind::kDane, .tlsa = {wrong}, .enforce = false},
  };
  for (size_t first = 0; first < demands.size(); ++first) {
    for (size_t second = 0; second < demands.size(); ++second) {
      client_ = make_client({});
      const TlsInfo full = meet(demands[first]);
      EXPECT_FALSE(full.resumed);
      EXPECT_EQ(client_->remembered_sessions(), 1u);
      const TlsInfo next = meet(demands[second]);
      EXPECT_EQ(next.resumed, first == second) << first << " then " << second;
      EXPECT_EQ(client_->remembered_sessions(), first == second ? 1u : 2u);
    }
  }
}

TEST_P(TlsResumptionTest, WhatWasVerifiedStaysVerified) {
  const std::vector<TlsDemand> demands = {
      {.kind = Kind::kPkix, .names = {"a.example.net"}},
      {.kind = Kind::kDane, .tlsa = {record(leaf_)}},
      {.kind = Kind::kDane, .tlsa = {{2, 0, 0, root_.der()}}},
      {.kind = Kind::kDane, .tlsa = {record(stranger_)}, .enforce = false},
  };
  for (const TlsDemand& demand : demands) {
    const TlsInfo full = meet(demand);
    EXPECT_FALSE(full.resumed);
    EXPECT_EQ(full.verified, demand.enforce);
    for (int again = 0; again < 3; ++again) {
      const TlsInfo resumed = meet(demand);
      EXPECT_TRUE(resumed.resumed);
      EXPECT_EQ(resumed.verified, full.verified);
      EXPECT_EQ(resumed.how, full.how);
      EXPECT_EQ(resumed.matched_name, full.matched_name);
      EXPECT_EQ(resumed.verify_error, full.verify_error);
      EXPECT_EQ(resumed.failure, full.failure);
    }
  }
}

TEST_P(TlsResumptionTest, TheOrderOfNamesAndRecordsDoesNotCount) {
  const TlsaRecord right = record(leaf_), wrong = record(stranger_);
  meet({.kind = Kind::kDane, .names = {"a.example.net", kHost}, .tlsa = {right, wrong}});
  EXPECT_TRUE(meet({.kind = Kind::kDane, .names = {kHost, "a.example.net"}, .tlsa = {wrong, right}})
                  .resumed);
}

TEST_P(TlsResumptionTest, KeysAndNamesTellSessionsApart) {
  meet({.server_name = kHost, .session_key = "one"});
  EXPECT_FALSE(resumes({.server_name = kHost, .session_key = "two"}));
  EXPECT_FALSE(resumes({.server_name = kHost}));
  EXPECT_FALSE(resumes({.server_name = "mx2.example.com", .session_key = "one"}));
  EXPECT_TRUE(resumes({.server_name = kHost, .session_key = "one"}));
  EXPECT_EQ(client_->remembered_sessions(), 4u);
  EXPECT_FALSE(resumes({}));
  EXPECT_FALSE(resumes({})) << "nobody in particular is not remembered";
}

TEST_P(TlsResumptionTest, ASessionServesManyConnectionsAtATime) {
  meet(TlsDemand{});
  std::vector<std::unique_ptr<TlsPair>> pairs;
  for (int i = 0; i < 5; ++i) {
    pairs.push_back(std::make_unique<TlsPair>(*client_, TlsStart{.server_name = kHost}, *server_));
    EXPECT_TRUE(pairs.back()->client.session->info().resumed);
  }
}

TEST_P(TlsResumptionTest, WhatTheServerDoesNotTakeIsForgotten) {
  meet(TlsDemand{});
  server_ = make_server();  // its ticket keys are new
  EXPECT_FALSE(meet(TlsDemand{}).resumed);
  EXPECT_EQ(client_->remembered_sessions(), 1u);
  EXPECT_TRUE(meet(TlsDemand{}).resumed);
}

TEST_P(TlsResumptionTest, WhatMakesAHandshakeFailIsForgotten) {
  meet(TlsDemand{});
  ASSERT_EQ(client_->remembered_sessions(), 1u);
  {
    auto hung_up_on = TlsSession::make(*client_, {.server_name = kHost});
    ASSERT_TRUE(hung_up_on);
    (*hung_up_on)->handshake();
  }
  EXPECT_EQ(client_->remembered_sessions(), 0u);
}

TEST_P(TlsResumptionTest, NoSessionVouchesForEver) {
  client_ = make_client({.max_session_age = Duration(0)});
  meet(TlsDemand{});
  EXPECT_FALSE(meet(TlsDemand{}).resumed);
}

TEST_P(TlsResumptionTest, NoneAreKeptWhenNoneMayBe) {
  client_ = make_client({.max_sessions = 0});
  meet(TlsDemand{});
  EXPECT_EQ(client_->remembered_sessions(), 0u);
  EXPECT_FALSE(meet(TlsDemand{}).resumed);
}

TEST_P(TlsResumptionTest, LoopsShareAContext) {
  const std::vector<TlsDemand> demands = {
      {}, {.kind = Kind::kPkix}, {.kind = Kind::kDane, .tlsa = {record(leaf_)}}};
  std::atomic<int> resumed = 0;
  std::vector<std::thread> threads;
  threads.reserve(3);
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 10; ++round) {
        for (const TlsDemand& demand : demands) resumed += meet(demand).resumed;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GE(resumed, 3 * 9 * 3) << "each thread's own session at the latest";
  EXPECT_EQ(client_->remembered_sessions(), demands.size());
}

INSTANTIATE_TEST_SUITE_P(Versions, TlsResumptionTest,
                         testing::Values(TlsVersion::kTls12, TlsVersion::kTls13),
                         [](const auto& tested) {
                           return tested.param == TlsVersion::kTls12 ? "Tls12" : "Tls13";
                         });

}  // namespace
}  // namespace volley::net
