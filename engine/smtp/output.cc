#include "engine/smtp/output.h"

#include <algorithm>
#include <cassert>

namespace volley::smtp {
namespace {

// More than a std::string holds within itself: a slice given out must outlast the move of its segment.
constexpr size_t kText = 64;

}  // namespace

void Output::append(std::string_view text) {
  if (text.empty()) return;
  if (segments_.empty() || segments_.back().body || segments_.back().closed) {
    segments_.emplace_back().text.reserve(kText);
  }
  segments_.back().text.append(text);
  appended_ += text.size();
}

void Output::append_body(Body body, size_t dot_lines) {
  if (body->empty()) return;
  Segment& segment = segments_.emplace_back();
  segment.stuffer = DotStuffer(*body, dot_lines > 0);
  appended_ += body->size() + dot_lines;
  segment.body = std::move(body);
}

size_t Output::gather(std::span<OutSlice> slices, size_t max_bytes) {
  if (frozen_) return 0;
  size_t count = 0, bytes = 0;
  for (Segment& segment : segments_) {
    segment.closed = true;
    DotStuffer stuffer = segment.stuffer;
    size_t pos = segment.pos;
    while (count < slices.size() && bytes < max_bytes) {
      std::string_view slice;
      if (segment.body) {
        slice = stuffer.next(max_bytes - bytes);
      } else {
        slice = std::string_view(segment.text).substr(pos, max_bytes - bytes);
        pos += slice.size();
      }
      if (slice.empty()) break;
      slices[count++] = slice;
      bytes += slice.size();
    }
    if (count == slices.size() || bytes >= max_bytes) break;
  }
  handed_ = std::max(handed_, consumed_ + bytes);
  return count;
}

void Output::consume(size_t bytes) {
  assert(consumed_ + bytes <= handed_);
  consumed_ += bytes;
  while (bytes > 0) {
    Segment& segment = segments_.front();
    bool done = false;
    if (segment.body) {
      bytes -= segment.stuffer.next(bytes).size();
      done = segment.stuffer.done();
    } else {
      const size_t n = std::min(bytes, segment.text.size() - segment.pos);
      segment.pos += n;
      bytes -= n;
      done = segment.pos == segment.text.size();
    }
    if (done) segments_.pop_front();
  }
}

}  // namespace volley::smtp
