// The world of a scripted delivery (delivery_dialog.h): a name server, mail exchangers, the real Router, resolver and SiteTable,
// and the recipients with the last word on each.
//
// Purpose   Does what a partition's owner does with a chunk of one domain: route, hand over, take note of what comes back.
// Time      The loop's clock skips what patience with a silent server would take; nothing waits for real.
// Ownership Everything in it. Thread: the test's.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/delivery/router.h"
#include "tests/unit/delivery/scripted_hosts.h"
#include "tests/unit/delivery/scripted_zone.h"
#include "tests/unit/delivery/sites_fixture.h"

namespace volley::delivery::testing {

inline constexpr const char* kCampaign = "november";
inline constexpr int64_t kQueueStart = 1'700'000'000'000;
inline constexpr Duration kPatience = std::chrono::seconds(60);  // real: with a script that hangs

struct Person {
  std::string domain, address;
  uint32_t attempts = 0;
  int64_t first_attempt_ms = 0;
  std::optional<Record> last;
  bool waits = true;  // not tried since it was sent

  bool over() const {
    return last && last->verdict != Verdict::kDeferred && last->verdict != Verdict::kInDoubt;
  }
};

// What the script's directives act upon: everything from the domain's name to the answer.
class World final : public Router::Receiver {
 public:
  World() : start_(loop.now()), beat_(loop, [this] { beat(); }) {
    settings.hostname = "mail.example.org";
    settings.progress_interval = std::chrono::milliseconds(10);
    settings.connect_timeout = std::chrono::seconds(10);  // within what work waits for
    settings.smtp_port = hosts.port();
    settings.mta_sts = settings.dane = false;
    settings.dns.allow_private = true;
    zone.on_silence = [this] {
      silences_ = true;
      loop.post([] {});
    };
    beat();
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World() override {
    if (!table) return;
    table->drain();
    if (!settle([this] { return table->idle(); })) ADD_FAILURE() << "connections stay open";
    table.reset();
  }

  std::string send(const std::string& domain, int count) {
    start();
    std::vector<size_t> who;
    for (int i = 0; i < count; ++i) {
      who.push_back(people.size());
      Person person;
      person.domain = domain;
      person.address = fmt::format("user{}@{}", people.size() + 1, domain);
      people.push_back(std::move(person));
    }
    return deliver(domain, who);
  }

  std::string later(Duration length) {
    loop.skip(length);
    std::map<std::string, std::vector<size_t>> again;
    for (size_t i = 0; i < people.size(); ++i) {
      if (people[i].over()) continue;
      people[i].waits = true;
      again[people[i].domain].push_back(i);
    }
    for (const auto& [domain, who] : again) {
      if (std::string wrong = deliver(domain, who); !wrong.empty()) return wrong;
    }
    return {};
  }

  void resume() {
    commons.brakes.forget_campaign(kCampaign);
    desk.paused.clear();
    context->control->state = queue::CampaignState::kRunning;
    if (table) table->resume(kCampaign);
  }

  std::optional<SiteSnapshot> site() const {
    if (!path) return std::nullopt;
    for (const SiteSnapshot& snapshot : table->snapshot()) {
      if (snapshot.site == path->site) return snapshot;
    }
    return std::nullopt;
  }

  void on_route(uint64_t, const RouteAnswer& answer) override { answer_ = answer; }

  net::Loop loop;  // destroyed last
  Settings settings;
  ScriptedZone zone;
  ScriptedHosts hosts{loop};
  std::string return_path;
  std::vector<Person> people;
  std::shared_ptr<const Path> path;  // of the last domain
  Desk desk;
  metrics::Registry registry;
  std::unique_ptr<SiteTable> table;

 private:
  void beat() { beat_.set_after(std::chrono::milliseconds(2)); }

  void start() {
    if (table) return;
    server_.emplace([this](const dns::FakeQuestion& q) { return zone.answer(q); });
    settings.dns.servers = {server_->address()};
    resolver_ = std::move(*dns::CaresResolver::create(loop, settings.dns, 1));
    router_ = std::make_unique<Router>(loop, settings, *resolver_, nullptr, *this,
                                       [this] { return loop.now(); });
    EXPECT_TRUE(commons.set_up_tls({}).ok());
    table = std::make_unique<SiteTable>(loop, settings, *resolver_, commons, registry,
                                        registry.new_shard(), desk, 42);
    message::Content content;
    content.id = kCampaign;
    content.from = "Example News <news@example.com>";
    content.subject = "Hello";
    content.return_path = return_path;
    content.text = message::PartText{"news.txt", "Dear {{name}}\r\n"};
    context = std::make_shared<CampaignContext>();
    context->record.id = kCampaign;
    context->record.created_ms = kQueueStart;
    context->record.from_domain = "example.com";
    context->renderer =
        std::move(*message::Renderer::compile(content, std::vector<std::string>{"name"}));
    context->control = std::make_shared<CampaignControl>();
  }

  // Turns until `done`, moving the clock where a silence would have to be sat out.
  bool settle(const std::function<bool()>& done) {
    const TimePoint end = monotonic_now() + kPatience;
    while (!done()) {
      if (monotonic_now() > end) return false;
      loop.run_once(true);
      if (silences_.exchange(false)) loop.skip(settings.dns.timeout);
      if (hosts.silence()) loop.skip(settings.connect_timeout);
      if (!desk.paused.empty() && context->control->state == queue::CampaignState::kRunning) {
        context->control->state = queue::CampaignState::kPaused;
        table->campaign_changed(kCampaign);
      }
    }
    return true;
  }

  int64_t queue_now() {
    return kQueueStart +
           std::chrono::duration_cast<std::chrono::milliseconds>(loop.now() - start_).count();
  }

  // As a partition's owner does: the route first, then the chunks, each in a work.
  std::string deliver(const std::string& domain, const std::vector<size_t>& who) {
    answer_ = router_->route(domain, 1);
    if (!settle([this] { return answer_.has_value(); })) return "no answer about the route";
    path = answer_->path;
    if (!path) {
      for (const size_t i : who) refused(people[i]);
      return {};
    }
    size_t works = 0;
    for (size_t at = 0; at < who.size(); at += queue::kMaxChunkRecipients, ++works) {
      const size_t end = std::min<size_t>(who.size(), at + queue::kMaxChunkRecipients);
      const auto from = who.begin();
      table->accept(make_work(domain, {from + static_cast<std::ptrdiff_t>(at),
                                       from + static_cast<std::ptrdiff_t>(end)}));
    }
    if (!settle([&] { return desk.back.size() == works; })) return "the work does not come back";
    for (; records_seen_ < desk.records.size(); ++records_seen_) {
      const Record& record = desk.records[records_seen_];
      told(people[record.number - 1], record);
    }
    desk.back.clear();
    return {};
  }

  void refused(Person& person) {
    Record record;
    record.verdict = answer_->permanent ? Verdict::kBounced : Verdict::kDeferred;
    record.code = answer_->code;
    record.enhanced = answer_->enhanced;
    record.text = answer_->text;
    told(person, record);
  }

  void told(Person& person, const Record& record) {
    if (person.attempts++ == 0) person.first_attempt_ms = queue_now();
    person.last = record;
    person.waits = false;
  }

  std::unique_ptr<Work> make_work(const std::string& domain, const std::vector<size_t>& who) {
    queue::ChunkBuilder builder;
    for (const size_t i : who) {
      const Person& person = people[i];
      const std::string name = person.address.substr(0, person.address.find('@'));
      const std::vector<std::string_view> values{name};
      queue::Recipient recipient;
      recipient.number = i + 1;
      recipient.address = person.address;
      recipient.values = values;
      recipient.attempts = person.attempts;
      recipient.last_code = person.last ? person.last->code : 0;
      recipient.enqueued_ms = kQueueStart;
      recipient.first_attempt_ms = person.first_attempt_ms;
      builder.add(recipient);
    }
    auto work = std::make_unique<Work>();
    work->lease = ++leases_;
    work->destination.campaign = kCampaign;
    work->destination.domain = domain;
    work->chunk = std::move(*queue::Chunk::decode(builder.encode()));
    work->campaign = context;
    work->path = path;
    work->claimed_ms = queue_now();
    work->claimed_at = loop.now();
    return work;
  }

  TimePoint start_;
  net::Timer beat_;
  std::atomic<bool> silences_ = false;
  std::optional<dns::FakeServer> server_;
  Commons commons{1000};
  std::shared_ptr<CampaignContext> context;
  std::unique_ptr<dns::CaresResolver> resolver_;
  std::unique_ptr<Router> router_;
  std::optional<RouteAnswer> answer_;
  size_t records_seen_ = 0;
  uint64_t leases_ = 0;
};

}  // namespace volley::delivery::testing
