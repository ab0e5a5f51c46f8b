// OpenSSL's objects with owners, and its errors as ours. For the boxes' TLS files only.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <utility>

#include "base/result.h"

namespace volley::net {

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using BioPtr = std::unique_ptr<BIO, Freer<BIO_free_all>>;
using X509Ptr = std::unique_ptr<X509, Freer<X509_free>>;
using SslCtxPtr = std::unique_ptr<SSL_CTX, Freer<SSL_CTX_free>>;
using SslSessionPtr = std::unique_ptr<SSL_SESSION, Freer<SSL_SESSION_free>>;
using X509StorePtr = std::unique_ptr<X509_STORE, Freer<X509_STORE_free>>;
using PkeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;

// `what`, and OpenSSL's reason where it has one; its queue of errors is empty afterwards.
inline Error openssl_error(Errc code, std::string what) {
  const unsigned long raised = ERR_peek_last_error();
  const char* reason = raised ? ERR_reason_error_string(raised) : nullptr;
  if (reason) what += std::string(": ") + reason;
  ERR_clear_error();
  return Error{code, std::move(what)};
}

}  // namespace volley::net
