// DedupeSet: which addresses were seen, as 128-bit keyed hashes.
//
// Purpose    insert() tells whether a hash is new. Open addressing with 16-byte slots, between half and three
//            quarters full.
// Memory     At most 32 bytes per element, also while it grows: 256 segments, chosen by the hash, grow one at a time
//            by half, each in pages of its own that go straight back to the system. Plus 1 MiB for a start.
// Thread     One owner.
// Errors     None: two addresses with the same 128-bit hash under a random key do not happen.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/hash.h"

namespace volley::intake {

class DedupeSet {
 public:
  DedupeSet() = default;
  ~DedupeSet();
  DedupeSet(const DedupeSet&) = delete;
  DedupeSet& operator=(const DedupeSet&) = delete;

  bool insert(Hash128 hash);  // false: it was there
  size_t size() const { return size_; }
  size_t memory_bytes() const { return memory_; }
  size_t peak_memory_bytes() const { return peak_; }

 private:
  static constexpr size_t kSegments = 256;
  struct Segment {
    Hash128* slots = nullptr;  // {0, 0} is a free one
    size_t capacity = 0;
    size_t used = 0;
  };
  void grow(Segment& segment);
  static size_t find(const Segment& segment, const Hash128& hash);

  std::array<Segment, kSegments> segments_;
  size_t size_ = 0, memory_ = 0, peak_ = 0;
};

}  // namespace volley::intake
