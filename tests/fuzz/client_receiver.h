// The receiver's side of the client's fuzzer: what it read, what it answered, and whom that makes delivered.
//
// Errors  A broken invariant aborts. Thread: the fuzzer's.
#pragma once

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/base64.h"
#include "engine/smtp/client.h"

namespace volley::smtp {

inline constexpr const char* kSecret = "zebra-crossing-7";

inline void require(bool condition) {
  if (!condition) std::abort();
}

// Twelve octets in a row of the secret, or of a line that says it.
inline bool tells(std::string_view text) {
  static const std::array<std::string, 4> kForms = {
      kSecret, to_base64(kSecret), to_base64(std::string("\0user\0", 6) + kSecret),
      to_base64(std::string("user=user\1auth=Bearer ") + kSecret + "\1\1").substr(28)};
  constexpr size_t kRun = 12;
  for (const std::string& form : kForms) {
    for (size_t at = 0; at + kRun <= form.size(); ++at) {
      if (text.find(form.substr(at, kRun)) != std::string_view::npos) return true;
    }
  }
  return false;
}

// What the receiver has to answer.
struct Slot {
  enum class Kind { kOther, kRcpt, kData, kEnd };
  Kind kind = Kind::kOther;
  TxnId txn = kNoTxn;
  uint32_t rcpt = 0;
};

// The receiver's books: what it read, cut into things to answer; and what it answered, in order.
struct Receiver {
  std::string unread;
  std::string line;            // of a reply being said
  std::vector<Slot> slots{1};  // the greeting, then one per command and end of data
  std::vector<int> replies;    // codes
  TxnId current = kNoTxn;
  bool after_data = false;
  bool login_wanted = false;
  bool login_seen = false;
  std::string last;  // line read

  void read(std::string_view bytes) {
    unread += bytes;
    while (after_data ? read_body() : read_command()) {
    }
  }

  // Behind DATA: whether a body comes depends on what was answered.
  bool read_body() {
    const size_t data = slots.size() - 1;
    if (replies.size() <= data || unread.empty()) return false;
    if (replies[data] / 100 == 3) {
      const size_t at = unread.starts_with(".\r\n") ? 0 : unread.find("\r\n.\r\n");
      if (at == std::string::npos) return false;
      unread.erase(0, at == 0 && unread[0] == '.' ? 3 : at + 5);
      slots.push_back({Slot::Kind::kEnd, current, 0});
    }
    after_data = false;
    return true;
  }

  bool read_command() {
    const size_t lf = unread.find("\r\n");
    if (lf == std::string::npos) return false;
    const std::string command = unread.substr(0, lf);
    require(command.find('\n') == std::string::npos);
    if (login_wanted) check_login(command);
    last = command;
    size_t octets = 0;
    if (command.starts_with("BDAT ")) {
      require(command.ends_with(" LAST"));
      octets = std::stoul(command.substr(5));
      if (unread.size() < lf + 2 + octets) return false;
      const std::string_view body = std::string_view(unread).substr(lf + 2, octets);
      require(body.empty() || body.ends_with("\r\n"));
      slots.push_back({Slot::Kind::kEnd, current, 0});
    } else if (command.starts_with("RCPT TO:<r")) {
      slots.push_back({Slot::Kind::kRcpt, current, command[10] - static_cast<uint32_t>('0')});
    } else {
      if (command.starts_with("MAIL FROM:<t")) current = std::stoull(command.substr(12));
      after_data = command == "DATA";
      slots.push_back({after_data ? Slot::Kind::kData : Slot::Kind::kOther, current, 0});
    }
    unread.erase(0, lf + 2 + octets);
    return true;
  }

  void check_login(std::string_view command) {
    const bool asked = replies.size() >= slots.size() && replies[slots.size() - 1] == 334;
    login_seen = login_seen || command.starts_with("AUTH ");
    if (!asked && !command.starts_with("AUTH ")) require(!tells(command));
    if (command.starts_with("MAIL")) {
      require(std::find(replies.begin(), replies.end(), 235) != replies.end());
    }
  }

  void say(std::string_view bytes) {
    for (const char c : bytes) {
      if (c != '\n') {
        line += c;
        continue;
      }
      if (!line.empty() && line.back() == '\r') line.pop_back();
      if (line.size() >= 3 && (line.size() == 3 || line[3] == ' ')) {
        replies.push_back((line[0] - '0') * 100 + (line[1] - '0') * 10 + line[2] - '0');
      }
      line.clear();
    }
  }

  bool took(Slot::Kind kind, TxnId id, uint32_t rcpt = 0) const {
    for (size_t i = 0; i < slots.size() && i < replies.size(); ++i) {
      const Slot& slot = slots[i];
      const bool it = slot.kind == kind && slot.txn == id && slot.rcpt == rcpt;
      if (it && replies[i] / 100 == 2) return true;
    }
    return false;
  }
};

}  // namespace volley::smtp
