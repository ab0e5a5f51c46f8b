#include "dns/upstream.h"

#include <fmt/format.h>

#include <deque>
#include <unordered_map>
#include <utility>

#include "base/log.h"
#include "base/net/loop.h"
#include "base/net/timer.h"
#include "dns/channel.h"
#include "metrics/registry.h"

namespace volley::dns {

namespace {

constexpr std::chrono::milliseconds kTick{50};
constexpr std::chrono::seconds kRebuildPause{60};
constexpr unsigned kTriesPerServer = 2;
constexpr unsigned kNoError = 0, kNxDomain = 3;

std::string rcode_name(unsigned rcode) {
  switch (rcode) {
    case 1:
      return "FORMERR";
    case 2:
      return "SERVFAIL";
    case 4:
      return "NOTIMP";
    case 5:
      return "REFUSED";
    default:
      return fmt::format("response code {}", rcode);
  }
}

Reply read_reply(std::span<const uint8_t> packet, const char* reason, const net::Endpoint& server,
                 bool trust_ad) {
  Reply reply;
  reply.failed = true;
  if (packet.empty()) {
    reply.detail = fmt::format("{} ({})", reason, server.str());
    return reply;
  }
  Result<Answer> answer = parse_answer(packet);
  if (!answer) {
    reply.detail = fmt::format("{} from {}", answer.error().message, server.str());
    return reply;
  }
  reply.answer = std::move(*answer);
  reply.answer.authenticated = reply.answer.authenticated && trust_ad;
  if (reply.answer.rcode != kNoError && reply.answer.rcode != kNxDomain) {
    reply.detail = fmt::format("{} from {}", rcode_name(reply.answer.rcode), server.str());
  } else if (reply.answer.referral) {
    reply.detail =
        fmt::format("{} does not resolve for us: it is no recursive server", server.str());
  } else {
    reply.failed = false;
  }
  return reply;
}

}  // namespace

struct Upstream::Impl final : Channel::Listener {
  struct Server {
    std::unique_ptr<Channel> channel;
    TimePoint rebuilt = TimePoint::min();
  };
  struct Pending {
    std::string name;
    RecordType type{};
    size_t server = 0;
    unsigned tries = 0;
    std::string last_problem;
  };
  struct Arrived {
    uint64_t id;
    Reply reply;
  };

  net::Loop& loop;
  UpstreamSettings settings;
  Upstream::Listener& listener;
  net::Timer tick;
  std::vector<Server> servers;
  std::vector<std::unique_ptr<Channel>> retired;  // without EDNS; kept until they are idle
  size_t preferred = 0;                           // the server that answered last
  std::unordered_map<uint64_t, Pending> pending;
  std::deque<uint64_t> waiting;  // not sent yet, or again; ids no longer pending are skipped
  std::deque<std::pair<TimePoint, uint64_t>> deadlines;  // in order: one timeout for all
  std::deque<Arrived> arrived;
  uint64_t next_id = 1, sent = 0, failed = 0, in_flight = 0;
  bool posted = false, ticking = false;
  // Gone when this is: posted functions and loops that called a listener look at it.
  std::shared_ptr<bool> alive = std::make_shared<bool>(true);

  Impl(net::Loop& l, UpstreamSettings s, Upstream::Listener& r)
      : loop(l), settings(std::move(s)), listener(r), tick(l, [this] { on_tick(); }) {}

  void on_channel_reply(uint64_t id, std::span<const uint8_t> packet, const char* reason) override;
  void on_channel_idle() override;
  void on_tick();
  void expire();
  void work();
  bool settle_one();
  void send_waiting();
  void replace_if_crippled(Server& server, bool reply_has_edns);
  void post_work();
  void count(metrics::Metric metric) const {
    if (settings.counters != nullptr) (*settings.counters)[metric].add();
  }
};

void Upstream::Impl::on_channel_reply(uint64_t id, std::span<const uint8_t> packet,
                                      const char* reason) {
  --in_flight;
  auto found = pending.find(id);
  if (found == pending.end()) return;  // given up meanwhile
  const net::Endpoint& server = servers[found->second.server].channel->server();
  arrived.push_back({id, read_reply(packet, reason, server, settings.trust_ad)});
}

void Upstream::Impl::on_channel_idle() {
  if (!ticking) work();
}

void Upstream::Impl::on_tick() {
  ticking = true;
  for (Server& server : servers) {
    if (server.channel->outstanding() > 0) server.channel->check_timeouts();
  }
  for (auto& channel : retired) channel->check_timeouts();
  ticking = false;
  expire();
  work();
}

void Upstream::Impl::expire() {
  TimePoint now = loop.now();
  while (!deadlines.empty() && deadlines.front().first <= now) {
    uint64_t id = deadlines.front().second;
    deadlines.pop_front();
    auto found = pending.find(id);
    if (found == pending.end()) continue;
    Reply reply;
    reply.failed = true;
    reply.detail = found->second.last_problem.empty() ? "no answer from any dns server in time"
                                                      : found->second.last_problem;
    // Beyond any retry: the number of tries is what settle_one() looks at.
    found->second.tries = ~0u;
    arrived.push_back({id, std::move(reply)});
  }
}

// One pass may cause the next: a question that fails at once arrives while it is being sent.
void Upstream::Impl::work() {
  do {
    while (!arrived.empty()) {
      if (!settle_one()) return;
    }
    send_waiting();
  } while (!arrived.empty());
  std::erase_if(retired, [](const auto& channel) { return channel->outstanding() == 0; });
  while (!deadlines.empty() && !pending.contains(deadlines.front().second)) deadlines.pop_front();
  bool busy = in_flight > 0 || !pending.empty();
  if (busy && !tick.armed()) tick.set_after(kTick);
  if (!busy) tick.cancel();
}

// False: the listener destroyed us.
bool Upstream::Impl::settle_one() {
  Arrived one = std::move(arrived.front());
  arrived.pop_front();
  auto found = pending.find(one.id);
  if (found == pending.end()) return true;
  Pending& question = found->second;
  if (!one.reply.failed || one.reply.answer.rcode != 0) {
    replace_if_crippled(servers[question.server], one.reply.answer.has_edns);
  }
  if (one.reply.failed && question.tries < kTriesPerServer * servers.size()) {
    question.server = (question.server + 1) % servers.size();
    question.last_problem = std::move(one.reply.detail);
    waiting.push_front(one.id);
    return true;
  }
  if (one.reply.failed) {
    ++failed;
    count(metrics::Metric::kDnsFailures);
  } else {
    preferred = question.server;
  }
  pending.erase(found);
  std::weak_ptr<bool> still_here = alive;
  listener.on_reply(one.id, one.reply);
  return !still_here.expired();
}

void Upstream::Impl::send_waiting() {
  while (!waiting.empty() && in_flight < settings.max_in_flight) {
    uint64_t id = waiting.front();
    waiting.pop_front();
    auto found = pending.find(id);
    if (found == pending.end() || found->second.tries == ~0u) continue;
    Pending& question = found->second;
    if (question.tries++ == 0) question.server = preferred;
    ++sent;
    count(metrics::Metric::kDnsQueries);
    ++in_flight;
    servers[question.server].channel->send(id, question.name, question.type);
  }
}

// A server that does not know EDNS at all would have us do this for every question: hence a pause.
void Upstream::Impl::replace_if_crippled(Server& server, bool reply_has_edns) {
  TimePoint now = loop.now();
  if (reply_has_edns) return;
  if (server.rebuilt != TimePoint::min() && now - server.rebuilt < kRebuildPause) return;
  if (!server.channel->lost_edns()) return;
  auto fresh = Channel::create(loop, server.channel->server(), settings.trust_ad, *this);
  if (!fresh) {
    log_warn("dns: " + fresh.error().message);
    return;
  }
  server.rebuilt = now;
  retired.push_back(std::exchange(server.channel, std::move(*fresh)));
}

void Upstream::Impl::post_work() {
  if (std::exchange(posted, true)) return;
  loop.post([this, still_here = std::weak_ptr<bool>(alive)] {
    if (still_here.expired()) return;
    posted = false;
    work();
  });
}

Upstream::Upstream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Upstream::~Upstream() = default;

Result<std::unique_ptr<Upstream>> Upstream::create(net::Loop& loop, UpstreamSettings settings,
                                                   Listener& listener) {
  auto impl = std::make_unique<Impl>(loop, std::move(settings), listener);
  for (const net::Endpoint& server : impl->settings.servers) {
    auto channel = Channel::create(loop, server, impl->settings.trust_ad, *impl);
    if (!channel) return channel.error();
    impl->servers.push_back({std::move(*channel), TimePoint::min()});
  }
  return std::unique_ptr<Upstream>(new Upstream(std::move(impl)));
}

uint64_t Upstream::ask(std::string name, RecordType type) {
  uint64_t id = impl_->next_id++;
  impl_->pending.emplace(id, Impl::Pending{std::move(name), type, impl_->preferred, 0, {}});
  impl_->deadlines.emplace_back(impl_->loop.now() + impl_->settings.timeout, id);
  impl_->waiting.push_back(id);
  impl_->post_work();
  return id;
}

UpstreamStats Upstream::stats() const {
  return {impl_->sent, impl_->failed, impl_->in_flight, impl_->waiting.size()};
}

}  // namespace volley::dns
