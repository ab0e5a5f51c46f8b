// Who a program may write as: the configured `senders`.
//
// Purpose    "news@example.com" allows that address, "example.com" or "@example.com" every address at that domain
//            (not below it). Compared case-folded. An empty list allows nobody.
// Thread     Values.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/address.h"

namespace volley::intake {

class SenderList {
 public:
  explicit SenderList(const std::vector<std::string>& senders);
  bool allows(const Address& from) const;

 private:
  std::set<std::string> addresses_, domains_;
};

}  // namespace volley::intake
