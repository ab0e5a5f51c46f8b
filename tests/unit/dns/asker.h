// Asks a resolver and turns the loop until the answers are there, for tests.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "base/net/loop.h"
#include "dns/resolver.h"

namespace volley::dns {

class Asker final : public Resolver::Receiver {
 public:
  explicit Asker(net::Loop& loop) : loop_(loop) {}

  void on_mx(QueryId id, const MxAnswer& answer) override {
    ++calls;
    mx_answers[id] = answer;
    if (on_answer) on_answer();
  }
  void on_addresses(QueryId id, const AddressAnswer& answer) override {
    ++calls;
    address_answers[id] = answer;
    if (on_answer) on_answer();
  }

  MxAnswer mx(Resolver& resolver, std::string_view domain) {
    QueryId id = resolver.mx(domain, *this);
    EXPECT_FALSE(mx_answers.contains(id)) << "answered from inside the call";
    turn_until([&] { return mx_answers.contains(id); });
    return mx_answers[id];
  }
  AddressAnswer addresses(Resolver& resolver, std::string_view host) {
    QueryId id = resolver.addresses(host, *this);
    EXPECT_FALSE(address_answers.contains(id)) << "answered from inside the call";
    turn_until([&] { return address_answers.contains(id); });
    return address_answers[id];
  }
  void on_tlsa(QueryId id, const TlsaAnswer& answer) override {
    ++calls;
    tlsa_answers[id] = answer;
    if (on_answer) on_answer();
  }
  void on_txt(QueryId id, const TxtAnswer& answer) override {
    ++calls;
    txt_answers[id] = answer;
    if (on_answer) on_answer();
  }
  TlsaAnswer tlsa(Resolver& resolver, std::string_view host, uint16_t port = 25) {
    QueryId id = resolver.tlsa(host, port, *this);
    EXPECT_FALSE(tlsa_answers.contains(id)) << "answered from inside the call";
    turn_until([&] { return tlsa_answers.contains(id); });
    return tlsa_answers[id];
  }
  TxtAnswer txt(Resolver& resolver, std::string_view name) {
    QueryId id = resolver.txt(name, *this);
    EXPECT_FALSE(txt_answers.contains(id)) << "answered from inside the call";
    turn_until([&] { return txt_answers.contains(id); });
    return txt_answers[id];
  }
  // The resolver's own deadline ends this: a test that hangs is killed by ctest.
  void turn_until(const std::function<bool()>& done) {
    while (!done()) loop_.run_once(true);
  }

  int calls = 0;
  std::map<QueryId, MxAnswer> mx_answers;
  std::map<QueryId, AddressAnswer> address_answers;
  std::map<QueryId, TlsaAnswer> tlsa_answers;
  std::map<QueryId, TxtAnswer> txt_answers;
  std::function<void()> on_answer;

 private:
  net::Loop& loop_;
};

}  // namespace volley::dns
