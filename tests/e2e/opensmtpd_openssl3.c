// Preloaded into Debian 12's OpenSMTPD 6.8, which fails every TLS handshake with OpenSSL 3 ("missing private key").
//
// OpenSMTPD marks the RSA key that it gets here and expects the mark to be on the EVP_PKEY's own key. Since OpenSSL 3 it
// gets a copy; later releases of OpenSMTPD put the copy back, and so does this.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

RSA *EVP_PKEY_get1_RSA(EVP_PKEY *key) {
  RSA *(*real)(EVP_PKEY *) = (RSA * (*)(EVP_PKEY *)) dlsym(RTLD_NEXT, "EVP_PKEY_get1_RSA");
  RSA *rsa = real(key);
  if (rsa != NULL) EVP_PKEY_set1_RSA(key, rsa);
  return rsa;
}
