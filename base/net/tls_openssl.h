// OpenSSL's objects with owners, for this box's TLS files only.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>

#include "base/openssl.h"

namespace volley::net {

using BioPtr = std::unique_ptr<BIO, Freer<BIO_free_all>>;
using X509Ptr = std::unique_ptr<X509, Freer<X509_free>>;
using SslCtxPtr = std::unique_ptr<SSL_CTX, Freer<SSL_CTX_free>>;
using SslSessionPtr = std::unique_ptr<SSL_SESSION, Freer<SSL_SESSION_free>>;
using X509StorePtr = std::unique_ptr<X509_STORE, Freer<X509_STORE_free>>;
using PkeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;

}  // namespace volley::net
