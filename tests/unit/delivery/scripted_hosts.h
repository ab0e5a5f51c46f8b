// The mail exchangers of a scripted delivery (delivery_dialog.h), all on one port of different loopback addresses.
//
// Ownership  Outlived by their Loop. Thread: the loop's.
// Errors     Text, for the script's author.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/delivery/peer.h"

namespace volley::delivery {

// Takes the port, and answers no connection request: its queue of them is full.
class SilentHost {
 public:
  explicit SilentHost(const net::Endpoint& at);
  ~SilentHost();
  SilentHost(const SilentHost&) = delete;
  SilentHost& operator=(const SilentHost&) = delete;
  bool is_asked() const;  // somebody waits for an answer

 private:
  net::Endpoint at_;
  int listener_ = -1, filler_ = -1;
};

class ScriptedHosts {
 public:
  explicit ScriptedHosts(net::Loop& loop);
  // The words after `host`. Empty, or what is wrong with them.
  std::string say(const std::vector<std::string>& words, const std::string& line);
  const Peer* find(const std::string& address) const;
  uint16_t port() const { return keeper_->port(); }
  bool silence() const;  // a silent one is asked
  bool all_closed() const;

 private:
  net::Loop& loop_;
  std::unique_ptr<net::TlsContext> tls_;
  std::unique_ptr<Peer> keeper_;  // keeps the port for us; nobody is sent there
  std::map<std::string, std::unique_ptr<Peer>> peers_;
  std::vector<std::unique_ptr<SilentHost>> silent_;
};

}  // namespace volley::delivery
