// RelayLogin: who we are at the relay, with the secret as its file has it now.
//
// Purpose    current() before each login: a file that was replaced or written to since it was read last is read again, so that a
//            program beside us may refresh a token, or a person change a password, without a restart. Who replaces the file by
//            rename() shows no half of it; half a secret would be used, refused, and read again at the next login only.
//            What is no regular file is read at the start only.
// Ownership  shared_ptr, by the paths through the relay. Credentials that were handed out stay as they are.
// Thread     Any (a mutex inside). Blocks for a stat() and, after a change, for reading some hundred bytes.
// Errors     A file that cannot be read, or has nothing usable in it: the last good secret stays, and one warning says why. No
//            text contains the secret.
// Not for    The first reading, which tells the operator what is wrong before anything is sent: engine/cli/relay_setting.h.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "engine/smtp/sasl.h"

namespace volley::delivery {

class RelayLogin {
 public:
  // first: from `file`, perhaps before it changed. An empty name: never read again.
  RelayLogin(std::shared_ptr<const smtp::Credentials> first, std::string file);
  std::shared_ptr<const smtp::Credentials> current();

 private:
  struct Stamp {  // changes when the file does
    uint64_t device = 0, inode = 0;
    int64_t size = 0, modified_s = 0, modified_ns = 0, changed_s = 0, changed_ns = 0;
    bool regular = false;  // a pipe or a device would block whoever reads it
    bool operator==(const Stamp&) const = default;
  };
  static std::optional<Stamp> stamp_of(const std::string& file);
  void keep_the_old(const std::string& why);

  const std::string file_;
  std::mutex mutex_;
  std::shared_ptr<const smtp::Credentials> credentials_;
  std::optional<Stamp> stamp_;  // of what was read last, usable or not
  bool warned_ = false;         // since the last good reading
};

}  // namespace volley::delivery
