#include <algorithm>
#include <deque>
#include <unordered_map>
#include <utility>
#include <variant>

#include "base/net/loop.h"
#include "dns/address_rules.h"
#include "dns/cache.h"
#include "dns/channel.h"
#include "dns/reply_rules.h"
#include "dns/resolver.h"
#include "dns/upstream.h"
#include "metrics/registry.h"

namespace volley::dns {

namespace {

constexpr const char* kNoName = "not a name DNS can hold";

// One kind of look-up: what is known, and who waits for what is being asked.
template <typename Value>
struct Table {
  explicit Table(size_t capacity) : cache(capacity) {}
  TtlCache<Value> cache;
  struct Asked {
    TimePoint since;
    std::vector<QueryId> ids;
  };
  std::unordered_map<std::string, Asked> waiters;  // by name
};

// Replies about one host, until all of them are there.
struct HalfKnown {
  AddressParts parts;
  int missing = 0;
};

}  // namespace

struct CaresResolver::Impl final : Upstream::Listener {
  struct Part {  // what a question of the upstream is for
    RecordType type;
    std::string name;
  };
  struct Ready {
    QueryId id;
    std::variant<MxAnswer, AddressAnswer, TlsaAnswer, TxtAnswer> answer;
  };

  net::Loop& loop;
  Settings settings;
  metrics::Shard* counters;
  Random random;
  std::unique_ptr<Upstream> upstream;
  Table<RawMx> mx;
  Table<AddressAnswer> addresses;
  Table<TlsaAnswer> tlsa;
  Table<TxtAnswer> txt;
  std::unordered_map<std::string, HalfKnown> half_known;
  std::unordered_map<uint64_t, Part> parts;
  std::unordered_map<QueryId, Receiver*> receivers;  // open queries; a cancelled one is not here
  std::deque<Ready> ready;
  QueryId next_id = 1;
  uint64_t cache_hits = 0;
  bool posted = false;
  std::shared_ptr<bool> alive = std::make_shared<bool>(true);

  Impl(net::Loop& l, Settings s, uint64_t seed, metrics::Shard* shard)
      : loop(l),
        settings(std::move(s)),
        counters(shard),
        random(seed),
        mx(settings.cache_entries),
        addresses(settings.cache_entries),
        tlsa(settings.cache_entries),
        txt(settings.cache_entries) {}

  QueryId open(Receiver& receiver) {
    receivers.emplace(next_id, &receiver);
    return next_id++;
  }
  template <typename Value>
  bool answered_or_asked(Table<Value>& table, QueryId id, const std::string& name);
  template <typename Value>
  void finish(Table<Value>& table, const std::string& name, Value value);
  void ask(RecordType type, const std::string& name) {
    parts.emplace(upstream->ask(name, type), Part{type, name});
  }
  void start_mx(QueryId id, const std::string& name);
  void start_addresses(QueryId id, const std::string& name);
  template <typename Value>
  void start_other(Table<Value>& table, RecordType type, QueryId id, const std::string& name);
  void on_reply(uint64_t id, const Reply& reply) override;
  void add_part(const Part& part, const Reply& reply);
  void answer(QueryId id, const std::string& name, const RawMx& raw);
  void answer(QueryId id, const std::string& name, AddressAnswer value);
  template <typename Value>
  void answer(QueryId id, const std::string&, Value value) {
    tell(id, std::move(value));
  }
  template <typename Value>
  void tell(QueryId id, Value value);
  void post_delivery();
  void deliver();
  void call(Receiver& receiver, QueryId id, const MxAnswer& a) { receiver.on_mx(id, a); }
  void call(Receiver& receiver, QueryId id, const AddressAnswer& a) {
    receiver.on_addresses(id, a);
  }
  void call(Receiver& receiver, QueryId id, const TlsaAnswer& a) { receiver.on_tlsa(id, a); }
  void call(Receiver& receiver, QueryId id, const TxtAnswer& a) { receiver.on_txt(id, a); }
};

// False: nobody asked for it yet, so the caller does.
template <typename Value>
bool CaresResolver::Impl::answered_or_asked(Table<Value>& table, QueryId id,
                                            const std::string& name) {
  if (const Value* cached = table.cache.find(name, loop.now())) {
    ++cache_hits;
    if (counters != nullptr) (*counters)[metrics::Metric::kDnsCacheHits].add();
    answer(id, name, *cached);
    return true;
  }
  auto [waiters, is_new] = table.waiters.try_emplace(name);
  if (is_new) waiters->second.since = loop.now();
  waiters->second.ids.push_back(id);
  return !is_new;
}

template <typename Value>
void CaresResolver::Impl::finish(Table<Value>& table, const std::string& name, Value value) {
  auto waiters = table.waiters.extract(name);
  const auto& asked = waiters.mapped();
  if (counters != nullptr) {
    (*counters)[metrics::Histogram::kDnsTime].observe(loop.now() - asked.since);
  }
  for (QueryId waiter : asked.ids) answer(waiter, name, value);
  Duration ttl = value.ttl;
  table.cache.put(name, std::move(value), ttl, loop.now());
}

void CaresResolver::Impl::start_mx(QueryId id, const std::string& name) {
  if (!is_usable_name(name)) {
    RawMx raw;
    raw.nxdomain = true;
    raw.ttl = clamp_negative_ttl(std::nullopt);
    raw.detail = kNoName;
    return answer(id, name, raw);
  }
  if (!answered_or_asked(mx, id, name)) ask(RecordType::kMx, name);
}

void CaresResolver::Impl::start_addresses(QueryId id, const std::string& name) {
  if (!is_usable_name(name)) {
    AddressAnswer none;
    none.permanent = true;
    none.canonical = name;
    none.ttl = clamp_negative_ttl(std::nullopt);
    none.detail = "not a host name";
    return answer(id, name, std::move(none));
  }
  if (answered_or_asked(addresses, id, name)) return;
  half_known[name].missing = settings.ipv6 ? 2 : 1;
  ask(RecordType::kA, name);
  if (settings.ipv6) ask(RecordType::kAaaa, name);
}

template <typename Value>
void CaresResolver::Impl::start_other(Table<Value>& table, RecordType type, QueryId id,
                                      const std::string& name) {
  if (!is_usable_name(name)) {
    Value none;
    none.ttl = clamp_negative_ttl(std::nullopt);
    none.detail = kNoName;
    return tell(id, std::move(none));
  }
  if (!answered_or_asked(table, id, name)) ask(type, name);
}

void CaresResolver::Impl::on_reply(uint64_t id, const Reply& reply) {
  auto found = parts.extract(id);
  if (found.empty()) return;
  const Part& part = found.mapped();
  switch (part.type) {
    case RecordType::kMx:
      return finish(mx, part.name, to_raw_mx(reply));
    case RecordType::kTlsa:
      return finish(tlsa, part.name, to_tlsa_answer(reply));
    case RecordType::kTxt:
      return finish(txt, part.name, to_txt_answer(reply));
    case RecordType::kA:
    case RecordType::kAaaa:
      return add_part(part, reply);
  }
}

void CaresResolver::Impl::add_part(const Part& part, const Reply& reply) {
  HalfKnown& host = half_known.at(part.name);
  if (part.type == RecordType::kA) {
    host.parts.v4 = reply;
  } else {
    host.parts.v6 = reply;
  }
  if (--host.missing > 0) return;
  auto known = half_known.extract(part.name);
  finish(addresses, part.name, join_addresses(known.mapped().parts, settings.allow_private));
}

void CaresResolver::Impl::answer(QueryId id, const std::string& name, const RawMx& raw) {
  if (receivers.contains(id)) tell(id, apply_mx_rules(name, raw, random));
}

void CaresResolver::Impl::answer(QueryId id, const std::string&, AddressAnswer value) {
  choose_addresses(value.addresses, random);
  tell(id, std::move(value));
}

template <typename Value>
void CaresResolver::Impl::tell(QueryId id, Value value) {
  if (!receivers.contains(id)) return;
  ready.push_back({id, std::move(value)});
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
    std::visit([&](const auto& value) { call(*receiver.mapped(), one.id, value); }, one.answer);
    if (still_here.expired()) return;
  }
}

bool is_loopback(std::span<const net::Endpoint> servers) {
  return !servers.empty() && std::all_of(servers.begin(), servers.end(),
                                         [](const auto& server) { return server.is_loopback(); });
}

CaresResolver::CaresResolver(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CaresResolver::~CaresResolver() = default;

Result<std::unique_ptr<CaresResolver>> CaresResolver::create(net::Loop& loop,
                                                             const Settings& settings,
                                                             uint64_t seed,
                                                             metrics::Shard* counters) {
  auto impl = std::make_unique<Impl>(loop, settings, seed, counters);
  UpstreamSettings upstream{settings.servers, settings.timeout,
                            std::max<size_t>(settings.max_in_flight, 1), settings.trust_ad,
                            counters};
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

QueryId CaresResolver::tlsa(std::string_view host, uint16_t port, Receiver& receiver) {
  QueryId id = impl_->open(receiver);
  impl_->start_other(impl_->tlsa, RecordType::kTlsa, id, tlsa_name(canonical_name(host), port));
  return id;
}

QueryId CaresResolver::txt(std::string_view name, Receiver& receiver) {
  QueryId id = impl_->open(receiver);
  impl_->start_other(impl_->txt, RecordType::kTxt, id, canonical_name(name));
  return id;
}

void CaresResolver::cancel(QueryId id) { impl_->receivers.erase(id); }

Stats CaresResolver::stats() const {
  UpstreamStats up = impl_->upstream->stats();
  return {up.sent, impl_->cache_hits, up.failed, up.in_flight,
          impl_->mx.cache.size() + impl_->addresses.cache.size() + impl_->tlsa.cache.size() +
              impl_->txt.cache.size()};
}

}  // namespace volley::dns
