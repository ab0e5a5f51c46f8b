// Fifo: a queue that takes no memory until it holds something.
//
// Purpose    What a connection has many of, mostly empty: std::deque takes 576 bytes each before the first element, which is
//            half of what an idle connection costs. Elements lie one after the other; room is kept for as many as there
//            have been at once.
// Ownership  Owns its elements. A push or an erase may move them: pointers and iterators are good until then.
// Thread     One at a time.
#pragma once

#include <cassert>
#include <cstddef>
#include <utility>
#include <vector>

namespace volley {

template <typename T>
class Fifo {
 public:
  using iterator = typename std::vector<T>::iterator;
  using const_iterator = typename std::vector<T>::const_iterator;

  bool empty() const { return head_ == items_.size(); }
  size_t size() const { return items_.size() - head_; }
  T& front() { return items_[head_]; }
  const T& front() const { return items_[head_]; }
  T& back() { return items_.back(); }
  const T& back() const { return items_.back(); }
  iterator begin() { return items_.begin() + offset(); }
  iterator end() { return items_.end(); }
  const_iterator begin() const { return items_.begin() + offset(); }
  const_iterator end() const { return items_.end(); }

  template <typename... Args>
  T& emplace_back(Args&&... args) {
    // The places of those gone are used again before more room is made, once they are half of it.
    if (items_.size() == items_.capacity() && head_ > 0 && head_ * 2 >= items_.size()) close_up();
    return items_.emplace_back(std::forward<Args>(args)...);
  }
  void push_back(T item) { emplace_back(std::move(item)); }

  void pop_front() {
    assert(!empty());
    [[maybe_unused]] const T gone = std::move(items_[head_]);  // with what it owns
    if (++head_ == items_.size()) clear();
  }
  void erase(iterator at) {
    if (at == begin()) return pop_front();
    items_.erase(at);
  }
  void clear() {
    items_.clear();
    head_ = 0;
  }

 private:
  std::ptrdiff_t offset() const { return static_cast<std::ptrdiff_t>(head_); }
  void close_up() {
    items_.erase(items_.begin(), items_.begin() + offset());
    head_ = 0;
  }

  std::vector<T> items_;
  size_t head_ = 0;  // those before it are gone
};

}  // namespace volley
