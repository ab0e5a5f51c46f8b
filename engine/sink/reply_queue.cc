#include "engine/sink/reply_queue.h"

#include <algorithm>

namespace volley::sink {

void ReplyQueue::push(std::string_view bytes, TimePoint due) {
  if (bytes.empty()) return;
  if (!items_.empty()) due = std::max(due, items_.back().due);
  items_.push_back({due, std::string(bytes)});
}

void ReplyQueue::push_drip(std::string_view bytes, TimePoint due, size_t step, Duration every) {
  if (bytes.empty()) return;
  push(bytes, due);
  items_.back().step = step;
  items_.back().every = every;
}

std::string ReplyQueue::take(TimePoint now) {
  std::string out;
  while (!items_.empty() && items_.front().due <= now) {
    Item& item = items_.front();
    const size_t n =
        item.step == 0 ? item.bytes.size() : std::min(item.step, item.bytes.size() - item.gone);
    out.append(item.bytes, item.gone, n);
    item.gone += n;
    item.due += item.every;
    if (item.gone == item.bytes.size()) items_.pop_front();
  }
  return out;
}

}  // namespace volley::sink
