// AddressMatch: whether an address, however it is spelled, is the wanted one.
//
// Purpose  As the importer finds duplicates: ASCII letters in any case, the domain in Unicode or as A-labels.
// Thread   Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/address.h"

namespace volley::cli {

class AddressMatch {
 public:
  static Result<AddressMatch> make(const std::string& text);  // kUsage when it is no address

  bool operator()(std::string_view address) const;
  // Whether a text (a reply, JSON, a row of a list) names it: as it stands there, or with JSON's escapes.
  bool named_in(std::string_view text) const;
  // Whether these bytes may have it; never false when they do.
  bool may_be_in(std::string_view bytes) const;
  const std::string& domain() const { return domain_; }

 private:
  std::string local_, domain_;
  std::string escaped_;  // local_ within a JSON string
};

// Lower-case A-labels; kUsage when it is no domain.
Result<std::string> domain_key(const std::string& text);

}  // namespace volley::cli
