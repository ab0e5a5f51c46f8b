// The DNS of a scripted delivery (delivery_dialog.h): what the `dns` lines said, served by a FakeServer.
//
// Rules      A name that was not said does not exist; one that was has no record of a type that was not said. A `cname` is
//            followed to what was said of its target. Every reply has an OPT record, and the AD bit where it was `secure`.
// Thread     say() the test's; answer() the server's. A mutex inside.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/dns/fake_server.h"

namespace volley::delivery {

// "mx{1..3}" becomes mx1, mx2, mx3; several of them multiply.
std::vector<std::string> expand_range(const std::string& text);

class ScriptedZone {
 public:
  // The words after `dns`. Empty, or what is wrong with them.
  std::string say(const std::vector<std::string>& words);
  std::optional<dns::Packet> answer(const dns::FakeQuestion& question);
  int asked(const std::string& type, const std::string& name) const;
  // Called on the server's thread for each question that is left without an answer.
  std::function<void()> on_silence;

 private:
  enum class Fault : uint8_t { kNone, kServFail, kRefused, kSilent, kNxDomain };
  struct Entry {
    Fault fault = Fault::kNone;
    std::vector<std::pair<uint16_t, std::string>> data{};  // preference (of MX), and RDATA
    std::string target{};                                  // of cname
    uint32_t ttl = 300;
    bool secure = false;
  };
  using Key = std::pair<std::string, uint16_t>;
  static unsigned code_of(Fault fault);
  const Entry* find(const std::string& name, uint16_t type) const;
  bool exists(const std::string& name) const;

  mutable std::mutex mutex_;
  std::map<Key, Entry> entries_;
  std::map<Key, int> asked_;
};

}  // namespace volley::delivery
