// Recipients: how many fit, what is asked for each, and what each reply means.
#include <algorithm>
#include <utility>

#include "engine/smtp/client.h"
#include "engine/smtp/client_words.h"
#include "engine/smtp/command.h"

namespace volley::smtp {
namespace {

constexpr EnhancedCode kProtocolCode{4, 5, 0};
constexpr EnhancedCode kTooManyCode{4, 5, 3};

std::string_view domain_of(std::string_view address) {
  const size_t at = address.rfind('@');
  return at == std::string_view::npos ? std::string_view() : address.substr(at + 1);
}

std::string notify_words(uint8_t notify) {
  if (notify & kNotifyNever) return "NEVER";
  std::string out;
  const auto add = [&](Notify bit, const char* word) {
    if (!(notify & bit)) return;
    if (!out.empty()) out += ',';
    out += word;
  };
  add(kNotifySuccess, "SUCCESS");
  add(kNotifyFailure, "FAILURE");
  add(kNotifyDelay, "DELAY");
  return out;
}

Outcome comes_back() {
  Outcome outcome{Outcome::Kind::kRetry,
                  Stage::kRcpt,
                  {},
                  "more recipients than the server takes at once",
                  kTooManyCode};
  outcome.retry_now = true;
  return outcome;
}

}  // namespace

bool Client::sends_dsn(const Txn& txn, uint32_t rcpt) {
  if (!txn.dsn || rcpt >= txn.what.dsn.size()) return false;
  const RcptDsn& dsn = txn.what.dsn[rcpt];
  return dsn.notify != 0 || !dsn.orcpt.empty();
}

// False when LIMITS, or a "too many recipients" to this transaction, leave no room for one more.
bool Client::has_room(Txn& txn, uint32_t rcpt) const {
  if (txn.rcpt_limit > 0) return false;
  if (caps_.rcpt_max && txn.asked_rcpts >= *caps_.rcpt_max) {
    txn.rcpt_limit = *caps_.rcpt_max;
    return false;
  }
  if (!caps_.rcpt_domain_max) return true;
  const std::string_view domain = domain_of(txn.what.rcpts[rcpt]);
  const bool known = std::any_of(txn.domains.begin(), txn.domains.end(), [&](uint32_t other) {
    return domain_of(txn.what.rcpts[other]) == domain;
  });
  if (known) return true;
  if (txn.domains.size() >= *caps_.rcpt_domain_max) return false;
  txn.domains.push_back(rcpt);
  return true;
}

void Client::send_rcpt(Txn& txn) {
  const uint32_t rcpt = txn.next_rcpt++;
  if (txn.next_rcpt == txn.what.rcpts.size()) txn.step = Step::kData;
  if (!has_room(txn, rcpt)) {
    txn.refused.emplace_back(rcpt, comes_back());
    return conclude_if_drained(txn);
  }
  RcptParameters parameters;
  std::string notify;
  if (sends_dsn(txn, rcpt)) {
    notify = notify_words(txn.what.dsn[rcpt].notify);
    parameters = {notify, txn.what.dsn[rcpt].orcpt};
  }
  std::string line;
  append_rcpt(line, txn.what.rcpts[rcpt], parameters);
  out_.append(line);
  push(Verb::kRcpt, txn.what.id, rcpt);
  ++txn.pending;
  ++txn.asked_rcpts;
}

void Client::on_rcpt(Txn& txn, uint32_t rcpt, Reply reply) {
  --txn.pending;
  txn.last_rcpt_ok = reply.first_digit() == 2;
  if (txn.last_rcpt_ok) {
    ++txn.accepted;
    return conclude_if_drained(txn);
  }
  if (txn.refusal) return conclude_if_drained(txn);
  const int code = reply.code;
  const bool one_too_many = too_many(reply);
  Outcome outcome = judged(Stage::kRcpt, std::move(reply));
  explain_missing_login(outcome);
  if (code == 503 && txn.mail_ok && pipelining()) {
    // MAIL was accepted and then forgotten: the server loses what is pipelined.
    quirks_ |= kNoPipelining;
    outcome.kind = Outcome::Kind::kRetry;
    outcome.local = kProtocolCode;
    outcome.error = "the server lost a pipelined MAIL";
    outcome.retry_now = true;
    txn.refusal = std::move(outcome);
    txn.refused.clear();
    if (txn.step <= Step::kData) txn.step = Step::kAbandoned;
    return conclude_if_drained(txn);
  }
  if (one_too_many) {
    outcome.kind = Outcome::Kind::kRetry;
    outcome.retry_now = txn.accepted > 0;
    if (txn.rcpt_limit == 0) txn.rcpt_limit = txn.accepted;
  } else if (refuses_parameter(outcome.reply) && sends_dsn(txn, rcpt)) {
    quirks_ |= kNoDsn;
    no_dsn_ = true;
    outcome.kind = Outcome::Kind::kRetry;
    outcome.error = "a DSN parameter was refused";
    outcome.retry_now = true;
  }
  txn.refused.emplace_back(rcpt, std::move(outcome));
  conclude_if_drained(txn);
}

}  // namespace volley::smtp
