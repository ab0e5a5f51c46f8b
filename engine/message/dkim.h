// DKIM signatures (RFC 6376, RFC 8301, RFC 8463): rsa-sha256 and ed25519-sha256, relaxed/relaxed,
// never l=.
//
// Purpose   sign() puts one DKIM-Signature per key on top of a finished message. DkimKeyRing finds
// the keys for a From
//           domain. The functions below sign() are its parts, open so that published vectors can be
//           reproduced.
// Coverage  From, To, Cc, Subject, Date, Message-ID, Reply-To, MIME-Version, Content-*, List-* and
// threading fields, each
//           named once more than it occurs, so that none can be added on the way.
// Ownership DkimKey owns its OpenSSL key; a ring owns its signers, and pointers it gives out live
// as long as it does. Thread    Signing is const and may run on many threads at once. RSA 2048
// costs about half a millisecond: not on a loop
//           in numbers. Errors kConfig for keys and settings, kInternal when OpenSSL refuses to
//           sign.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace volley::message {

enum class DkimAlgorithm : uint8_t { kRsaSha256, kEd25519Sha256 };
std::string_view name_of(DkimAlgorithm algorithm);

class DkimKey {
 public:
  // PKCS#1 or PKCS#8, no passphrase. RSA below 1024 bits and other kinds of key are refused. `name`
  // is for messages.
  static Result<DkimKey> load_pem(std::string_view pem, std::string_view name);
  static Result<DkimKey> from_seed(std::span<const uint8_t, 32> seed);  // Ed25519
  static Result<DkimKey> generate(DkimAlgorithm algorithm, unsigned rsa_bits = 2048);
  ~DkimKey();
  DkimKey(DkimKey&&) noexcept;
  DkimKey& operator=(DkimKey&&) noexcept;

  DkimAlgorithm algorithm() const;
  unsigned bits() const;
  bool weak() const;  // RSA below 2048 (RFC 8301): worth a warning
  Result<std::string> sign(std::string_view input) const;  // raw signature of the header hash input
  std::string pem() const;                                 // private key, PKCS#8
  std::string dns_record() const;                          // "v=DKIM1; k=rsa; p=..."

 private:
  struct Impl;
  explicit DkimKey(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// A TXT record in master-file form: `selector._domainkey.domain. IN TXT ( "..." "..." )`, strings
// of at most 255.
std::string dkim_zone_line(std::string_view selector, std::string_view domain,
                           std::string_view record);

struct DkimSettings {
  std::string domain;    // d=
  std::string selector;  // s=
  std::string key_file;
  std::string place = {};  // of the key that named the file, in front of errors
};

struct DkimSigner {
  std::string domain, selector;
  DkimKey key;
};

class DkimKeyRing {
 public:
  DkimKeyRing();
  ~DkimKeyRing();
  DkimKeyRing(DkimKeyRing&&) noexcept;
  DkimKeyRing& operator=(DkimKeyRing&&) noexcept;

  // Reads every key file (a secret: refused when others may read it).
  static Result<DkimKeyRing> load(std::span<const DkimSettings> settings);
  void add(DkimSigner signer);
  // All keys of the domain itself, else of its nearest parent that has any (relaxed alignment).
  // Empty: none.
  std::vector<const DkimSigner*> find(std::string_view from_domain) const;
  bool empty() const { return signers_.empty(); }
  // One line per key below 2048 bits.
  std::vector<std::string> warnings() const;

 private:
  std::vector<std::unique_ptr<DkimSigner>> signers_;
};

// One DKIM-Signature field per signer, the first signer's on top, to be put in front of the message.
// `when` is t=, and must be the same for every attempt if the bytes are to be.
Result<std::string> dkim_signatures(std::string_view message, std::span<const DkimSigner* const> signers, WallTime when);
// Puts them there.
Status dkim_sign(std::string& message, std::span<const DkimSigner* const> signers, WallTime when);

// --- the parts ---

void append_relaxed_body(std::string_view body, std::string& out);
std::string relaxed_body_hash(std::string_view body);  // bh=
// One header field (with or without its CRLF) in relaxed form, no CRLF at the end.
void append_relaxed_header(std::string_view field, std::string& out);
// What is hashed and signed: the named fields of the header block, picked from the bottom up, each
// with CRLF, then the signature's own field, its b= empty, without CRLF.
std::string dkim_signing_input(std::string_view header_block, std::span<const std::string> names,
                               std::string_view signature_field);

}  // namespace volley::message
