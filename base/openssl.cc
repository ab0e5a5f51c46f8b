#include "base/openssl.h"

#include <openssl/err.h>

#include <utility>

namespace volley {

std::string openssl_reason(const char* otherwise) {
  const unsigned long raised = ERR_peek_last_error();
  const char* reason = raised ? ERR_reason_error_string(raised) : nullptr;
  std::string text = reason ? reason : otherwise;
  ERR_clear_error();
  return text;
}

Error openssl_error(Errc code, std::string what) {
  const std::string reason = openssl_reason("");
  if (!reason.empty()) what.append(": ").append(reason);
  return Error{code, std::move(what)};
}

}  // namespace volley
