// SystemNames: the operating system's own idea of a host name, for static routes.
//
// Purpose  A route's host is the operator's word: the hosts file, search domains and private addresses all count, so that
//          '*=relay:25' works where `ping relay` does. Mail exchangers, whose DNS a stranger writes, never come here.
// Thread   The loop's; getaddrinfo runs on the work pool.
// Errors   In the answer. mx() is not for here: it answers with a failure. tlsa() and txt() answer that there are none.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <unordered_map>

#include "dns/resolver.h"

namespace volley::delivery {

class SystemNames final : public dns::Resolver {
 public:
  explicit SystemNames(net::Loop& loop);
  ~SystemNames() override;
  dns::QueryId mx(std::string_view domain, Receiver& receiver) override;
  dns::QueryId addresses(std::string_view host, Receiver& receiver) override;
  dns::QueryId tlsa(std::string_view host, uint16_t port, Receiver& receiver) override;
  dns::QueryId txt(std::string_view name, Receiver& receiver) override;
  void cancel(dns::QueryId id) override;

 private:
  // On the next turn, when the receiver still waits.
  dns::QueryId answer_later(Receiver& receiver, std::function<void(Receiver&, dns::QueryId)> call);
  void done(dns::QueryId id, const dns::AddressAnswer& answer);
  net::Loop& loop_;
  dns::QueryId last_ = 0;
  std::unordered_map<dns::QueryId, Receiver*> waiting_;
  std::shared_ptr<SystemNames*> self_;  // null within once we are gone
};

}  // namespace volley::delivery
