// volley.toml: everything an operator can set, with its defaults. Every key is optional, unknown keys are errors.
//
// Purpose  One struct that the commands read and engine/app turns into what delivery needs.
// Lookup   `-c FILE`, else ./volley.toml, else /etc/volley/volley.toml, else defaults.
// Secrets  Only as file names; read where they are used.
// Thread   Values. Errors kConfig as `file:line:column: ...`; kNoInput for a file named by -c that is missing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "base/time.h"
#include "dns/resolver.h"
#include "engine/cli/relay_setting.h"
#include "engine/cli/site_setting.h"
#include "engine/message/dkim.h"

namespace volley::cli {

// [transactional]: what is not set stays as engine/delivery/settings.h has it.
struct TransactionalSetting {
  std::optional<Duration> first_delay, max_delay, give_up_after;
};

// `file:line:column: key` of what is looked at later than the file; empty: not from the file.
struct Places {
  std::string queue_url, queue_password_file, http_listen, http_token_file, ca_file;
};

struct Settings {
  std::string path;                    // of the file read; empty: defaults
  std::string file() const;            // for a message about what it lacks: the path, or that there is no such file
  std::string hostname;                // EHLO name; an FQDN that resolves to source_ip, and back
  std::string data;                    // data directory
  unsigned loops = 0;                  // 0: one per core
  LogLevel log_level = LogLevel::kWarn;
  std::vector<std::string> senders;    // who programs may send as (HTTP API, intake stream): addresses, or domains
  bool intake_stream = false;          // [intake] stream: `serve` reads volley:intake

  std::string queue_url;               // empty: embedded
  std::string queue_password_file;
  bool memory_durability = false;      // durability = "memory": accept a Redis without AOF
  uint64_t queue_max_memory = 0;       // embedded server, bytes; 0: 55 % of RAM

  dns::Settings dns;
  uint16_t smtp_port = 25;
  std::string source_ip;
  uint32_t max_connections = 0;        // of the whole process; 0: what the open files leave
  double rate = 0;                     // messages/s of this engine, over all campaigns; 0: none
  std::optional<Duration> idle_timeout;  // of a connection without mail

  std::string http_listen;             // empty: no HTTP for `serve`
  std::string http_token_file;

  std::string events_file;             // empty: <data>/events.jsonl
  uint64_t events_max_size = uint64_t{256} << 20;
  int64_t events_keep = 10;

  std::optional<Duration> retain;      // [privacy] retain: how long it is known who got what; empty: for ever

  std::string ca_file;                 // CAs to trust besides the system's
  bool mta_sts = true, dane = true;

  std::optional<RelaySetting> relay;   // what no --route takes goes there

  std::vector<message::DkimSettings> dkim;
  std::vector<SiteSetting> sites;
  Places places;
  TransactionalSetting transactional;  // when single messages are tried again, and for how long
};

Result<Settings> load_settings(const std::string& path_option);
std::string default_data_directory();  // $XDG_STATE_HOME/volley, else ~/.local/state/volley

}  // namespace volley::cli
