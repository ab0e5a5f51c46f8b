#include "engine/delivery/tlsa.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "dns/mx.h"

namespace volley::delivery {
namespace {

// RFC 6698 section 7.
constexpr uint8_t kTrustAnchor = 2, kEndEntity = 3;
constexpr uint8_t kWholeCertificate = 0, kPublicKey = 1;
constexpr uint8_t kAsItIs = 0, kSha256 = 1, kSha512 = 2;

}  // namespace

bool is_usable(const dns::TlsaRecord& record) {
  if (record.usage != kTrustAnchor && record.usage != kEndEntity) return false;
  if (record.selector != kWholeCertificate && record.selector != kPublicKey) return false;
  switch (record.matching) {
    case kAsItIs:
      return !record.data.empty();
    case kSha256:
      return record.data.size() == 32;
    case kSha512:
      return record.data.size() == 64;
    default:
      return false;
  }
}

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
  std::copy_if(answer.records.begin(), answer.records.end(), std::back_inserter(out.records),
               is_usable);
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
