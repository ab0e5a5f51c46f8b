#include "engine/sink/certificate.h"

#include <chrono>
#include <utility>

#include "base/files.h"
#include "base/time.h"

namespace volley::sink {
namespace {

Result<net::TlsIdentity> identity_of(const Options& options) {
  if (!options.certificate.empty()) {
    auto certificate = read_file(options.certificate);
    if (!certificate) return certificate.error();
    auto key = read_file(options.key);
    if (!key) return key.error();
    return net::TlsIdentity{std::move(*certificate), std::move(*key)};
  }
  if (options.tls_fault == TlsFault::kExpired) {
    const WallTime yesterday = wall_now() - std::chrono::hours(24);
    return net::make_self_signed(options.server.name, yesterday - std::chrono::hours(24 * 90),
                                 yesterday);
  }
  const bool wrong = options.tls_fault == TlsFault::kWrongName;
  return net::make_self_signed(wrong ? "wrong.example.net" : options.server.name);
}

}  // namespace

Result<std::unique_ptr<net::TlsContext>> make_tls(const Options& options) {
  auto identity = identity_of(options);
  if (!identity) return identity.error();
  if (!options.save_certificate.empty()) {
    Status saved = write_file_atomically(options.save_certificate, identity->certificate_pem, 0644);
    if (!saved) return saved.error();
  }
  net::TlsServerOptions versions;
  if (options.tls_fault == TlsFault::kTls10) {
    versions.min_version = versions.max_version = net::TlsVersion::kTls10;
  }
  return net::TlsContext::server(*identity, versions);
}

}  // namespace volley::sink
