// A resolver whose servers answer as a test says.
//
// Ownership  The fixture owns the loop; servers and resolver are the test's, and go first. Thread: the test's.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/dns/asker.h"
#include "tests/unit/dns/fake_server.h"

namespace volley::dns {

inline constexpr uint16_t kMx = 15, kA = 1, kTxt = 16, kTlsa = 52;
inline constexpr unsigned kFormErr = 1, kServFail = 2, kNxDomain = 3, kRefused = 5;

inline Packet good(const FakeQuestion& q) {
  Packet p(q.name, q.type);
  if (q.type == kMx) p.mx(q.name, 300, 10, "mx." + q.name);
  if (q.type == kA) p.record(Packet::kAnswer, q.name, kA, 300, std::string("\xc0\x00\x02\x01", 4));
  if (q.type == kTxt) p.txt(q.name, 300, {"v=STSv1; ", "id=1;"});
  if (q.type == kTlsa) p.tlsa(q.name, 300, std::string("\x03\x01\x01\xab", 4));
  if (q.edns) p.opt();
  return p;
}
inline Packet with_code(const FakeQuestion& q, unsigned code) {
  return Packet(q.name, q.type, static_cast<uint16_t>(Packet::kReply | code)).opt();
}

class FakeTest : public testing::Test {
 protected:
  std::unique_ptr<CaresResolver> resolver(std::vector<net::Endpoint> servers,
                                          Duration timeout = std::chrono::seconds(20),
                                          size_t max_in_flight = 2000) {
    Settings settings;
    settings.servers = std::move(servers);
    settings.timeout = timeout;
    settings.max_in_flight = max_in_flight;
    auto made = CaresResolver::create(loop_, settings, 1);
    EXPECT_TRUE(made) << made.error().message;
    return std::move(*made);
  }

  net::Loop loop_;
  Asker asker_{loop_};
};

}  // namespace volley::dns
