#include "engine/cli/named_files.h"

#include "base/files.h"
#include "base/log.h"
#include "base/net/tls.h"

namespace volley::cli {
namespace {

Error at(const std::string& place, const Error& error) {
  if (place.empty()) return error;  // it was on the command line
  return Error{error.code, place + ": " + error.message};
}

}  // namespace

Result<std::string> http_token(const Settings& settings) {
  if (settings.http_token_file.empty()) return std::string();
  auto token = read_secret(settings.http_token_file);
  if (!token) return at(settings.places.http_token_file, token.error());
  return token;
}

Result<queue::QueueUrl> external_queue(const Settings& settings) {
  auto url = queue::QueueUrl::parse(settings.queue_url);
  if (!url) return at(settings.places.queue_url, url.error());
  if (!settings.queue_password_file.empty()) {
    auto password = read_secret(settings.queue_password_file);
    if (!password) return at(settings.places.queue_password_file, password.error());
    url->password = *password;
  }
  return url;
}

Result<message::DkimKeyRing> dkim_keys(const Settings& settings) {
  auto keys = message::DkimKeyRing::load(settings.dkim);
  if (keys) {
    for (const std::string& warning : keys->warnings()) log_warn(warning);
  }
  return keys;
}

Status check_ca_file(const Settings& settings) {
  if (settings.ca_file.empty()) return {};
  net::TlsClientOptions tls;
  tls.ca_file = settings.ca_file;
  auto context = net::TlsContext::client(tls);
  return context ? Status() : at(settings.places.ca_file, context.error());
}

Status check_named_files(const Settings& settings) {
  if (auto keys = dkim_keys(settings); !keys) return keys.error();
  if (auto token = http_token(settings); !token) return token.error();
  if (!settings.queue_url.empty()) {
    if (auto url = external_queue(settings); !url) return url.error();
  }
  if (settings.relay) {
    if (auto credentials = relay_credentials(*settings.relay); !credentials)
      return credentials.error();
  }
  return check_ca_file(settings);
}

}  // namespace volley::cli
