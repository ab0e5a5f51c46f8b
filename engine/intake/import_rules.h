// Rules that inspect() and run_import() share: how many rows may be invalid, and what a stop says.
//
// Thread     Values.
// Errors     kData when the rate is exceeded, naming the rate, the first reasons and the rejects file; kTempFail for
//            a stop; kUsage for a rejects file that is the list.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace volley::intake {

inline constexpr std::string_view kDuplicate = "duplicate of an earlier row";

class RejectRate {
 public:
  void add(uint64_t line, std::string_view reason);
  uint64_t invalid() const { return invalid_; }
  bool exceeded(uint64_t rows, double limit) const;
  Error error(const std::string& path, uint64_t rows, double limit, const std::string& rejects_path) const;

 private:
  uint64_t invalid_ = 0;
  std::vector<std::string> first_;
};

Error stopped_error();
// Writing the rejects over the list itself would destroy it before it is read.
Status check_rejects_path(const std::string& list, const std::string& rejects_path);

}  // namespace volley::intake
