#include "dns/address_rules.h"

#include <algorithm>
#include <utility>

#include "dns/cache.h"

namespace volley::dns {

namespace {

constexpr unsigned kNxDomain = 3;
// What is kept of a crafted answer with thousands of addresses.
constexpr size_t kKeep = 64;

void take(net::Endpoint address, bool allow_private, AddressAnswer& out) {
  if (!allow_private && address.is_private_or_loopback()) {
    out.refused_private = true;
  } else {
    out.addresses.push_back(std::move(address));
  }
}

void take_reply(const Reply& reply, bool allow_private, AddressAnswer& out) {
  size_t n6 = std::min(reply.answer.aaaa.size(), kKeep);
  for (size_t i = 0; i < n6; ++i) {
    take(net::Endpoint::v6(reply.answer.aaaa[i], 0), allow_private, out);
  }
  size_t n4 = std::min(reply.answer.a.size(), kKeep);
  for (size_t i = 0; i < n4; ++i) {
    take(net::Endpoint::v4(reply.answer.a[i], 0), allow_private, out);
  }
}

bool has_address(const Reply& reply) {
  return !reply.answer.a.empty() || !reply.answer.aaaa.empty();
}

Duration ttl_of(const Reply& reply) {
  if (reply.failed) return failure_ttl();
  return has_address(reply) ? clamp_positive_ttl(reply.answer.ttl)
                            : clamp_negative_ttl(reply.answer.negative_ttl);
}

// A family that failed contributes nothing, so it cannot spoil what the other one proved: an
// attacker who could make it fail could not make a signed zone look unsigned.
bool is_authenticated(const AddressParts& parts) {
  bool any = false;
  for (const Reply* reply : {&parts.v4, parts.v6 ? &*parts.v6 : nullptr}) {
    if (reply == nullptr || reply->failed) continue;
    if (!reply->answer.authenticated) return false;
    any = true;
  }
  return any;
}

// Both families follow the same aliases; should they not, those of an address count.
std::string canonical_of(const AddressParts& parts) {
  bool v6_only = parts.v6 && (has_address(*parts.v6) || parts.v4.failed) && !has_address(parts.v4);
  return v6_only ? parts.v6->answer.owner : parts.v4.answer.owner;
}

}  // namespace

AddressAnswer join_addresses(const AddressParts& parts, bool allow_private) {
  AddressAnswer out;
  out.authenticated = is_authenticated(parts);
  out.canonical = canonical_of(parts);
  out.ttl = ttl_of(parts.v4);
  if (parts.v6) {
    out.ttl = std::min(out.ttl, ttl_of(*parts.v6));
    if (!parts.v6->failed) take_reply(*parts.v6, allow_private, out);
  }
  if (!parts.v4.failed) take_reply(parts.v4, allow_private, out);
  if (!out.addresses.empty()) return out;

  if (out.refused_private) {
    out.detail = "only private or loopback addresses, refused (dns.allow_private = true allows)";
  } else if (parts.v4.failed) {
    out.detail = parts.v4.detail;
  } else if (parts.v6 && parts.v6->failed) {
    out.detail = parts.v6->detail;
  } else {
    out.permanent = true;
    out.detail = parts.v4.answer.rcode == kNxDomain ? "NXDOMAIN" : "no address record";
  }
  return out;
}

void choose_addresses(std::vector<net::Endpoint>& addresses, Random& random) {
  auto is_v6 = [](const net::Endpoint& e) { return e.family() == net::Endpoint::Family::kV6; };
  auto border = std::stable_partition(addresses.begin(), addresses.end(), is_v6);
  std::shuffle(addresses.begin(), border, random);
  std::shuffle(border, addresses.end(), random);
  if (addresses.size() <= kMaxAddresses) return;
  auto n6 = static_cast<size_t>(border - addresses.begin());
  size_t n4 = addresses.size() - n6;
  size_t keep4 =
      std::min(n4, std::max(kMaxAddresses / 2, kMaxAddresses - std::min(n6, kMaxAddresses)));
  size_t keep6 = kMaxAddresses - keep4;
  addresses.erase(addresses.begin() + static_cast<std::ptrdiff_t>(n6 + keep4), addresses.end());
  addresses.erase(addresses.begin() + static_cast<std::ptrdiff_t>(keep6), border);
}

}  // namespace volley::dns
