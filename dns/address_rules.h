// From the replies about A and AAAA to the addresses delivery may connect to: the rules alone.
//
// Purpose  join_addresses(): what the two replies mean together. One family failing does no harm
//          while the other has an address. choose_addresses(): the order and the cut of one answer.
// Rules    Private, loopback and other special addresses are left out unless allowed: whoever
//          writes the DNS of a recipient's domain must not make us talk to our own network.
// Thread   Pure.
#pragma once

#include <optional>
#include <vector>

#include "base/random.h"
#include "dns/resolver.h"
#include "dns/upstream.h"

namespace volley::dns {

struct AddressParts {
  Reply v4;
  std::optional<Reply> v6;  // nullopt: not asked for
};

// All addresses, IPv6 first, not cut.
AddressAnswer join_addresses(const AddressParts& parts, bool allow_private);

// Each family shuffled; at most kMaxAddresses.
void choose_addresses(std::vector<net::Endpoint>& addresses, Random& random);

}  // namespace volley::dns
