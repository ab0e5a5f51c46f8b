#include "engine/delivery/system_names.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/net/loop.h"
#include "base/net/work_pool.h"

namespace volley::delivery {
namespace {

dns::AddressAnswer look_up(const std::string& host) {
  dns::AddressAnswer answer;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int code = getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (code != 0) {
    answer.detail = host + ": " + gai_strerror(code);
    return answer;
  }
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    if (at->ai_family == AF_INET) {
      std::array<uint8_t, 4> bytes{};
      std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in*>(at->ai_addr)->sin_addr, 4);
      answer.addresses.push_back(net::Endpoint::v4(bytes, 0));
    } else if (at->ai_family == AF_INET6) {
      std::array<uint8_t, 16> bytes{};
      std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in6*>(at->ai_addr)->sin6_addr, 16);
      answer.addresses.push_back(net::Endpoint::v6(bytes, 0));
    }
  }
  freeaddrinfo(found);
  return answer;
}

}  // namespace

SystemNames::SystemNames(net::Loop& loop)
    : loop_(loop), self_(std::make_shared<SystemNames*>(this)) {}

SystemNames::~SystemNames() { *self_ = nullptr; }

dns::QueryId SystemNames::answer_later(Receiver& receiver,
                                       std::function<void(Receiver&, dns::QueryId)> call) {
  const dns::QueryId id = ++last_;
  waiting_[id] = &receiver;
  loop_.post([self = self_, id, call = std::move(call)] {
    if (*self == nullptr) return;
    const auto found = (*self)->waiting_.find(id);
    if (found == (*self)->waiting_.end()) return;
    Receiver* const asked = found->second;
    (*self)->waiting_.erase(found);
    call(*asked, id);
  });
  return id;
}

dns::QueryId SystemNames::mx(std::string_view, Receiver& receiver) {
  return answer_later(receiver, [](Receiver& r, dns::QueryId id) { r.on_mx(id, {}); });
}

dns::QueryId SystemNames::tlsa(std::string_view, uint16_t, Receiver& receiver) {
  return answer_later(receiver, [](Receiver& r, dns::QueryId id) { r.on_tlsa(id, {}); });
}

dns::QueryId SystemNames::txt(std::string_view, Receiver& receiver) {
  return answer_later(receiver, [](Receiver& r, dns::QueryId id) { r.on_txt(id, {}); });
}

dns::QueryId SystemNames::addresses(std::string_view host, Receiver& receiver) {
  const dns::QueryId id = ++last_;
  waiting_[id] = &receiver;
  auto answer = std::make_shared<dns::AddressAnswer>();
  net::WorkPool::submit(
      loop_, [answer, name = std::string(host)] { *answer = look_up(name); },
      [answer, self = self_, id] {
        if (*self != nullptr) (*self)->done(id, *answer);
      });
  return id;
}

void SystemNames::cancel(dns::QueryId id) { waiting_.erase(id); }

void SystemNames::done(dns::QueryId id, const dns::AddressAnswer& answer) {
  const auto found = waiting_.find(id);
  if (found == waiting_.end()) return;
  Receiver* const receiver = found->second;
  waiting_.erase(found);
  receiver->on_addresses(id, answer);
}

}  // namespace volley::delivery
