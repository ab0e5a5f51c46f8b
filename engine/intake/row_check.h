// RowCheck: is this row somebody to write to?
//
// Purpose    The one judgement that inspect() and run_import() share, so that both count the same. The address goes
//            into the queue as it is spelled; only a domain beyond ASCII is turned into A-labels. Its key for
//            duplicates and suppression is the folded form of that.
// Ownership  Results live until the next check().
// Thread     One.
#pragma once

#include <string>
#include <string_view>

#include "base/hash.h"
#include "engine/intake/list_reader.h"

namespace volley::intake {

class RowCheck {
 public:
  explicit RowCheck(std::string_view dedupe_key) : hash_(dedupe_key) {}

  // Why the row cannot be used; empty: it can.
  std::string_view check(const Row& row);
  std::string_view address() const { return address_; }
  const std::string& domain() const { return domain_; }
  Hash128 key() const;

 private:
  KeyedHash hash_;
  std::string address_, domain_, reason_;
};

}  // namespace volley::intake
