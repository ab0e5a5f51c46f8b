// OpenSSL's objects with owners, and its errors as ours, for all boxes that use it.
//
// Purpose  using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>; and what OpenSSL complains about as an Error.
// Layers   Includes nothing of OpenSSL, so that it may be seen everywhere: who uses it includes what it needs.
// Thread   The errors are those of the calling thread.
#pragma once

#include <string>

#include "base/result.h"

namespace volley {

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};

// The reason of OpenSSL's last error, or `otherwise` where it has none; its queue of errors is empty afterwards.
std::string openssl_reason(const char* otherwise);
// `what`, and the reason where there is one.
Error openssl_error(Errc code, std::string what);

}  // namespace volley
