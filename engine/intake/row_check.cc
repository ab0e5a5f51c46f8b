#include "engine/intake/row_check.h"

#include <utility>

#include "base/address.h"
#include "base/utf8.h"

namespace volley::intake {

std::string_view RowCheck::check(const Row& row) {
  if (!row.problem.empty()) return row.problem;
  Result<Address> parsed = parse_address(row.email);
  if (!parsed) {
    reason_ = parsed.error().message;
    return reason_;
  }
  domain_ = std::move(parsed->domain);
  if (is_ascii(row.email.substr(parsed->local.size()))) {
    address_.assign(row.email);
  } else {
    address_ = parsed->local + '@' + domain_;
  }
  return {};
}

Hash128 RowCheck::key() const { return hash_(fold_address(address_)); }

}  // namespace volley::intake
