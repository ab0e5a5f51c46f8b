// A name server on loopback whose answers a test writes, on a thread of its own. Replies over 1232 octets are truncated, and
// whole by TCP.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/net/endpoint.h"
#include "tests/unit/dns/packet.h"

namespace volley::dns {

struct FakeQuestion {
  std::string name;  // lower case
  uint16_t type = 0;
  bool edns = false;
  bool ad = false;  // asks for the AD bit
  int number = 0;   // from 1
};

class FakeServer {
 public:
  // Called on the server's thread. nullopt: no answer.
  using Handler = std::function<std::optional<Packet>(const FakeQuestion&)>;
  explicit FakeServer(Handler handler);
  ~FakeServer();
  net::Endpoint address() const;
  int questions() const { return questions_; }

 private:
  void serve();
  std::optional<Packet> reply_to(const uint8_t* query);
  void answer_datagram();
  void answer_connection();
  Handler handler_;
  int socket_ = -1, listener_ = -1;
  bool by_tcp_ = false;
  uint16_t port_ = 0;
  std::atomic<bool> stop_ = false;
  std::atomic<int> questions_ = 0;
  std::thread thread_;
};

}  // namespace volley::dns
