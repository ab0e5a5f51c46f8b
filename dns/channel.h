// One c-ares channel to one name server, on the loop.
//
// Purpose    Sends a question once (over UDP, over TCP when truncated) and hands back bytes or the
//            reason why there are none. Which server to ask next, and until when, is upstream.h's.
// Ownership  Owned by Upstream. Destroying it forgets what is outstanding: nothing is called.
// Thread     The loop's. on_channel_reply() comes from the loop, or from inside send() and
//            check_timeouts(); it may send(), but not destroy the channel.
// Pitfalls   ares_timeout() is linear in outstanding queries: the owner calls check_timeouts() at a
//            fixed tick instead. A FORMERR without OPT makes c-ares drop EDNS for good on the whole
//            channel: lost_edns() tells, the owner then replaces it.
// Errors     create(): kConfig when c-ares refuses the server, kInternal else.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/net/endpoint.h"
#include "base/result.h"
#include "dns/answer.h"

namespace volley::net {
class Loop;
}

namespace volley::dns {

class Channel {
 public:
  class Listener {
   public:
    // packet is empty when there was no reply; reason then says why.
    virtual void on_channel_reply(uint64_t id, std::span<const uint8_t> packet,
                                  const char* reason) = 0;
    // After the channel has worked off what came in: replies may be handled now.
    virtual void on_channel_idle() = 0;

   protected:
    ~Listener() = default;
  };

  // ask_ad: with the AD bit in the question, which asks for it in the reply (RFC 6840 section 5.7).
  static Result<std::unique_ptr<Channel>> create(net::Loop& loop, const net::Endpoint& server,
                                                 bool ask_ad, Listener& listener);
  ~Channel();
  void send(uint64_t id, const std::string& name, RecordType type);
  void check_timeouts();
  size_t outstanding() const;
  bool lost_edns() const;
  const net::Endpoint& server() const;

 private:
  struct Impl;
  explicit Channel(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The name servers of this machine, as c-ares finds them (resolv.conf).
Result<std::vector<net::Endpoint>> system_servers();

}  // namespace volley::dns
