// [relay]: the host that all mail goes through, and how we log in there.
//
// Purpose  read_relay() checks the section's keys against each other: a login needs TLS with a certificate that is verified, unless the
//          relay is on this machine. read_limits() has the keys that [site."..."] shares. relay_credentials() reads the
//          secret, when mail is about to be sent or checked.
// Errors   Noted in the table (file:line:column); relay_credentials: kConfig, kNoInput. No text contains a secret.
// Thread   Values. Not for: the network.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/config.h"
#include "base/result.h"
#include "engine/smtp/sasl.h"

namespace volley::cli {

struct LimitSetting {
  std::optional<int64_t> connections, messages_per_connection;
  std::optional<int64_t> recipients;  // per transaction
  std::optional<int64_t> daily;       // messages in any 24 hours
  std::optional<double> rate;         // messages/s
  std::optional<std::string> tls;     // "opportunistic", "required", "verified", "never"
};

struct RelaySetting {
  std::string host;
  uint16_t port = 587;
  bool implicit_tls = false;  // tls = "implicit", which `limits.tls` has not
  std::string user;           // empty: no login
  std::string password_file, token_file;
  std::string secret_place;      // `file:line:column: key` of the one that is set
  uint16_t mechanisms = 0xffff;  // smtp::AuthMechanism bits
  LimitSetting limits;

  std::string address() const;  // "smtp.example.com:587"
  const std::string& secret_file() const { return token_file.empty() ? password_file : token_file; }
};

void read_limits(Table& table, LimitSetting& out);
RelaySetting read_relay(Table table, const Config& config);
// Null without a login.
Result<std::shared_ptr<const smtp::Credentials>> relay_credentials(const RelaySetting& relay);

}  // namespace volley::cli
