// SASL from the client's side: how one logs in at a relay.
//
// Purpose    choose() takes the strongest mechanism that server and operator both allow; then initial() and answer() word
//            its messages. With a password, strongest first: SCRAM-SHA-256, SCRAM-SHA-1, CRAM-MD5, PLAIN, LOGIN; with a
//            bearer token: OAUTHBEARER, XOAUTH2.
// Messages   Plain octets both ways. The AUTH command, base64 and line limits (RFC 4954) are in client_auth.cc.
// Bounded    No mechanism answers more than three challenges: a server that goes on asking gets an error.
// Work       SCRAM has to compute for as long as the server says (1,000 to 1,000,000 iterations of HMAC, a microsecond
//            each). It does so in portions of some 2 ms: while answer() or resume() give no text yet, call resume(), and
//            between two calls give others their turn.
// Ownership  The credentials must outlive the mechanism.
// Thread     One owner; Credentials may be shared once they are made.
// Errors     What the server did wrong. No text contains the secret, or anything that the server said.
// Randomness An argument: the nonce of SCRAM, printable ASCII without ',', at least 16 of it (18 random octets in base64
//            are right). Without one SCRAM is not chosen.
// RFC        4422, 4616, 2195, 5802, 7677, 7628; LOGIN and XOAUTH2 as they are known.
// Not for    deciding whether the line is private enough. SASLprep (RFC 4013) changes no ASCII; other letters go as written.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "engine/smtp/caps.h"

namespace volley::smtp {

struct Credentials {
  std::string user;
  std::string secret;
  bool is_token = false;         // the secret is an OAuth bearer token, else a password
  uint16_t mechanisms = 0xffff;  // AuthMechanism bits that may be used
  std::string host;              // whom a token is shown to: OAUTHBEARER names it
  uint16_t port = 0;

  ~Credentials();  // overwrites the secret
};

// Whether a server could be told these: nothing empty, no control characters, and a token of the letters of RFC 6750.
Status check_credentials(const Credentials& credentials);

class Sasl {
 public:
  // Text to send, or none yet: see Work.
  using Answer = Result<std::optional<std::string>>;

  // `offered` are AuthMechanism bits; null when nothing fits.
  static std::unique_ptr<Sasl> choose(const Credentials& credentials, uint16_t offered,
                                      std::string_view nonce);
  virtual ~Sasl() = default;

  virtual AuthMechanism mechanism() const = 0;
  // What goes out with the AUTH command; none: the server speaks first.
  virtual std::optional<std::string> initial() = 0;
  virtual Answer answer(std::string_view challenge) = 0;
  virtual Answer resume() { return std::optional<std::string>(); }
  // Whether a positive reply can be believed: the server has proven that it knows us, where the mechanism asks for that.
  virtual bool verified() const { return true; }
};

}  // namespace volley::smtp
