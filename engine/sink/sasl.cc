#include "engine/sink/sasl.h"

#include <algorithm>
#include <utility>

#include "base/base64.h"
#include "base/hash.h"
#include "base/hmac.h"

namespace volley::sink {
namespace {

constexpr uint32_t kIterations = 4096;

std::string hex(const std::string& bytes) {
  return to_hex(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
}

std::string random_word(Random& random) {
  const uint64_t words[] = {random.next(), random.next()};
  return to_hex(reinterpret_cast<const uint8_t*>(words), sizeof words);
}

std::string exclusive_or(std::string a, std::string_view b) {
  for (size_t i = 0; i < a.size() && i < b.size(); ++i) a[i] = static_cast<char>(a[i] ^ b[i]);
  return a;
}

// The value of "k=..." in a list with separators; nullopt when there is none.
std::optional<std::string_view> attribute(std::string_view list, std::string_view key,
                                          char separator) {
  while (!list.empty()) {
    const std::string_view item = list.substr(0, list.find(separator));
    if (item.starts_with(key)) return item.substr(key.size());
    list.remove_prefix(std::min(item.size() + 1, list.size()));
  }
  return {};
}

// =2C and =3D of SCRAM's user names.
std::string plain_name(std::string_view name) {
  std::string out;
  for (size_t i = 0; i < name.size(); ++i) {
    const std::string_view code = name.substr(i, 3);
    if (code == "=2C" || code == "=3D") {
      out += code == "=2C" ? ',' : '=';
      i += 2;
    } else {
      out += name[i];
    }
  }
  return out;
}

}  // namespace

LoginCheck::LoginCheck(std::string user, std::string password, uint64_t seed)
    : user_(std::move(user)), password_(std::move(password)) {
  Random random(seed);
  salt_ = random_word(random);
  Pbkdf2 stretched(Digest::kSha256, password_, salt_, kIterations);
  stretched.advance(kIterations);
  stored_key_ = digest_of(Digest::kSha256, hmac(Digest::kSha256, stretched.key(), "Client Key"));
  server_key_ = hmac(Digest::kSha256, stretched.key(), "Server Key");
}

LoginExchange::LoginExchange(const LoginCheck& check, std::string_view mechanism, Random& random)
    : check_(check) {
  if (mechanism == "PLAIN") {
    then_ = &LoginExchange::plain;
  } else if (mechanism == "LOGIN") {
    then_ = &LoginExchange::login_user;
    first_ = "Username:";
  } else if (mechanism == "CRAM-MD5") {
    then_ = &LoginExchange::cram;
    client_first_ = false;
    first_.append("<").append(random_word(random)).append("@sink.example.org>");
  } else if (mechanism == "SCRAM-SHA-256") {
    then_ = &LoginExchange::scram_first;
    nonce_ = random_word(random);
  } else {
    then_ = &LoginExchange::bearer;
    xoauth_ = mechanism == "XOAUTH2";
  }
}

LoginExchange::State LoginExchange::begin(std::optional<std::string_view> initial) {
  if (!initial) return ask(first_, then_);
  return client_first_ ? next(*initial) : State::kFailed;
}

LoginExchange::State LoginExchange::next(std::string_view response) {
  return (this->*then_)(response);
}

LoginExchange::State LoginExchange::ask(std::string challenge, Method then) {
  challenge_ = std::move(challenge);
  then_ = then;
  return State::kChallenge;
}

// authzid NUL authcid NUL password
LoginExchange::State LoginExchange::plain(std::string_view response) {
  const size_t first = response.find('\0'), second = response.find('\0', first + 1);
  if (first == std::string_view::npos || second == std::string_view::npos) return State::kFailed;
  const std::string_view as = response.substr(0, first);
  return judge((as.empty() || as == check_.user_) &&
               response.substr(first + 1, second - first - 1) == check_.user_ &&
               response.substr(second + 1) == check_.password_);
}

LoginExchange::State LoginExchange::login_user(std::string_view response) {
  user_known_ = response == check_.user_;
  return ask("Password:", &LoginExchange::login_password);
}

LoginExchange::State LoginExchange::login_password(std::string_view response) {
  return judge(user_known_ && response == check_.password_);
}

LoginExchange::State LoginExchange::cram(std::string_view response) {
  const std::string mac = hmac(Digest::kMd5, check_.password_, first_);
  return judge(!mac.empty() && response == check_.user_ + ' ' + hex(mac));
}

// gs2-header client-first-bare: "n,,n=user,r=nonce"
LoginExchange::State LoginExchange::scram_first(std::string_view response) {
  const size_t comma = response.find(',');
  const size_t bare = comma == std::string_view::npos ? comma : response.find(',', comma + 1);
  if (bare == std::string_view::npos) return State::kFailed;
  const std::string_view binding = response.substr(0, comma);
  header_ = response.substr(0, bare + 1);
  const std::string_view rest = response.substr(bare + 1);
  const auto name = attribute(rest, "n=", ','), nonce = attribute(rest, "r=", ',');
  if ((binding != "n" && binding != "y") || !name || !nonce || nonce->empty())
    return State::kFailed;
  user_known_ = plain_name(*name) == check_.user_;
  nonce_.insert(0, *nonce);
  std::string first =
      "r=" + nonce_ + ",s=" + to_base64(check_.salt_) + ",i=" + std::to_string(kIterations);
  exchange_ = std::string(rest) + ',' + first;
  return ask(std::move(first), &LoginExchange::scram_final);
}

// "c=biws,r=nonce,p=proof"
LoginExchange::State LoginExchange::scram_final(std::string_view response) {
  const size_t proof_at = response.rfind(",p=");
  if (proof_at == std::string_view::npos) return State::kFailed;
  const std::string_view without_proof = response.substr(0, proof_at);
  const auto proof = from_base64(response.substr(proof_at + 3));
  const auto binding = attribute(without_proof, "c=", ',');
  const auto nonce = attribute(without_proof, "r=", ',');
  const std::string text = exchange_ + ',' + std::string(without_proof);
  const std::string signature = hmac(Digest::kSha256, check_.stored_key_, text);
  const bool good =
      user_known_ && proof && proof->size() == signature.size() && binding &&
      *binding == to_base64(header_) && nonce && *nonce == nonce_ &&
      digest_of(Digest::kSha256, exclusive_or(*proof, signature)) == check_.stored_key_;
  if (!good) return State::kFailed;
  return ask("v=" + to_base64(hmac(Digest::kSha256, check_.server_key_, text)),
             &LoginExchange::scram_acknowledged);
}

LoginExchange::State LoginExchange::scram_acknowledged(std::string_view response) {
  return judge(response.empty());
}

// XOAUTH2: "user=U ^A auth=Bearer T ^A ^A"; OAUTHBEARER: "n,a=U, ^A host=H ^A port=P ^A auth=Bearer T ^A ^A"
LoginExchange::State LoginExchange::bearer(std::string_view response) {
  const auto token = attribute(response, "auth=Bearer ", '\1');
  const auto user = xoauth_ ? attribute(response, "user=", '\1')
                            : attribute(response.substr(0, response.find('\1')), "a=", ',');
  const bool framed = response.ends_with("\1\1") && response.starts_with(xoauth_ ? "user=" : "n,");
  if (framed && token && *token == check_.password_ && (user ? *user == check_.user_ : !xoauth_)) {
    return State::kDone;
  }
  return ask(R"({"status":"invalid_token","schemes":"bearer","scope":"mail"})",
             &LoginExchange::told_of_failure);
}

LoginExchange::State LoginExchange::told_of_failure(std::string_view) { return State::kFailed; }

}  // namespace volley::sink
