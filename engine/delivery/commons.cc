#include "engine/delivery/commons.h"

#include <utility>

namespace volley::delivery {

Status Commons::set_up_tls(const std::string& ca_file) {
  net::TlsClientOptions options;
  options.ca_file = ca_file;
  auto context = net::TlsContext::client(options);
  if (!context) return context.error();
  tls_context = std::move(*context);
  return {};
}

}  // namespace volley::delivery
