// A relay that cannot be sent to until a person mends something: the campaign pauses, and goes on at once when it is resumed.
#include <gtest/gtest.h>

#include "engine/smtp/providers.h"
#include "tests/unit/delivery/sites_fixture.h"

namespace volley::delivery {
namespace {

class RelayTroubleTest : public SiteTableTest {
 protected:
  void SetUp() override {
    SiteTableTest::SetUp();
    auto made = net::TlsContext::self_signed_server("smtp.example.net");
    ASSERT_TRUE(made.ok());
    tls = std::move(*made);
    PeerScript script;
    script.server.starttls = true;
    script.tls = tls.get();
    start_peer(script);
    start_table();
  }
  void TearDown() override {
    table->drain();
    ASSERT_TRUE(run_until(loop, [&] { return table->idle() && peer->open == 0; }));
    SiteTableTest::TearDown();
  }
  std::shared_ptr<Path> relay(TlsPolicy policy) {
    auto path = path_to(peer->port(), 1);
    path->site = kRelaySite;
    path->provider = smtp::kRelayProvider;
    path->key = "relay " + std::to_string(static_cast<int>(policy));
    path->limits.tls = policy;
    return path;
  }
  std::unique_ptr<net::TlsContext> tls;
};

TEST_F(RelayTroubleTest, ACertificateThatDoesNotFitPausesTheCampaign) {
  table->accept(make_work(relay(TlsPolicy::kVerified), 3));
  ASSERT_TRUE(run_until(loop, [&] { return !desk.paused.empty(); }));
  ASSERT_TRUE(wait_for_works(1));
  EXPECT_EQ(desk.paused.front(),
            "november: [relay] 127.0.0.1:" + std::to_string(peer->port()) +
                ": TLS handshake: certificate refused: self-signed certificate; if it is the right "
                "one, name the CA it comes from in [tls] ca_file");
  EXPECT_EQ(desk.paused.size(), 1u);
  EXPECT_EQ(desk.count(Verdict::kBounced), 0u);
  EXPECT_TRUE(peer->mails.empty());
  const SiteSnapshot site = table->snapshot()[0];
  EXPECT_TRUE(site.limited_by.starts_with("paused for 30 min (TLS handshake: certificate refused"))
      << site.limited_by;
  EXPECT_GT(site.paused_for_ms, 0);
}

TEST_F(RelayTroubleTest, ToResumeIsToTryAgainAtOnce) {
  table->accept(make_work(relay(TlsPolicy::kVerified), 3));
  ASSERT_TRUE(wait_for_works(1));
  const auto mended = relay(TlsPolicy::kRequired);
  EXPECT_FALSE(table->wants_more(*mended));
  table->accept(make_work(mended, 2));
  for (int i = 0; i < 20; ++i) loop.run_once(false);
  EXPECT_TRUE(peer->mails.empty());
  table->resume("november");
  EXPECT_TRUE(table->wants_more(*mended));
  ASSERT_TRUE(wait_for_works(2));
  EXPECT_EQ(peer->mails.size(), 2u);
}

TEST_F(RelayTroubleTest, WithoutARelayItIsOneHostsTrouble) {
  auto path = path_to(peer->port(), 1);
  path->limits.tls = TlsPolicy::kVerified;
  table->accept(make_work(path, 3));
  ASSERT_TRUE(wait_for_works(1));
  EXPECT_EQ(desk.count(Verdict::kDeferred), 3u);
  EXPECT_EQ(desk.records[0].text, "TLS handshake: certificate refused: self-signed certificate");
  EXPECT_EQ(desk.records[0].enhanced, "4.7.5");
  EXPECT_TRUE(desk.paused.empty());
  EXPECT_EQ(table->snapshot()[0].last_reply,
            "4.7.5 TLS handshake: certificate refused: self-signed certificate");
}

TEST_F(RelayTroubleTest, AHandshakeThatFailsForAnotherReasonIsWaitedOut) {
  peer->script.tls = nullptr;
  peer->script.break_tls = true;
  table->accept(make_work(relay(TlsPolicy::kVerified), 3));
  ASSERT_TRUE(wait_for_works(1));
  EXPECT_EQ(desk.count(Verdict::kDeferred), 3u);
  EXPECT_TRUE(desk.records[0].text.starts_with("TLS handshake: ")) << desk.records[0].text;
  EXPECT_EQ(desk.records[0].text.find("TLS handshake", 1), std::string::npos);
  EXPECT_TRUE(desk.paused.empty());
}

}  // namespace
}  // namespace volley::delivery
