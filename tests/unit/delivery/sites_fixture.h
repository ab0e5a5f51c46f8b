// What the tests of sites share: works made of real chunks, a table on a real loop, a resolver that answers from a map.
//
// Ownership  The loop is destroyed last; ~Loop aborts when a test leaks a handle.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/net/loop.h"
#include "base/net/timer.h"
#include "engine/delivery/site_table.h"
#include "engine/message/content.h"
#include "engine/message/dkim.h"
#include "engine/message/renderer.h"
#include "tests/unit/delivery/peer.h"

namespace volley::delivery {

inline bool run_until(net::Loop& loop, const std::function<bool()>& done) {
  bool expired = false;
  net::Timer watchdog(loop, [&] { expired = true; });
  watchdog.set_after(std::chrono::seconds(60));
  while (!done() && !expired) loop.run_once(true);
  return done();
}

class FakeResolver final : public dns::Resolver {
 public:
  explicit FakeResolver(net::Loop& loop) : loop_(loop), alive_(std::make_shared<bool>(true)) {}
  ~FakeResolver() override { *alive_ = false; }
  std::map<std::string, dns::MxAnswer> mx_of;
  std::map<std::string, dns::AddressAnswer> addresses_of;
  size_t asked = 0;

  dns::QueryId mx(std::string_view domain, Receiver& receiver) override {
    return later(receiver, [this, name = std::string(domain)](Receiver& r, dns::QueryId id) {
      r.on_mx(id, mx_of[name]);
    });
  }
  dns::QueryId addresses(std::string_view host, Receiver& receiver) override {
    return later(receiver, [this, name = std::string(host)](Receiver& r, dns::QueryId id) {
      r.on_addresses(id, addresses_of[name]);
    });
  }
  dns::QueryId tlsa(std::string_view, uint16_t, Receiver& receiver) override {
    return later(receiver, [](Receiver& r, dns::QueryId id) { r.on_tlsa(id, {}); });
  }
  dns::QueryId txt(std::string_view, Receiver& receiver) override {
    return later(receiver, [](Receiver& r, dns::QueryId id) { r.on_txt(id, {}); });
  }
  void cancel(dns::QueryId id) override { waiting_.erase(id); }
  bool quiet() const { return waiting_.empty(); }

 private:
  template <typename F>
  dns::QueryId later(Receiver& receiver, F answer) {
    const dns::QueryId id = ++asked;
    waiting_[id] = &receiver;
    loop_.post([this, alive = alive_, id, answer] {
      if (!*alive) return;
      const auto found = waiting_.find(id);
      if (found == waiting_.end()) return;
      Receiver& asker = *found->second;
      waiting_.erase(found);
      answer(asker, id);
    });
    return id;
  }
  net::Loop& loop_;
  std::map<dns::QueryId, Receiver*> waiting_;
  std::shared_ptr<bool> alive_;
};

struct Desk final : SiteTable::Listener {
  std::vector<Record> records;  // as they came
  std::vector<std::unique_ptr<Work>> back;
  std::vector<std::string> paused;  // "campaign: reason"
  size_t progress = 0;

  void on_record(const Work&, const Record& record) override { records.push_back(record); }
  void on_progress(Work& work) override {
    ++progress;
    settled += work.fresh.size();
    work.fresh.clear();
  }
  void on_returned(std::unique_ptr<Work> work) override {
    settled += work->fresh.size();
    back.push_back(std::move(work));
  }
  void on_pause_campaign(std::string_view campaign, std::string_view reason) override {
    paused.push_back(std::string(campaign) + ": " + std::string(reason));
  }
  void on_site_news(const SiteNews& item) override { news.push_back(item); }
  std::vector<SiteNews> news;
  size_t settled = 0;  // records handed over for settlement
  size_t count(Verdict verdict) const {
    size_t n = 0;
    for (const Record& r : records) n += r.verdict == verdict;
    return n;
  }
  size_t states(RecipientState state) const {
    size_t n = 0;
    for (const auto& work : back) {
      for (const RecipientState s : work->states) n += s == state;
    }
    return n;
  }
};

class SiteTableTest : public ::testing::Test {
 protected:
  SiteTableTest() : resolver(loop) {
    settings.hostname = "mail.example.org";
    settings.progress_interval = std::chrono::milliseconds(10);
  }

  void SetUp() override { context = make_context("november"); }

  void TearDown() override {
    if (table) {
      table->drain();
      EXPECT_TRUE(run_until(loop, [&] { return table->idle(); }));
      EXPECT_EQ(shard.cells[static_cast<size_t>(metrics::Metric::kConnectionsOpen)].get(), 0u);
      for (const SiteSnapshot& site : table->snapshot()) {
        EXPECT_EQ(site.waiting, 0u) << site.site;
        EXPECT_EQ(site.in_flight, 0u) << site.site;
        EXPECT_EQ(site.connections, 0u) << site.site;
      }
    }
    EXPECT_EQ(desk.settled, desk.records.size());
    EXPECT_TRUE(resolver.quiet());
    table.reset();
    peer.reset();
  }

  std::shared_ptr<CampaignContext> make_context(const std::string& id) {
    message::Content content;
    content.id = id;
    content.from = "Example News <news@example.com>";
    content.subject = "Hello {{name}}";
    content.text = message::PartText{"news.txt", "Dear {{name}},\r\n.this is for you.\r\n"};
    const std::vector<std::string> columns{"name"};
    auto renderer = message::Renderer::compile(content, columns);
    EXPECT_TRUE(renderer.ok());
    auto made = std::make_shared<CampaignContext>();
    made->record.id = id;
    made->record.created_ms = 1'700'000'000'000;
    made->record.from_domain = "example.com";
    made->record.retry = {60'000, 600'000, 3'600'000};
    made->renderer = std::move(*renderer);
    made->control = std::make_shared<CampaignControl>();
    return made;
  }

  void sign_with_a_key() {
    auto key = message::DkimKey::generate(message::DkimAlgorithm::kEd25519Sha256);
    ASSERT_TRUE(key.ok());
    signer = std::make_unique<message::DkimSigner>(
        message::DkimSigner{"example.com", "s1", std::move(*key)});
    context->signers = {signer.get()};
  }

  void start_peer(PeerScript script = {}) {
    peer = std::make_unique<Peer>(loop, std::move(script));
  }

  void start_table() {
    EXPECT_TRUE(commons->set_up_tls({}).ok());
    table =
        std::make_unique<SiteTable>(loop, settings, resolver, *commons, registry, shard, desk, 42);
  }

  std::shared_ptr<Path> path_to(uint16_t port, uint32_t connections = 2) {
    auto path = std::make_shared<Path>();
    path->site = "127.0.0.1:" + std::to_string(port);
    path->key = "route " + path->site;
    path->hosts = {{0, "127.0.0.1"}};
    path->port = port;
    path->routed = true;
    path->limits.connections = connections;
    path->limits.messages_per_connection = 1000;
    path->limits.connections_from = path->limits.rate_from = "test";
    return path;
  }

  std::unique_ptr<Work> make_work(std::shared_ptr<const Path> path, size_t recipients,
                                  queue::Lane lane = queue::Lane::kBulk, uint32_t attempts = 0) {
    queue::ChunkBuilder builder;
    for (size_t i = 0; i < recipients; ++i) {
      const std::string address = "user" + std::to_string(next_number) + "@example.net";
      const std::string name = "Nobody " + std::to_string(next_number);
      const std::vector<std::string_view> values{name};
      queue::Recipient recipient;
      recipient.number = next_number++;
      recipient.address = address;
      recipient.values = values;
      recipient.attempts = attempts;
      recipient.enqueued_ms = 1'000'000;
      builder.add(recipient);
    }
    auto chunk = queue::Chunk::decode(builder.encode());
    EXPECT_TRUE(chunk.ok());
    auto work = std::make_unique<Work>();
    work->lease = ++leases;
    work->destination.lane = lane;
    work->destination.campaign = context->record.id;
    work->destination.domain = "example.net";
    work->chunk = std::move(*chunk);
    work->campaign = context;
    work->path = std::move(path);
    work->claimed_ms = 1'000'500;
    work->claimed_at = loop.now();
    return work;
  }

  std::multiset<std::string> received() const {
    std::multiset<std::string> all;
    for (const Peer::Mail& mail : peer->mails) all.insert(mail.rcpt);
    return all;
  }
  bool nobody_twice() const {
    const auto all = received();
    return std::set<std::string>(all.begin(), all.end()).size() == all.size();
  }
  bool wait_for_works(size_t works) {
    return run_until(loop, [&] { return desk.back.size() >= works; });
  }

  std::unique_ptr<message::DkimSigner> signer;  // outlives the loop, which waits for signing
  net::Loop loop;
  Settings settings;
  FakeResolver resolver;
  std::optional<Commons> commons{std::in_place, 1000u};
  metrics::Registry registry;
  metrics::Shard& shard = registry.new_shard();
  Desk desk;
  std::shared_ptr<CampaignContext> context;
  std::unique_ptr<Peer> peer;
  std::unique_ptr<SiteTable> table;
  uint64_t next_number = 1, leases = 0;
};

}  // namespace volley::delivery
