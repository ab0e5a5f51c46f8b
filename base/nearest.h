// Nearest: the word somebody probably meant, for "did you mean".
//
// Purpose    Given a misspelt word and the possible ones, keeps the one that the fewest edits (insert, delete, replace) lead to;
//            at most two edits, and fewer than the candidate has letters: "x" is no misspelt "y".
// Ownership  Views what it is given, which outlives it.
// Thread     Pure. Not for long words: the time is the product of both lengths.
#pragma once

#include <cstddef>
#include <string_view>

namespace volley {

class Nearest {
 public:
  explicit Nearest(std::string_view word) : word_(word) {}
  void consider(std::string_view candidate);
  std::string_view best() const { return best_; }  // empty: none is near

 private:
  std::string_view word_, best_;
  size_t edits_ = 3;
};

}  // namespace volley
