#include "engine/delivery/sts_fetch.h"

#include <algorithm>
#include <utility>

#include "base/net/loop.h"
#include "base/net/tls.h"
#include "dns/mx.h"

namespace volley::delivery {
namespace {

constexpr std::string_view kPrefix = "mta-sts.";
constexpr std::string_view kPath = "/.well-known/mta-sts.txt";
constexpr uint16_t kHttps = 443;
constexpr int kOk = 200;

std::string request(const std::string& host, uint16_t port) {
  std::string out = "GET " + std::string(kPath) + " HTTP/1.1\r\nHost: " + host;
  if (port != kHttps) out.append(":").append(std::to_string(port));
  return out + "\r\nUser-Agent: volley\r\nAccept: text/plain\r\nConnection: close\r\n\r\n";
}

}  // namespace

StsFetch::StsFetch(net::Loop& loop, dns::Resolver& resolver, net::TlsContext& tls,
                   const StsFetcherSettings& settings, const std::string& domain, Done done)
    : loop_(loop),
      resolver_(resolver),
      tls_(tls),
      settings_(settings),
      host_(std::string(kPrefix) + domain),
      done_(std::move(done)),
      deadline_(loop, [this] { fail(StsFailure::kFetchError, "not done in time"); }),
      connect_deadline_(loop, [this] {
        last_problem_ = "no connection in time";
        try_next_address();
      }) {}

StsFetch::~StsFetch() {
  if (query_ != 0) resolver_.cancel(query_);
}

void StsFetch::start() {
  if (!dns::is_usable_name(std::string_view(host_).substr(kPrefix.size()))) {
    return fail(StsFailure::kFetchError, "not the name of a domain");
  }
  deadline_.set_after(settings_.timeout);
  const auto known = settings_.hosts.find(host_);
  if (known == settings_.hosts.end()) {
    query_ = resolver_.addresses(host_, *this);
    return;
  }
  dns::AddressAnswer answer;
  if (settings_.dns.allow_private || !known->second.is_private_or_loopback()) {
    answer.addresses = {known->second};
  } else {
    answer.detail = "a private or loopback address, refused";
  }
  on_addresses(0, answer);
}

void StsFetch::on_addresses(dns::QueryId, const dns::AddressAnswer& answer) {
  query_ = 0;
  addresses_.assign(answer.addresses.rbegin(), answer.addresses.rend());
  last_problem_ = answer.detail;
  try_next_address();
}

void StsFetch::try_next_address() {
  connect_deadline_.cancel();
  stream_.reset();
  if (addresses_.empty()) return fail(StsFailure::kFetchError, last_problem_);
  const net::Endpoint to = addresses_.back().with_port(settings_.port);
  addresses_.pop_back();
  connect_deadline_.set_after(settings_.connect_timeout);
  stream_ = net::connect(loop_, to, std::nullopt, *this);
}

void StsFetch::on_connected() {
  connect_deadline_.cancel();
  const Status started = stream_->start_tls(
      tls_, {.server_name = host_, .demand = {.kind = net::TlsDemand::Kind::kPkix}});
  if (!started) fail(StsFailure::kFetchError, started.error().message);
}

void StsFetch::on_tls_ready(const net::TlsInfo& info) {
  if (!info.verified) return fail(StsFailure::kWebPkiInvalid, info.verify_error);
  tls_ready_ = true;
  stream_->write(request(host_, settings_.port));
}

void StsFetch::on_data(std::span<const char> bytes) {
  switch (reader_.feed({bytes.data(), bytes.size()})) {
    case http::ReplyReader::State::kMore:
      return;
    case http::ReplyReader::State::kFailed:
      return fail(StsFailure::kFetchError, reader_.error());
    case http::ReplyReader::State::kDone:
      return on_reply();
  }
}

void StsFetch::on_closed(Error error) {
  if (tls_ready_) return fail(StsFailure::kFetchError, "the reply ended too soon");
  if (error.code == Errc::kProtocol) return fail(StsFailure::kWebPkiInvalid, error.message);
  last_problem_ = std::move(error.message);
  try_next_address();
}

void StsFetch::on_reply() {
  if (reader_.status() != kOk) {
    return fail(StsFailure::kFetchError, "HTTP " + std::to_string(reader_.status()));
  }
  if (reader_.media_type() != "text/plain") {
    return fail(StsFailure::kPolicyInvalid, "not text/plain");
  }
  Result<StsPolicy> policy = parse_sts_policy(reader_.body());
  if (!policy) return fail(StsFailure::kPolicyInvalid, policy.error().message);
  finish({StsFailure::kNone, "", std::move(*policy)});
}

void StsFetch::fail(StsFailure failure, const std::string& why) {
  finish({failure, "https://" + host_ + std::string(kPath) + ": " + why, {}});
}

void StsFetch::finish(StsOutcome outcome) {
  deadline_.cancel();
  connect_deadline_.cancel();
  stream_.reset();
  const Done done = std::move(done_);
  done(std::move(outcome));
}

}  // namespace volley::delivery
