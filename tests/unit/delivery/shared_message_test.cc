// One message for several recipients, in one transaction; and a site's daily limit.
#include <gtest/gtest.h>

#include "tests/unit/delivery/sites_fixture.h"

namespace volley::delivery {
namespace {

class SharedMessage : public SiteTableTest {
 protected:
  void SetUp() override {
    SiteTableTest::SetUp();
    message::Content content;
    content.id = "notice";
    content.from = "Example News <news@example.com>";
    content.to = "Members <members@example.com>";
    content.subject = "To all";
    content.text = message::PartText{"news.txt", "The same for all.\r\n"};
    auto renderer = message::Renderer::compile(content, {});
    ASSERT_TRUE(renderer.ok());
    ASSERT_TRUE((*renderer)->same_for_all());
    context->renderer = std::move(*renderer);
  }
};

TEST_F(SharedMessage, GoesToAsManyAtOnceAsTheSiteTakes) {
  start_peer();
  start_table();
  auto path = path_to(peer->port(), 1);
  path->limits.recipients = 10;
  table->accept(make_work(path, 25));
  ASSERT_TRUE(wait_for_works(1));
  EXPECT_EQ(desk.count(Verdict::kDelivered), 25u);
  ASSERT_EQ(peer->mails.size(), 3u);
  EXPECT_EQ(peer->mails[0].rcpts.size(), 10u);
  EXPECT_EQ(peer->mails[2].rcpts.size(), 5u);
  EXPECT_EQ(peer->mails[0].content, peer->mails[2].content);
  EXPECT_NE(peer->mails[0].content.find("To: Members <members@example.com>"), std::string::npos);
}

TEST_F(SharedMessage, SignedOnceForAll) {
  sign_with_a_key();
  start_peer();
  start_table();
  auto path = path_to(peer->port(), 1);
  path->limits.recipients = 10;
  table->accept(make_work(path, 25));
  ASSERT_TRUE(wait_for_works(1));
  EXPECT_EQ(desk.count(Verdict::kDelivered), 25u);
  EXPECT_LE(peer->mails.size(), 5u);
  EXPECT_NE(peer->mails[0].content.find("DKIM-Signature"), std::string::npos);
}

TEST_F(SharedMessage, EachRecipientHasItsOwnOutcome) {
  PeerScript script;
  script.on_rcpt = [](const std::string& rcpt) -> std::optional<PeerReply> {
    if (rcpt.starts_with("user2@")) return PeerReply{550, "5.1.1", "no such user here"};
    if (rcpt.starts_with("user3@")) return PeerReply{451, "4.3.0", "come back later"};
    return std::nullopt;
  };
  start_peer(script);
  start_table();
  table->accept(make_work(path_to(peer->port(), 1), 5));
  ASSERT_TRUE(wait_for_works(1));
  ASSERT_EQ(peer->mails.size(), 1u);
  EXPECT_EQ(peer->mails[0].rcpts.size(), 3u);
  EXPECT_EQ(desk.count(Verdict::kDelivered), 3u);
  for (const Record& record : desk.records) {
    if (record.verdict == Verdict::kBounced) {
      EXPECT_EQ(record.recipient, "user2@example.net");
    }
    if (record.verdict == Verdict::kDeferred) {
      EXPECT_EQ(record.recipient, "user3@example.net");
    }
  }
  EXPECT_EQ(desk.count(Verdict::kBounced), 1u);
  EXPECT_EQ(desk.count(Verdict::kDeferred), 1u);
}

TEST_F(SharedMessage, TooManyRecipientsIsLearnedAndCostsNobodyAnAttempt) {
  PeerScript script;
  script.server.max_rcpts = 4;
  start_peer(script);
  start_table();
  table->accept(make_work(path_to(peer->port(), 1), 20));
  ASSERT_TRUE(wait_for_works(1));
  EXPECT_EQ(desk.count(Verdict::kDelivered), 20u);
  EXPECT_EQ(desk.records.size(), 20u);
  EXPECT_TRUE(std::all_of(peer->mails.begin(), peer->mails.end(),
                          [](const Peer::Mail& mail) { return mail.rcpts.size() <= 4; }));
  EXPECT_EQ(commons->memory.hosts.facts("127.0.0.1:" + std::to_string(peer->port()), wall_now())
                .recipients,
            4u);
}

TEST_F(SiteTableTest, PersonalMessagesGoOneByOne) {
  start_peer();
  start_table();
  table->accept(make_work(path_to(peer->port(), 1), 7));
  ASSERT_TRUE(wait_for_works(1));
  EXPECT_EQ(peer->mails.size(), 7u);
}

TEST_F(SiteTableTest, ADailyLimitHoldsTheRest) {
  start_peer();
  start_table();
  auto path = path_to(peer->port(), 1);
  path->limits.daily = 6;
  path->limits.daily_from = "[relay]";
  table->accept(make_work(path, 10));
  ASSERT_TRUE(run_until(loop, [&] { return desk.records.size() == 6; }));
  EXPECT_TRUE(wait_for_works(1));  // it would have to wait for hours: back to the queue
  EXPECT_EQ(desk.count(Verdict::kDelivered), 6u);
  EXPECT_EQ(desk.states(RecipientState::kWaiting), 4u);
  EXPECT_GT(desk.back[0]->rest_ms, 3'600'000);
  EXPECT_FALSE(table->wants_more(*path));
  EXPECT_EQ(commons->memory.quota.used(path->site, wall_now()), 6u);
  EXPECT_EQ(peer->mails.size(), 6u);
}

}  // namespace
}  // namespace volley::delivery
