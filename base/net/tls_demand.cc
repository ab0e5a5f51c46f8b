#include "base/net/tls_demand.h"

#include "base/net/tls_openssl.h"

namespace volley::net {
namespace {

// The whole of `data` is one certificate, or one public key.
bool parses(const std::string& data, bool is_key) {
  const auto* at = reinterpret_cast<const unsigned char*>(data.data());
  const unsigned char* const end = at + data.size();
  const auto size = static_cast<long>(data.size());
  const bool parsed = is_key ? PkeyPtr(d2i_PUBKEY(nullptr, &at, size)) != nullptr
                             : X509Ptr(d2i_X509(nullptr, &at, size)) != nullptr;
  ERR_clear_error();
  return parsed && at == end;
}

}  // namespace

bool is_usable(const TlsaRecord& record) {
  if ((record.usage != 2 && record.usage != 3) || record.selector > 1) return false;
  switch (record.matching) {
    case 0:
      return parses(record.data, record.selector == 1);
    case 1:
      return record.data.size() == 32;  // SHA-256
    case 2:
      return record.data.size() == 64;  // SHA-512
    default:
      return false;
  }
}

std::string_view str(TlsFailure failure) {
  switch (failure) {
    case TlsFailure::kNone:
      break;
    case TlsFailure::kCertificateHostMismatch:
      return "certificate-host-mismatch";
    case TlsFailure::kCertificateExpired:
      return "certificate-expired";
    case TlsFailure::kCertificateNotTrusted:
      return "certificate-not-trusted";
    case TlsFailure::kTlsaInvalid:
      return "tlsa-invalid";
    case TlsFailure::kCertificateUnfit:
    case TlsFailure::kValidationFailure:
      return "validation-failure";
  }
  return {};
}

}  // namespace volley::net
