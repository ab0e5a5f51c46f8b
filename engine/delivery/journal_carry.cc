#include "engine/delivery/journal_carry.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace volley::delivery {

CarryOver::CarryOver(std::string path, uint64_t bytes) : path_(std::move(path)), bytes_(bytes) {}

CarryOver::~CarryOver() {
  if (fd_ >= 0) ::close(fd_);
}

Error CarryOver::failure(std::string_view why) const {
  return Error{Errc::kIo, "cannot read " + path_ + " back: " + std::string(why)};
}

Status CarryOver::read(uint64_t slice) {
  if (fd_ < 0) {
    fd_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd_ < 0) return failure(std::strerror(errno));
    // The system reads ahead while we look at the first slices.
    ::posix_fadvise(fd_, 0, 0, POSIX_FADV_WILLNEED);
  }
  size_t have = pending_.size();
  pending_.resize(have + std::min(slice, bytes_ - offset_));
  while (have < pending_.size()) {
    const ssize_t n =
        ::pread(fd_, pending_.data() + have, pending_.size() - have, static_cast<off_t>(offset_));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failure(std::strerror(errno));
    if (n == 0) return failure("its end is missing");
    have += static_cast<size_t>(n);
    offset_ += static_cast<uint64_t>(n);
  }
  return {};
}

Result<bool> CarryOver::step(uint64_t slice, const std::function<bool(const LeaseName&)>& keep,
                             std::string& out) {
  if (auto done = read(slice); !done.ok()) return done.error();
  FrameReader frames(pending_);
  while (const auto frame = frames.next()) {
    const auto lease = lease_of_outcome(*frame);
    if (lease && keep(*lease)) out += *frame;
  }
  const bool end = offset_ == bytes_;
  if (frames.damaged() > 0 || (end && frames.left() > 0)) return failure("it is damaged");
  pending_.erase(0, pending_.size() - frames.left());
  return end;
}

}  // namespace volley::delivery
