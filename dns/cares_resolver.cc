#include <algorithm>
#include <deque>
#include <unordered_map>
#include <utility>
#include <variant>

#include "base/net/loop.h"
#include "dns/address_rules.h"
#include "dns/cache.h"
#include "dns/channel.h"
#include "dns/resolver.h"
#include "dns/upstream.h"

namespace volley::dns {

namespace {

constexpr unsigned kNxDomain = 3;

RawMx to_raw_mx(const Reply& reply) {
  RawMx raw;
  raw.detail = reply.detail;
  if (reply.failed) {
    raw.temporary = true;
    raw.ttl = failure_ttl();
  } else if (reply.answer.rcode == kNxDomain) {
    raw.nxdomain = true;
    raw.ttl = clamp_negative_ttl(reply.answer.negative_ttl);
    raw.detail = "NXDOMAIN";
  } else if (reply.answer.mx.empty()) {
    raw.ttl = clamp_negative_ttl(reply.answer.negative_ttl);
  } else {
    raw.records = reply.answer.mx;
    raw.ttl = clamp_positive_ttl(reply.answer.ttl);
  }
  return raw;
}

}  // namespace

struct CaresResolver::Impl final : Upstream::Listener {
  struct MxJob {
    std::vector<QueryId> waiters;
  };
  struct AddressJob {
    std::vector<QueryId> waiters;
    AddressParts parts;
    int missing = 0;  // replies
  };
  struct Part {  // what a question of the upstream is for
    RecordType type;
    std::string name;
  };
  struct Ready {
    QueryId id;
    std::variant<MxAnswer, AddressAnswer> answer;
  };

  net::Loop& loop;
  Settings settings;
  Random random;
  std::unique_ptr<Upstream> upstream;
  TtlCache<RawMx> mx_cache;
  TtlCache<AddressAnswer> address_cache;
  std::unordered_map<std::string, MxJob> mx_jobs;
  std::unordered_map<std::string, AddressJob> address_jobs;
  std::unordered_map<uint64_t, Part> parts;
  std::unordered_map<QueryId, Receiver*> receivers;  // open queries; a cancelled one is not here
  std::deque<Ready> ready;
  QueryId next_id = 1;
  uint64_t cache_hits = 0;
  bool posted = false;
  std::shared_ptr<bool> alive = std::make_shared<bool>(true);

  Impl(net::Loop& l, Settings s, uint64_t seed)
      : loop(l),
        settings(std::move(s)),
        random(seed),
        mx_cache(settings.cache_entries),
        address_cache(settings.cache_entries) {}

  QueryId open(Receiver& receiver) {
    receivers.emplace(next_id, &receiver);
    return next_id++;
  }
  void start_mx(QueryId id, const std::string& name);
  void start_addresses(QueryId id, const std::string& name);
  void on_reply(uint64_t id, const Reply& reply) override;
  void finish_mx(const std::string& name, const Reply& reply);
  void add_part(const Part& part, const Reply& reply);
  void answer_mx(QueryId id, const std::string& name, const RawMx& raw);
  void answer_addresses(QueryId id, AddressAnswer answer);
  void post_delivery();
  void deliver();
};

void CaresResolver::Impl::start_mx(QueryId id, const std::string& name) {
  if (!is_usable_name(name)) {
    RawMx raw;
    raw.nxdomain = true;
    raw.ttl = clamp_negative_ttl(std::nullopt);
    raw.detail = "not a name DNS can hold";
    return answer_mx(id, name, raw);
  }
  if (const RawMx* cached = mx_cache.find(name, loop.now())) {
    ++cache_hits;
    return answer_mx(id, name, *cached);
  }
  auto [job, is_new] = mx_jobs.try_emplace(name);
  job->second.waiters.push_back(id);
  if (is_new) parts.emplace(upstream->ask(name, RecordType::kMx), Part{RecordType::kMx, name});
}

void CaresResolver::Impl::start_addresses(QueryId id, const std::string& name) {
  if (!is_usable_name(name)) {
    AddressAnswer answer;
    answer.permanent = true;
    answer.ttl = clamp_negative_ttl(std::nullopt);
    answer.detail = "not a host name";
    return answer_addresses(id, std::move(answer));
  }
  if (const AddressAnswer* cached = address_cache.find(name, loop.now())) {
    ++cache_hits;
    return answer_addresses(id, *cached);
  }
  auto [job, is_new] = address_jobs.try_emplace(name);
  job->second.waiters.push_back(id);
  if (!is_new) return;
  job->second.missing = settings.ipv6 ? 2 : 1;
  parts.emplace(upstream->ask(name, RecordType::kA), Part{RecordType::kA, name});
  if (settings.ipv6) {
    parts.emplace(upstream->ask(name, RecordType::kAaaa), Part{RecordType::kAaaa, name});
  }
}

void CaresResolver::Impl::on_reply(uint64_t id, const Reply& reply) {
  auto part = parts.extract(id);
  if (part.empty()) return;
  if (part.mapped().type == RecordType::kMx) {
    finish_mx(part.mapped().name, reply);
  } else {
    add_part(part.mapped(), reply);
  }
}

void CaresResolver::Impl::finish_mx(const std::string& name, const Reply& reply) {
  auto job = mx_jobs.extract(name);
  RawMx raw = to_raw_mx(reply);
  for (QueryId waiter : job.mapped().waiters) answer_mx(waiter, name, raw);
  Duration ttl = raw.ttl;
  mx_cache.put(name, std::move(raw), ttl, loop.now());
}

void CaresResolver::Impl::add_part(const Part& part, const Reply& reply) {
  AddressJob& job = address_jobs.at(part.name);
  if (part.type == RecordType::kA) {
    job.parts.v4 = reply;
  } else {
    job.parts.v6 = reply;
  }
  if (--job.missing > 0) return;
  auto done = address_jobs.extract(part.name);
  AddressAnswer answer = join_addresses(done.mapped().parts, settings.allow_private);
  for (QueryId waiter : done.mapped().waiters) answer_addresses(waiter, answer);
  Duration ttl = answer.ttl;
  address_cache.put(part.name, std::move(answer), ttl, loop.now());
}

void CaresResolver::Impl::answer_mx(QueryId id, const std::string& name, const RawMx& raw) {
  if (!receivers.contains(id)) return;
  ready.push_back({id, apply_mx_rules(name, raw, random)});
  post_delivery();
}

void CaresResolver::Impl::answer_addresses(QueryId id, AddressAnswer answer) {
  if (!receivers.contains(id)) return;
  choose_addresses(answer.addresses, random);
  ready.push_back({id, std::move(answer)});
  post_delivery();
}

void CaresResolver::Impl::post_delivery() {
  if (std::exchange(posted, true)) return;
  loop.post([this, still_here = std::weak_ptr<bool>(alive)] {
    if (still_here.expired()) return;
    posted = false;
    deliver();
  });
}

void CaresResolver::Impl::deliver() {
  std::weak_ptr<bool> still_here = alive;
  // Only what is ready now: a receiver that asks for cached things must not keep us here.
  for (size_t left = ready.size(); left > 0; --left) {
    Ready one = std::move(ready.front());
    ready.pop_front();
    auto receiver = receivers.extract(one.id);
    if (receiver.empty()) continue;
    if (const auto* mx = std::get_if<MxAnswer>(&one.answer)) {
      receiver.mapped()->on_mx(one.id, *mx);
    } else {
      receiver.mapped()->on_addresses(one.id, std::get<AddressAnswer>(one.answer));
    }
    if (still_here.expired()) return;
  }
}

CaresResolver::CaresResolver(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CaresResolver::~CaresResolver() = default;

Result<std::unique_ptr<CaresResolver>> CaresResolver::create(net::Loop& loop,
                                                             const Settings& settings,
                                                             uint64_t seed) {
  auto impl = std::make_unique<Impl>(loop, settings, seed);
  UpstreamSettings upstream{settings.servers, settings.timeout,
                            std::max<size_t>(settings.max_in_flight, 1)};
  if (upstream.servers.empty()) {
    auto found = system_servers();
    if (!found) return found.error();
    upstream.servers = std::move(*found);
  }
  auto made = Upstream::create(loop, std::move(upstream), *impl);
  if (!made) return made.error();
  impl->upstream = std::move(*made);
  return std::unique_ptr<CaresResolver>(new CaresResolver(std::move(impl)));
}

QueryId CaresResolver::mx(std::string_view domain, Receiver& receiver) {
  QueryId id = impl_->open(receiver);
  impl_->start_mx(id, canonical_name(domain));
  return id;
}

QueryId CaresResolver::addresses(std::string_view host, Receiver& receiver) {
  QueryId id = impl_->open(receiver);
  impl_->start_addresses(id, canonical_name(host));
  return id;
}

void CaresResolver::cancel(QueryId id) { impl_->receivers.erase(id); }

Stats CaresResolver::stats() const {
  UpstreamStats up = impl_->upstream->stats();
  return {up.sent, impl_->cache_hits, up.failed, up.in_flight,
          impl_->mx_cache.size() + impl_->address_cache.size()};
}

}  // namespace volley::dns
