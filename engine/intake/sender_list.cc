#include "engine/intake/sender_list.h"

namespace volley::intake {

SenderList::SenderList(const std::vector<std::string>& senders) {
  for (const std::string& sender : senders) {
    const size_t at = sender.rfind('@');
    const std::string domain = at == std::string::npos ? sender : sender.substr(at + 1);
    // Through the parser, so that a domain beyond ASCII compares as A-labels.
    Result<Address> parsed = parse_address(
        (at == std::string::npos || at == 0 ? "x" : sender.substr(0, at)) + "@" + domain);
    if (!parsed)
      continue;  // settings were checked when they were read; what cannot be an address allows nobody
    if (at == std::string::npos || at == 0) {
      domains_.insert(parsed->domain);
    } else {
      addresses_.insert(fold_address(parsed->str()));
    }
  }
}

bool SenderList::allows(const Address& from) const {
  return domains_.contains(from.domain) || addresses_.contains(fold_address(from.str()));
}

}  // namespace volley::intake
