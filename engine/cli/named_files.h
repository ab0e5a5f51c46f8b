// What volley.toml names is read here: secrets, keys, CAs, the queue's URL.
//
// Purpose  Every error begins with the place of the key that named the file: `volley.toml:7:1: token_file: ...`.
// Errors   kNoInput, kConfig, kUsage for --queue. No text contains a secret.
// Thread   Blocks on files; the main thread.
#pragma once

#include <string>

#include "base/result.h"
#include "engine/cli/settings.h"
#include "engine/message/dkim.h"
#include "queue/url.h"

namespace volley::cli {

Result<std::string> http_token(const Settings& settings);  // empty without token_file
Result<queue::QueueUrl> external_queue(const Settings& settings);
Result<message::DkimKeyRing> dkim_keys(const Settings& settings);  // warns of weak ones
Status check_ca_file(const Settings& settings);
// All of it, without looking at the network: for `volley check`.
Status check_named_files(const Settings& settings);

}  // namespace volley::cli
