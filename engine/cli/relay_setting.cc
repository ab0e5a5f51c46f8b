#include "engine/cli/relay_setting.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/files.h"
#include "base/net/endpoint.h"
#include "base/utf8.h"

namespace volley::cli {
namespace {

constexpr uint16_t kSubmission = 587;   // RFC 6409
constexpr uint16_t kSubmissions = 465;  // RFC 8314
constexpr int64_t kMost = 1'000'000;

constexpr uint16_t kWithToken = smtp::kAuthXoauth2 | smtp::kAuthOauthbearer;

uint16_t mechanism(std::string_view name) {
  for (uint16_t bit = smtp::kAuthPlain; bit <= smtp::kAuthOauthbearer;
       bit = static_cast<uint16_t>(bit << 1)) {
    if (name == smtp::to_string(static_cast<smtp::AuthMechanism>(bit))) return bit;
  }
  return 0;
}

std::optional<int64_t> count(Table& table, const char* key) {
  const auto value = table.integer(key);
  if (value && *value < 1) table.fail(key, "must be at least 1");
  if (value && *value > kMost) table.fail(key, "must be at most 1000000");
  return value;
}

bool is_host(std::string_view host) {
  if (net::Endpoint::from_ip(host, 0)) return true;
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
  };
  return !host.empty() && host.size() <= 253 && std::all_of(host.begin(), host.end(), fits);
}

void read_host(Table& table, RelaySetting& out) {
  out.host = ascii_lower(table.string("host").value_or(""));
  if (!table.has("host")) {
    table.fail("host", "missing: the relay's name or address");
  } else if (!is_host(out.host)) {
    table.fail("host",
               "\"" + out.host + "\" is no host name or address (the port is a key of its own)");
  }
  out.port = out.implicit_tls ? kSubmissions : kSubmission;
  if (const auto port = table.integer("port")) {
    if (*port < 1 || *port > 65535) table.fail("port", "must be from 1 to 65535");
    out.port = static_cast<uint16_t>(*port);
  }
}

// What a login means for TLS: its password must reach nobody else.
void read_tls(Table& table, RelaySetting& out) {
  const auto tls = table.string("tls");
  if (!tls) return;
  if (*tls == "implicit") {
    out.implicit_tls = true;
  } else if (*tls == "opportunistic" || *tls == "required" || *tls == "verified" ||
             *tls == "never") {
    out.limits.tls = *tls;
  } else {
    table.fail("tls",
               "must be \"opportunistic\", \"required\", \"verified\", \"never\" or \"implicit\"");
  }
}

void check_tls(Table& table, const RelaySetting& relay) {
  const bool weaker = relay.limits.tls && *relay.limits.tls != "verified";
  if (relay.user.empty() || !weaker || net::is_this_machine(relay.host)) return;
  table.fail(
      "tls",
      "with a user it must be \"verified\" or \"implicit\", else the password could reach anybody");
}

void read_mechanisms(Table& table, RelaySetting& out) {
  if (!table.has("mechanisms")) return;
  out.mechanisms = 0;
  for (std::string name : table.strings("mechanisms")) {
    for (char& c : name) {
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    const uint16_t bit = mechanism(name);
    if (bit == 0) table.fail("mechanisms", "\"" + name + "\" is none that Volley knows");
    out.mechanisms = static_cast<uint16_t>(out.mechanisms | bit);
  }
  const bool token = !out.token_file.empty();
  const auto usable =
      static_cast<uint16_t>(token ? out.mechanisms & kWithToken : out.mechanisms & ~kWithToken);
  if (out.user.empty()) {
    table.fail("mechanisms", "are for a login: set user too");
  } else if (usable == 0) {
    table.fail("mechanisms", token ? "none of these takes a token: OAUTHBEARER and XOAUTH2 do"
                                   : "none of these takes a password");
  }
}

void read_login(Table& table, const Config& config, RelaySetting& out) {
  out.user = table.string("user").value_or("");
  if (const auto file = table.string("password_file")) out.password_file = config.resolve(*file);
  if (const auto file = table.string("token_file")) out.token_file = config.resolve(*file);
  const bool password = table.has("password_file");
  const bool token = table.has("token_file");
  out.secret_place = table.place(token ? "token_file" : "password_file");
  if (password && token) table.fail("token_file", "is instead of password_file, not besides it");
  if (table.has("user") && !password && !token) {
    table.fail("user", "needs a password_file, or a token_file with an OAuth bearer token");
  }
  if (!table.has("user") && (password || token)) {
    table.fail(password ? "password_file" : "token_file", "needs a user");
  }
  if (table.has("user")) {
    smtp::Credentials trial;  // the user name is looked at now, the secret when it is read
    trial.user = out.user;
    trial.secret = std::string(1, '-');
    if (const Status fit = smtp::check_credentials(trial); !fit)
      table.fail("user", fit.error().message);
  }
}

}  // namespace

std::string RelaySetting::address() const {
  const bool v6 = host.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", v6 ? "[" : "", host, v6 ? "]" : "", port);
}

void read_limits(Table& table, LimitSetting& out) {
  out.connections = count(table, "connections");
  out.messages_per_connection = count(table, "messages_per_connection");
  out.recipients = count(table, "recipients");
  out.daily = table.integer("daily");
  if (out.daily && *out.daily < 1) table.fail("daily", "must be at least 1");
  out.rate = table.rate("rate");
}

RelaySetting read_relay(Table table, const Config& config) {
  RelaySetting out;
  read_limits(table, out.limits);
  read_tls(table, out);
  read_host(table, out);
  read_login(table, config, out);
  read_mechanisms(table, out);
  check_tls(table, out);
  return out;
}

Result<std::shared_ptr<const smtp::Credentials>> relay_credentials(const RelaySetting& relay) {
  if (relay.user.empty()) return std::shared_ptr<const smtp::Credentials>();
  const bool token = !relay.token_file.empty();
  const std::string& file = relay.secret_file();
  const std::string where = relay.secret_place + ": ";
  auto secret = read_secret(file);
  if (!secret) return Error{secret.error().code, where + secret.error().message};
  auto out = std::make_shared<smtp::Credentials>();
  out->user = relay.user;
  out->secret = std::move(*secret);
  out->is_token = token;
  out->mechanisms = relay.mechanisms;
  out->host = relay.host;
  out->port = relay.port;
  if (const Status fit = smtp::check_credentials(*out); !fit) {
    return Error{fit.error().code, where + file + ": " + fit.error().message};
  }
  return std::shared_ptr<const smtp::Credentials>(std::move(out));
}

}  // namespace volley::cli
