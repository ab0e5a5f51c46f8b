#include "engine/cli/address_match.h"

#include <nlohmann/json.hpp>

#include "base/utf8.h"

namespace volley::cli {
namespace {

bool ascii_alnum(unsigned char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool in_domain(char c) { return ascii_alnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || (c & 0x80) != 0; }
// It would make another address of what follows.
bool in_local(char c) { return in_domain(c) || c == '_' || c == '+'; }

}  // namespace

Result<AddressMatch> AddressMatch::make(const std::string& text) {
  auto address = parse_address(text);
  if (!address) return Error{Errc::kUsage, text + ": " + address.error().message};
  AddressMatch match;
  match.local_ = ascii_lower(address->local);
  match.domain_ = address->domain;
  match.escaped_ = nlohmann::json(match.local_).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  match.escaped_ = match.escaped_.substr(1, match.escaped_.size() - 2);
  return match;
}

bool AddressMatch::operator()(std::string_view address) const {
  const size_t at = address.rfind('@');
  if (at == std::string_view::npos || ascii_lower(address.substr(0, at)) != local_) return false;
  if (ascii_lower(address.substr(at + 1)) == domain_) return true;
  auto parsed = parse_address(address);
  return parsed && parsed->domain == domain_;
}

bool AddressMatch::named_in(std::string_view text) const {
  const std::string lower = ascii_lower(text);
  const auto named = [&](const std::string& local) {
    for (size_t at = lower.find(local + '@'); at != std::string::npos; at = lower.find(local + '@', at + 1)) {
      if (at > 0 && in_local(lower[at - 1])) continue;
      const size_t start = at + local.size() + 1;
      size_t end = start;
      while (end < lower.size() && in_domain(lower[end])) ++end;
      while (end > start && lower[end - 1] == '.') --end;
      const std::string domain = lower.substr(start, end - start);
      if (domain == domain_) return true;
      const auto key = domain_key(domain);
      if (key && *key == domain_) return true;
    }
    return false;
  };
  return named(local_) || (escaped_ != local_ && named(escaped_));
}

bool AddressMatch::may_be_in(std::string_view bytes) const {
  const std::string lower = ascii_lower(bytes);
  return lower.find(local_ + '@') != std::string::npos || lower.find(escaped_ + '@') != std::string::npos;
}

Result<std::string> domain_key(const std::string& text) {
  auto address = parse_address("x@" + text);
  if (!address) return Error{Errc::kUsage, "\"" + text + "\" is no domain: " + address.error().message};
  return address->domain;
}

}  // namespace volley::cli
