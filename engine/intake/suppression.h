// SuppressionList: addresses that are never sent to, from plain files.
//
// Purpose    One address a line, '#' comments and blank lines allowed; compared case-folded. packed() is what the
//            queue keeps with the campaign, so that every engine can check again before sending (sorted 16-byte big-
//            endian keyed hashes).
// Thread     Values.  Errors: kNoInput (missing), kData (a line that is no address: file:line).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/result.h"

namespace volley::intake {

class SuppressionList {
 public:
  static Result<SuppressionList> load(const std::vector<std::string>& files, std::string_view dedupe_key);
  bool contains(const Hash128& folded_address_hash) const;
  size_t size() const { return hashes_.size(); }
  std::string packed() const;

 private:
  std::vector<Hash128> hashes_;
};

}  // namespace volley::intake
