#include "engine/intake/dedupe.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace volley::intake {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kSlotsPerPage = kPage / sizeof(Hash128);
constexpr Hash128 kFree{};

// Mapped, not malloc'ed: what is outgrown goes back at once and leaves no holes in the heap.
Hash128* map_slots(size_t count) {
  void* memory = ::mmap(nullptr, count * sizeof(Hash128), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    std::fputs("volley: out of memory (list of addresses seen)\n", stderr);
    std::abort();
  }
  return static_cast<Hash128*>(memory);
}

void unmap_slots(Hash128* slots, size_t count) { ::munmap(slots, count * sizeof(Hash128)); }

}  // namespace

DedupeSet::~DedupeSet() {
  for (Segment& segment : segments_) {
    if (segment.slots) unmap_slots(segment.slots, segment.capacity);
  }
}

// The slot that holds the hash, or the free one where it belongs.
size_t DedupeSet::find(const Segment& segment, const Hash128& hash) {
  const auto scaled = static_cast<unsigned __int128>(hash.low) * segment.capacity;
  size_t slot = static_cast<size_t>(scaled >> 64);
  while (segment.slots[slot] != kFree && segment.slots[slot] != hash) {
    if (++slot == segment.capacity) slot = 0;
  }
  return slot;
}

void DedupeSet::grow(Segment& segment) {
  const size_t half = (segment.capacity / 2 + kSlotsPerPage - 1) / kSlotsPerPage * kSlotsPerPage;
  Segment larger;
  larger.capacity = segment.capacity + std::max(half, kSlotsPerPage);
  larger.slots = map_slots(larger.capacity);
  larger.used = segment.used;
  memory_ += larger.capacity * sizeof(Hash128);
  peak_ = std::max(peak_, memory_);
  for (size_t i = 0; i < segment.capacity; ++i) {
    if (segment.slots[i] != kFree) larger.slots[find(larger, segment.slots[i])] = segment.slots[i];
  }
  if (segment.slots) unmap_slots(segment.slots, segment.capacity);
  memory_ -= segment.capacity * sizeof(Hash128);
  segment = larger;
}

bool DedupeSet::insert(Hash128 hash) {
  if (hash == kFree) hash.low = 1;
  Segment& segment = segments_[hash.high % kSegments];
  if (4 * (segment.used + 1) > 3 * segment.capacity) grow(segment);
  const size_t slot = find(segment, hash);
  if (segment.slots[slot] == hash) return false;
  segment.slots[slot] = hash;
  ++segment.used;
  ++size_;
  return true;
}

}  // namespace volley::intake
