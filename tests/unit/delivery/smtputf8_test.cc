// Recipients with a local part beyond ASCII: delivered where SMTPUTF8 is offered, bounced where no host of the set does, and
// nobody else is touched by it.
#include <gtest/gtest.h>

#include "tests/unit/delivery/sites_fixture.h"

namespace volley::delivery {
namespace {

constexpr const char* kUtf8 = "j\xC3\xB6rg";

class SmtpUtf8Test : public SiteTableTest {
 protected:
  static PeerScript without_utf8() {
    PeerScript script;
    script.server.smtputf8 = false;
    return script;
  }

  // Every third recipient has a local part in UTF-8.
  std::unique_ptr<Work> mixed_work(std::shared_ptr<const Path> path, size_t recipients) {
    auto work = make_work(std::move(path), recipients);
    queue::ChunkBuilder builder;
    std::vector<std::string> addresses;
    for (const queue::Recipient& r : work->chunk.recipients()) {
      addresses.push_back((r.number % 3 == 1 ? kUtf8 : "user") + std::to_string(r.number) + "@example.net");
    }
    for (size_t i = 0; i < recipients; ++i) {
      queue::Recipient recipient = work->chunk.recipients()[i];
      recipient.address = addresses[i];
      builder.add(recipient);
    }
    work->chunk = std::move(*queue::Chunk::decode(builder.encode()));
    return work;
  }

  // Two hosts at the peer's port; the preferred one is the peer.
  std::shared_ptr<Path> path_to_two(uint32_t connections) {
    auto path = path_to(peer->port(), connections);
    path->hosts = {{10, "127.0.0.1"}, {20, "127.0.0.2"}};
    return path;
  }
  std::unique_ptr<Peer> second_peer(PeerScript script) {
    return std::make_unique<Peer>(loop, std::move(script), *net::Endpoint::from_ip("127.0.0.2", peer->port()));
  }

  void send_to_the_list() {
    message::Content content;
    content.id = "members";
    content.from = "Example News <news@example.com>";
    content.to = "Members <members@example.com>";
    content.subject = "Hello";
    content.text = message::PartText{"news.txt", "Dear members,\r\n"};
    auto renderer = message::Renderer::compile(content, std::vector<std::string>{"name"});
    ASSERT_TRUE(renderer.ok());
    ASSERT_TRUE((*renderer)->same_for_all());
    context->renderer = std::move(*renderer);
  }

  void expect_only_utf8_bounced() const {
    for (const Record& r : desk.records) {
      const bool utf8 = r.recipient.starts_with(kUtf8);
      EXPECT_EQ(r.verdict, utf8 ? Verdict::kBounced : Verdict::kDelivered) << r.recipient << ": " << r.text;
      if (utf8) {
        EXPECT_EQ(r.enhanced, "5.6.7");
      }
    }
  }
};

TEST_F(SmtpUtf8Test, IsDeliveredWhereItIsOffered) {
  sign_with_a_key();
  start_peer();
  start_table();
  table->accept(mixed_work(path_to(peer->port()), 30));
  ASSERT_TRUE(wait_for_works(1));
  EXPECT_EQ(desk.count(Verdict::kDelivered), 30u);
  EXPECT_TRUE(nobody_twice());
  EXPECT_TRUE(received().contains(std::string(kUtf8) + "1@example.net"));
  for (const Peer::Mail& mail : peer->mails) {
    EXPECT_NE(mail.content.find("\r\nTo: " + mail.rcpt + "\r\n"), std::string::npos);
  }
}

TEST_F(SmtpUtf8Test, BouncesWhereItIsNot) {
  start_peer(without_utf8());
  start_table();
  table->accept(mixed_work(path_to(peer->port()), 150));  // 50 in all: no refusal of ours, so no pause
  ASSERT_TRUE(wait_for_works(1));
  EXPECT_EQ(desk.records.size(), 150u);
  EXPECT_EQ(peer->mails.size(), 100u);
  expect_only_utf8_bounced();
}

TEST_F(SmtpUtf8Test, BouncesWhenNoHostOfTheSetOffersIt) {
  start_peer(without_utf8());
  const auto second = second_peer(without_utf8());
  start_table();
  table->accept(mixed_work(path_to_two(1), 30));
  ASSERT_TRUE(wait_for_works(1));
  EXPECT_EQ(desk.records.size(), 30u);
  EXPECT_EQ(peer->mails.size() + second->mails.size(), 20u);
  EXPECT_EQ(second->connections, 1u) << "once it is known, nobody changes hosts for it";
  expect_only_utf8_bounced();
}

TEST_F(SmtpUtf8Test, AnotherHostOfTheSetMayOfferIt) {
  for (const uint32_t connections : {1u, 4u}) {
    start_peer(without_utf8());
    const auto second = second_peer({});
    if (!table) start_table();
    desk.records.clear();
    desk.settled = 0;
    const size_t works = desk.back.size() + 1;
    table->accept(mixed_work(path_to_two(connections), 30));
    ASSERT_TRUE(wait_for_works(works));
    EXPECT_EQ(desk.count(Verdict::kDelivered), 30u);
    size_t utf8 = 0;
    for (const Peer::Mail& mail : second->mails) utf8 += mail.rcpt.starts_with(kUtf8);
    EXPECT_EQ(utf8, 10u);
  }
}

TEST_F(SmtpUtf8Test, AHostThatIsDownHoldsNobodyBack) {
  start_peer(without_utf8());  // nobody listens at the other
  start_table();
  table->accept(mixed_work(path_to_two(1), 9));
  ASSERT_TRUE(wait_for_works(1));
  EXPECT_EQ(desk.records.size(), 9u);
  expect_only_utf8_bounced();
}

TEST_F(SmtpUtf8Test, TravelsApartFromTheOthersOfATransaction) {
  send_to_the_list();
  start_peer(without_utf8());
  start_table();
  auto path = path_to(peer->port(), 1);
  path->limits.recipients = 10;
  table->accept(mixed_work(path, 30));
  ASSERT_TRUE(wait_for_works(1));
  EXPECT_EQ(desk.records.size(), 30u);
  expect_only_utf8_bounced();
}

}  // namespace
}  // namespace volley::delivery
