// How an attempt ended, and where in the dialogue.
//
// Purpose  The vocabulary between the client core, classification and the delivery engine.
// Kinds    Delivered  a 2xx to this transaction's own end of data
//          Failed     a 5xx in this stage, or the message cannot go to this server at all (code 0: see `error`); whether
//                     that bounces anything is what classify.h decides
//          Retry      not delivered, and certainly not: nothing of it needs remembering but the reason
//          InDoubt    the end of data may have reached the server and no reply that counts came back
//          Untried    no byte of it was handed to the transport
// Thread   Values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/smtp/reply.h"

namespace volley::smtp {

enum class Stage : uint8_t {
  kConnect,
  kGreeting,
  kEhlo,
  kHelo,
  kStartTls,
  kTls,
  kAuth,
  kIdle,  // ready, no transaction open
  kRset,
  kMail,
  kRcpt,
  kData,
  kBody,
  kEndOfData,
  kQuit,
};
const char* to_string(Stage stage);

struct Outcome {
  enum class Kind : uint8_t { kDelivered, kRetry, kInDoubt, kFailed, kUntried };
  Kind kind = Kind::kUntried;
  Stage stage = Stage::kConnect;
  Reply reply;        // code 0 when the peer said nothing
  std::string error;  // our own words when it was not the reply that decided
  std::optional<EnhancedCode>
      local;  // our own code, with `error`: 4.4.2 lost, 4.5.0 protocol, 4.7.0 TLS, ...
  bool retry_now =
      false;  // the receiver did not judge the message: try again at once, counts no attempt
  bool here_only = false;  // Failed because this server lacks something: another host may take it
};
const char* to_string(Outcome::Kind kind);

// What a host has shown about itself; the driver remembers it per host, with an expiry.
enum Quirk : uint16_t {
  kNoPipelining = 1 << 0,
  kNoTls = 1 << 1,
  kNeedsRset = 1 << 2,
  kHeloOnly = 1 << 3,
  kNoParameters = 1 << 4,  // refuses SIZE= or BODY= although offered
  kNoChunking = 1 << 5,    // refuses BDAT, or loses count of replies when it is used
  kNoDsn = 1 << 6,         // refuses RET=, ENVID=, NOTIFY= or ORCPT= although offered
  kNoCrossMessage =
      1 << 7,  // pipelines within a message only: refuses or loses what follows an end of data
};
using Quirks = uint16_t;

}  // namespace volley::smtp
