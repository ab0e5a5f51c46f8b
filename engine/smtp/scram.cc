#include "engine/smtp/scram.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/base64.h"

namespace volley::smtp {
namespace {

constexpr std::string_view kNoBinding =
    "n,,";  // the GS2 header: no channel binding, nobody else's name
constexpr size_t kShortestNonce = 16;

Error broken(std::string what) { return {Errc::kProtocol, "SCRAM: " + std::move(what)}; }
Error malformed() { return broken("the server's message is malformed"); }

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return c > ' ' && c <= '~' && c != ','; });
}

// "r=value" and its comma, cut off the front of `text`.
std::optional<std::string_view> take(std::string_view& text, char name) {
  if (text.size() < 2 || text[0] != name || text[1] != '=') return {};
  const size_t end = std::min(text.find(','), text.size());
  const std::string_view value = text.substr(2, end - 2);
  text.remove_prefix(std::min(end + 1, text.size()));
  return value;
}

std::optional<uint32_t> iterations(std::string_view text) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || text[0] == '0' || error == std::errc::invalid_argument) return {};
  if (end != text.data() + text.size()) return {};
  return error == std::errc::result_out_of_range ? ~uint32_t{0} : value;
}

}  // namespace

std::string to_sasl_name(std::string_view user) {
  std::string out;
  for (const char c : user) {
    if (c == '=') {
      out += "=3D";
    } else if (c == ',') {
      out += "=2C";
    } else {
      out += c;
    }
  }
  return out;
}

bool Scram::is_nonce(std::string_view nonce) {
  return nonce.size() >= kShortestNonce && is_printable(nonce);
}

Scram::Scram(Digest digest, const Credentials& credentials, std::string_view nonce)
    : digest_(digest), credentials_(credentials), nonce_(nonce) {}

Scram::~Scram() { wipe(expected_); }

AuthMechanism Scram::mechanism() const {
  return digest_ == Digest::kSha1 ? kAuthScramSha1 : kAuthScramSha256;
}

std::optional<std::string> Scram::initial() {
  auth_message_ = "n=" + to_sasl_name(credentials_.user) + ",r=" + nonce_;
  return std::string(kNoBinding) + auth_message_;
}

Sasl::Answer Scram::answer(std::string_view challenge) {
  if (step_ == Step::kFirst) return on_server_first(challenge);
  if (step_ == Step::kFinal) return on_server_final(challenge);
  return broken("the server asks again");
}

Sasl::Answer Scram::on_server_first(std::string_view message) {
  std::string_view rest = message;
  const auto nonce = take(rest, 'r');
  const auto salt_text = nonce ? take(rest, 's') : std::nullopt;
  const auto count = salt_text ? take(rest, 'i') : std::nullopt;
  if (!count || !is_printable(*nonce)) return malformed();  // "m=" in front is malformed, too
  const auto salt = from_base64(*salt_text);
  const auto n = iterations(*count);
  if (!salt || salt->empty() || !n) return malformed();
  if (!nonce->starts_with(nonce_) || nonce->size() == nonce_.size()) {
    return broken("the server's nonce does not extend ours");
  }
  if (*n < kFewestIterations || *n > kMostIterations) {
    return broken("the server wants " +
                  std::string(*n < kFewestIterations ? "fewer than " : "more than ") +
                  std::to_string(*n < kFewestIterations ? kFewestIterations : kMostIterations) +
                  " iterations");
  }
  whole_nonce_ = *nonce;
  auth_message_ += ',';
  auth_message_ += message;
  salted_ = std::make_unique<Pbkdf2>(digest_, credentials_.secret, *salt, *n);
  step_ = Step::kCounting;
  return resume();
}

Sasl::Answer Scram::resume() {
  if (step_ != Step::kCounting || !salted_->advance(kPortion)) return std::optional<std::string>();
  step_ = Step::kFinal;
  return std::optional<std::string>(client_final());
}

std::string Scram::client_final() {
  const std::string without_proof = "c=" + to_base64(kNoBinding) + ",r=" + whole_nonce_;
  auth_message_ += ',' + without_proof;
  std::string client_key = hmac(digest_, salted_->key(), "Client Key");
  std::string server_key = hmac(digest_, salted_->key(), "Server Key");
  const std::string stored_key = digest_of(digest_, client_key);
  const std::string signature = hmac(digest_, stored_key, auth_message_);
  std::string proof = signature;
  for (size_t i = 0; i < proof.size(); ++i) proof[i] = static_cast<char>(proof[i] ^ client_key[i]);
  expected_ = hmac(digest_, server_key, auth_message_);
  wipe(client_key);
  wipe(server_key);
  salted_.reset();
  return without_proof + ",p=" + to_base64(proof);
}

Sasl::Answer Scram::on_server_final(std::string_view message) {
  if (take(message, 'e')) {
    step_ = Step::kRefused;
    return std::optional<std::string>("");
  }
  const auto text = take(message, 'v');
  const auto signature = text ? from_base64(*text) : std::nullopt;
  if (!signature) return malformed();
  if (!equal_secrets(*signature, expected_)) {
    return broken("the server's signature is wrong: it does not know the password");
  }
  step_ = Step::kVerified;
  return std::optional<std::string>("");
}

}  // namespace volley::smtp
