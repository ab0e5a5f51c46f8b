// A zone file signed on the spot with a key of its own, for tests (ldns-keygen, ldns-signzone).
#pragma once

#include <optional>
#include <string>

namespace volley::dns {

struct SignedZone {
  std::string file;    // the signed zone
  std::string anchor;  // the DS record a validator trusts
};

bool can_sign_zones();  // ldnsutils is installed
// records: without $ORIGIN, SOA and NS, which are added. nullopt: a tool failed.
std::optional<SignedZone> sign_zone(const std::string& directory, const std::string& name,
                                    const std::string& records);
// The same zone without signatures; its path.
std::string write_zone(const std::string& directory, const std::string& name,
                       const std::string& records);

}  // namespace volley::dns
