#include "base/net/tls_verify.h"

#include <openssl/x509v3.h>

#include <algorithm>

#include "base/hash.h"
#include "base/net/endpoint.h"
#include "base/net/tls_openssl.h"

namespace volley::net {
namespace {

bool is_enforced(const TlsDemand& demand) {
  return demand.kind != TlsDemand::Kind::kNone && demand.enforce;
}

TlsVersion lowest_version(const TlsDemand& demand) {
  return demand.min_version.value_or(is_enforced(demand) ? TlsVersion::kTls12 : TlsVersion::kTls10);
}

int security_level(const TlsDemand& demand) {
  if (lowest_version(demand) < TlsVersion::kTls12) return 0;
  return is_enforced(demand) && demand.kind == TlsDemand::Kind::kPkix ? 2 : 1;
}

bool is_ip(const std::string& name) { return Endpoint::from_ip(name, 0).has_value(); }

// OpenSSL takes a leading dot for "anything below", and C strings end at a NUL.
bool is_plain(const std::string& name) {
  return !name.empty() && name.front() != '.' && name.find('\0') == std::string::npos;
}

Error unusable_name(const std::string& name) {
  ERR_clear_error();
  return Error{Errc::kData, "TLS: cannot verify a peer as \"" + name + "\""};
}

Status demand_names(const std::vector<std::string>& names, SSL* ssl) {
  if (names.size() == 1 && is_ip(names.front())) {
    // A host that SSL_dane_enable() has set would have to match as well.
    if (SSL_set1_host(ssl, nullptr) == 1 &&
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), names.front().c_str()) == 1) {
      return {};
    }
    return unusable_name(names.front());
  }
  SSL_set1_host(ssl, nullptr);
  for (const std::string& name : names) {
    if (!is_plain(name) || is_ip(name) || SSL_add1_host(ssl, name.c_str()) != 1) {
      return unusable_name(name);
    }
  }
  return {};
}

Status demand_dane(const TlsDemand& demand, const std::string& base, SSL* ssl) {
  if (SSL_dane_enable(ssl, base.c_str()) <= 0) return openssl_error(Errc::kInternal, "TLS: DANE");
  SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
  bool any = false;
  for (const TlsaRecord& record : demand.tlsa) {
    if (!is_usable(record)) continue;
    const auto* data = reinterpret_cast<const unsigned char*>(record.data.data());
    const int added = SSL_dane_tlsa_add(ssl, record.usage, record.selector, record.matching, data,
                                        record.data.size());
    if (added < 0) return openssl_error(Errc::kInternal, "TLS: DANE");
    any = any || added > 0;
  }
  ERR_clear_error();
  if (!any) return Error{Errc::kData, "TLS: no usable TLSA record"};
  return {};
}

void put(std::string& out, std::string_view field) {
  out += std::to_string(field.size()) + ':';
  out += field;
}

}  // namespace

int wire_version(TlsVersion version) {
  switch (version) {
    case TlsVersion::kTls10:
      return TLS1_VERSION;
    case TlsVersion::kTls11:
      return TLS1_1_VERSION;
    case TlsVersion::kTls12:
      return TLS1_2_VERSION;
    case TlsVersion::kTls13:
      break;
  }
  return TLS1_3_VERSION;
}

Status apply(const TlsDemand& demand, const std::string& server_name, SSL* ssl,
             X509_STORE* trusted) {
  SSL_set_security_level(ssl, security_level(demand));
  if (SSL_set_min_proto_version(ssl, wire_version(lowest_version(demand))) != 1) {
    return openssl_error(Errc::kInternal, "TLS: version");
  }
  // Servers from before RFC 5746. What that leaves open needs somebody in the middle, and who is not
  // authenticated may be just that.
  if (!is_enforced(demand)) SSL_set_options(ssl, SSL_OP_LEGACY_SERVER_CONNECT);
  if (demand.kind == TlsDemand::Kind::kNone) return {};

  SSL_set_verify(ssl, demand.enforce ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  std::vector<std::string> names = demand.names;
  if (names.empty()) names.push_back(server_name);
  if (!is_plain(names.front())) return unusable_name(names.front());
  unsigned flags = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
  if (demand.kind == TlsDemand::Kind::kDane) {
    if (Status set = demand_dane(demand, names.front(), ssl); !set) return set;
  } else {
    flags |= X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;
    SSL_set1_verify_cert_store(ssl, trusted);
  }
  SSL_set_hostflags(ssl, flags);
  return demand_names(names, ssl);
}

std::string digest(const TlsDemand& demand, const std::string& server_name) {
  std::string all;
  all += static_cast<char>('0' + static_cast<int>(demand.kind));
  all += static_cast<char>('0' + static_cast<int>(lowest_version(demand)));
  all += demand.enforce ? 'e' : 'n';
  put(all, server_name);
  std::vector<std::string> names = demand.names;
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) put(all, name);
  std::vector<std::string> records;
  for (const TlsaRecord& record : demand.tlsa) {
    records.push_back({static_cast<char>(record.usage), static_cast<char>(record.selector),
                       static_cast<char>(record.matching)});
    records.back() += record.data;
  }
  std::sort(records.begin(), records.end());
  all += '/';
  for (const std::string& record : records) put(all, record);
  const auto hash = Sha256::of(all);
  return std::string(hash.begin(), hash.end());
}

TlsTrust find_trust(TlsDemand::Kind kind, SSL* ssl) {
  // Without a certificate, OpenSSL's result is "fine".
  if (SSL_get0_peer_certificate(ssl) == nullptr || SSL_get_verify_result(ssl) != X509_V_OK) {
    return TlsTrust::kNone;
  }
  switch (kind) {
    case TlsDemand::Kind::kNone:
      break;
    case TlsDemand::Kind::kPkix:
      return TlsTrust::kPkix;
    case TlsDemand::Kind::kDane: {
      uint8_t usage = 0;
      if (SSL_get0_dane_tlsa(ssl, &usage, nullptr, nullptr, nullptr, nullptr) < 0) break;
      return usage == 3 ? TlsTrust::kDaneEe : TlsTrust::kDaneTa;
    }
  }
  return TlsTrust::kNone;
}

TlsFailure failure_of(long verify_result) {
  switch (verify_result) {
    case X509_V_OK:
      return TlsFailure::kNone;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return TlsFailure::kCertificateHostMismatch;
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return TlsFailure::kCertificateExpired;
    case X509_V_ERR_DANE_NO_MATCH:
      return TlsFailure::kTlsaInvalid;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_CERT_CHAIN_TOO_LONG:
    case X509_V_ERR_CERT_REVOKED:
    case X509_V_ERR_CERT_UNTRUSTED:
    case X509_V_ERR_CERT_REJECTED:
    case X509_V_ERR_INVALID_CA:
    case X509_V_ERR_PATH_LENGTH_EXCEEDED:
      return TlsFailure::kCertificateNotTrusted;
    default:
      return TlsFailure::kCertificateUnfit;
  }
}

}  // namespace volley::net
