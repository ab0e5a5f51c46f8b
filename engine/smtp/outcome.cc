#include "engine/smtp/outcome.h"

namespace volley::smtp {

const char* to_string(Stage stage) {
  switch (stage) {
    case Stage::kConnect:
      return "connect";
    case Stage::kGreeting:
      return "greeting";
    case Stage::kEhlo:
      return "ehlo";
    case Stage::kHelo:
      return "helo";
    case Stage::kStartTls:
      return "starttls";
    case Stage::kTls:
      return "tls";
    case Stage::kAuth:
      return "auth";
    case Stage::kIdle:
      return "idle";
    case Stage::kRset:
      return "rset";
    case Stage::kMail:
      return "mail";
    case Stage::kRcpt:
      return "rcpt";
    case Stage::kData:
      return "data";
    case Stage::kBody:
      return "body";
    case Stage::kEndOfData:
      return "end-of-data";
    case Stage::kQuit:
      return "quit";
  }
  return "?";
}

const char* to_string(Outcome::Kind kind) {
  switch (kind) {
    case Outcome::Kind::kDelivered:
      return "delivered";
    case Outcome::Kind::kRetry:
      return "retry";
    case Outcome::Kind::kInDoubt:
      return "in_doubt";
    case Outcome::Kind::kFailed:
      return "failed";
    case Outcome::Kind::kUntried:
      return "untried";
  }
  return "?";
}

}  // namespace volley::smtp
