#include "engine/cli/address_match.h"

#include "base/utf8.h"

namespace volley::cli {

Result<AddressMatch> AddressMatch::make(const std::string& text) {
  auto address = parse_address(text);
  if (!address) return Error{Errc::kUsage, text + ": " + address.error().message};
  AddressMatch match;
  match.local_ = ascii_lower(address->local);
  match.domain_ = address->domain;
  return match;
}

bool AddressMatch::operator()(std::string_view address) const {
  const size_t at = address.rfind('@');
  if (at == std::string_view::npos || ascii_lower(address.substr(0, at)) != local_) return false;
  if (ascii_lower(address.substr(at + 1)) == domain_) return true;
  auto parsed = parse_address(address);
  return parsed && parsed->domain == domain_;
}

Result<std::string> domain_key(const std::string& text) {
  auto address = parse_address("x@" + text);
  if (!address) return Error{Errc::kUsage, "\"" + text + "\" is no domain: " + address.error().message};
  return address->domain;
}

}  // namespace volley::cli
