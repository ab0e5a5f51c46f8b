#include "engine/delivery/tlsa.h"

#include <utility>

#include "dns/mx.h"

namespace volley::delivery {
std::vector<std::string> tlsa_bases(bool mx_authenticated, std::string_view mx_host,
                                    const dns::AddressAnswer& addresses) {
  if (!mx_authenticated || !addresses.authenticated) return {};
  std::string host = dns::canonical_name(mx_host);
  if (addresses.canonical.empty() || addresses.canonical == host) return {std::move(host)};
  return {addresses.canonical, std::move(host)};
}

DaneDecision decide_dane(std::string_view base, const dns::TlsaAnswer& answer) {
  DaneDecision out;
  out.base = base;
  if (answer.failed) {
    out.verdict = DaneVerdict::kSkipHost;
    out.detail = "TLSA records of " + out.base + ": " + answer.detail;
    return out;
  }
  if (!answer.authenticated || answer.records.empty()) return out;
  for (const dns::TlsaRecord& found : answer.records) {
    net::TlsaRecord record{found.usage, found.selector, found.matching, found.data};
    if (net::is_usable(record)) out.records.push_back(std::move(record));
  }
  out.verdict = out.records.empty() ? DaneVerdict::kEncrypt : DaneVerdict::kAuthenticate;
  if (out.records.empty()) out.detail = "no TLSA record of " + out.base + " is usable";
  return out;
}

std::string_view result_type(DaneVerdict verdict) {
  switch (verdict) {
    case DaneVerdict::kEncrypt:
      return "tlsa-invalid";
    case DaneVerdict::kSkipHost:
      return "dnssec-invalid";
    case DaneVerdict::kNone:
    case DaneVerdict::kAuthenticate:
      break;
  }
  return "";
}

}  // namespace volley::delivery
