// The bytes a core wants to send: command text and bodies, as slices, without copying bodies.
//
// Purpose    append() text and bodies; gather() fills slices for one gathered write; consume() drops what was written.
// Ownership  Bodies are shared; a slice stays valid until consume() passes it or the Output is destroyed.
// Thread     One owner.
// Offsets    Every byte ever appended has a position counted from 0. `handed()` is the end of what gather() has ever
//            given out: a byte before it may be on the wire, a byte after it certainly is not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/fifo.h"
#include "engine/smtp/dotstuff.h"

namespace volley::smtp {

using OutSlice = std::string_view;
using Body = std::shared_ptr<const std::string>;

class Output {
 public:
  void append(std::string_view text);
  // A body, dot-stuffed on its way out; `dot_lines` is how many of its lines start with '.'.
  void append_body(Body body, size_t dot_lines);

  // Slices from the first byte not consumed; returns how many were filled. At most about `max_bytes` in all.
  size_t gather(std::span<OutSlice> slices, size_t max_bytes);
  void consume(size_t bytes);

  bool empty() const { return consumed_ == appended_; }
  uint64_t appended() const { return appended_; }
  uint64_t consumed() const { return consumed_; }
  uint64_t handed() const { return handed_; }
  // Nothing more may be gathered; memory that a write in flight may use stays until destruction.
  void freeze() { frozen_ = true; }

 private:
  struct Segment {
    std::string text;  // with room for kText: its memory stays where it is when the segment moves
    Body body;
    DotStuffer stuffer;   // at the first byte not consumed
    size_t pos = 0;       // of text
    bool closed = false;  // gathered once: no appending, its memory must not move
  };
  Fifo<Segment> segments_;
  uint64_t appended_ = 0, consumed_ = 0, handed_ = 0;
  bool frozen_ = false;
};

}  // namespace volley::smtp
