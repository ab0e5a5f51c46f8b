#include "metrics/event_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <thread>
#include <utility>

#include "base/log.h"
#include "metrics/event_rewrite.h"
#include "metrics/registry.h"

namespace volley::metrics {

namespace {

constexpr std::chrono::seconds kRetryPause{1};
// Lines of so long share a write, which locks and looks at the file.
constexpr std::chrono::milliseconds kGather{10};
// One write: large enough to be cheap, small enough for rotation to hit its mark.
constexpr size_t kSlice = size_t{256} << 10;

// The file, its size and its rotation; only the writer thread uses it.
class LogFile {
 public:
  explicit LogFile(EventLogOptions options)
      : options_(std::move(options)), limit_(options_.max_bytes) {}
  ~LogFile() { close(); }
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  Status open(bool at_line_start = true);
  // Writes some of `bytes` (whole lines, or the rest of one) and returns how many, or an error.
  Result<size_t> write_some(std::string_view bytes, bool at_line_start);

 private:
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  Status cut_partial_line();
  Status rotate();
  bool replaced() const;
  std::string numbered(unsigned n) const { return fmt::format("{}.{}", options_.path, n); }
  Error failure(Errc code, const char* what) const {
    return {code, fmt::format("{} {}: {}", what, options_.path, std::strerror(errno))};
  }

  EventLogOptions options_;
  int fd_ = -1;
  uint64_t size_ = 0;
  uint64_t limit_;  // size at which to rotate
};

Status LogFile::open(bool at_line_start) {
  close();
  fd_ = ::open(options_.path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd_ < 0) return failure(Errc::kCantCreate, "cannot open the event log");
  struct stat info {};
  if (::fstat(fd_, &info) != 0) return failure(Errc::kCantCreate, "cannot open the event log");
  size_ = 0;
  if (!S_ISREG(info.st_mode)) return {};
  size_ = static_cast<uint64_t>(info.st_size);
  // Addresses of recipients are in it: nobody else's business, whatever mode it had.
  if (::fchmod(fd_, 0600) != 0) return failure(Errc::kCantCreate, "cannot make private");
  return at_line_start ? cut_partial_line() : Status();
}

Status LogFile::cut_partial_line() {
  char block[4096];
  uint64_t end = size_;
  while (end > 0) {
    uint64_t start = end > sizeof block ? end - sizeof block : 0;
    ssize_t n = ::pread(fd_, block, end - start, static_cast<off_t>(start));
    if (n != static_cast<ssize_t>(end - start)) return failure(Errc::kCantCreate, "cannot read");
    const void* newline = ::memrchr(block, '\n', static_cast<size_t>(n));
    if (newline != nullptr) {
      end = start + static_cast<uint64_t>(static_cast<const char*>(newline) - block) + 1;
      break;
    }
    end = start;
  }
  if (end == size_) return {};
  if (::ftruncate(fd_, static_cast<off_t>(end)) != 0) {
    return failure(Errc::kCantCreate, "cannot repair");
  }
  size_ = end;
  return {};
}

Status LogFile::rotate() {
  for (unsigned n = options_.keep; n > 1; --n) {
    std::rename(numbered(n - 1).c_str(), numbered(n).c_str());
  }
  int rc = options_.keep == 0 ? ::unlink(options_.path.c_str())
                              : std::rename(options_.path.c_str(), numbered(1).c_str());
  if (rc != 0) {
    // Better a long file than lost events; the next try comes as much later.
    log_warn(failure(Errc::kIo, "cannot rotate the event log").message + "; it grows on");
    limit_ = size_ + options_.max_bytes;
    return {};
  }
  limit_ = options_.max_bytes;
  return open();
}

// Another file stands in the place of the one that is open, or none does.
bool LogFile::replaced() const {
  struct stat ours {}, there {};
  if (fd_ < 0 || ::fstat(fd_, &ours) != 0 || !S_ISREG(ours.st_mode)) return false;
  if (::stat(options_.path.c_str(), &there) != 0) return errno == ENOENT;
  return ours.st_ino != there.st_ino || ours.st_dev != there.st_dev;
}

Result<size_t> LogFile::write_some(std::string_view bytes, bool at_line_start) {
  const EventsLock lock(options_.path);
  if (replaced()) {
    if (Status reopened = open(at_line_start); !reopened) return reopened.error();
  }
  bool full = size_ > 0 && size_ + std::min(bytes.size(), kSlice) > limit_;
  if (fd_ < 0) {
    if (Status reopened = open(); !reopened) return reopened.error();
  } else if (at_line_start && full) {
    if (Status rotated = rotate(); !rotated) return rotated.error();
  }
  std::string_view slice = bytes.substr(0, kSlice);
  if (slice.size() < bytes.size()) {
    if (size_t newline = slice.rfind('\n'); newline != slice.npos) {
      slice = slice.substr(0, newline + 1);
    }
  }
  ssize_t n;
  do {
    n = ::write(fd_, slice.data(), slice.size());
  } while (n < 0 && errno == EINTR);
  if (n < 0) return failure(Errc::kIo, "cannot write the event log");
  size_ += static_cast<uint64_t>(n);
  return static_cast<size_t>(n);
}

}  // namespace

struct EventLog::Impl {
  Shard* counters;  // the writer's
  LogFile file;
  std::mutex mutex;
  std::condition_variable wake, progress;
  // Guarded by the mutex:
  std::string incoming;
  uint64_t appended = 0;
  uint64_t failures = 0;  // of writing
  std::string problem;    // of the last attempt to write, while events wait
  bool retry_now = false, stopping = false;

  std::atomic<uint64_t> written{0};
  std::thread writer;

  explicit Impl(EventLogOptions options) : counters(options.counters), file(std::move(options)) {}
  void run();
  bool write_all(std::string_view bytes);
  bool wait_for_retry();
};

void EventLog::Impl::run() {
  std::string batch;
  while (true) {
    {
      std::unique_lock lock(mutex);
      wake.wait(lock, [this] { return !incoming.empty() || stopping; });
      if (incoming.empty()) return;
      if (!retry_now) wake.wait_for(lock, kGather, [this] { return stopping || retry_now; });
      batch.clear();
      batch.swap(incoming);
      retry_now = false;
    }
    if (!write_all(batch)) return;
  }
}

// False: stopping, and the disk refuses.
bool EventLog::Impl::write_all(std::string_view bytes) {
  bool complained = false, at_line_start = true;
  while (!bytes.empty()) {
    Result<size_t> n = file.write_some(bytes, at_line_start);
    if (!n || *n == 0) {
      const std::string failure = n ? "the event log takes no bytes" : n.error().message;
      {
        std::lock_guard lock(mutex);
        problem = failure;
      }
      if (!std::exchange(complained, true)) {
        log_error(failure + "; events wait in memory, trying again every second");
      }
      if (!wait_for_retry()) return false;
      continue;
    }
    std::string_view done = bytes.substr(0, *n);
    bytes.remove_prefix(*n);
    at_line_start = done.ends_with('\n');
    auto lines = static_cast<uint64_t>(std::count(done.begin(), done.end(), '\n'));
    if (counters != nullptr) (*counters)[Metric::kEventsWritten].add(lines);
    std::lock_guard lock(mutex);
    written.store(written.load(std::memory_order_relaxed) + lines, std::memory_order_release);
    problem.clear();
    progress.notify_all();
  }
  if (complained) log_info("the event log is being written again");
  return true;
}

bool EventLog::Impl::wait_for_retry() {
  std::unique_lock lock(mutex);
  ++failures;
  progress.notify_all();
  wake.wait_for(lock, kRetryPause, [this] { return stopping || retry_now; });
  // Told to stop before this failure: the disk had its last chance.
  bool stop = stopping && !retry_now;
  retry_now = false;
  return !stop;
}

EventLog::EventLog(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<EventLog>> EventLog::open(EventLogOptions options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  if (Status opened = impl->file.open(); !opened) return opened.error();
  impl->writer = std::thread([raw = impl.get()] { raw->run(); });
  return std::unique_ptr<EventLog>(new EventLog(std::move(impl)));
}

EventLog::~EventLog() {
  {
    std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
    impl_->retry_now = true;  // one more try, should it be waiting for the disk
    impl_->wake.notify_all();
  }
  impl_->writer.join();
}

uint64_t EventLog::append(const Event& event) {
  std::string line = to_json_line(event);
  std::lock_guard lock(impl_->mutex);
  if (impl_->incoming.empty()) impl_->wake.notify_one();
  impl_->incoming += line;
  return ++impl_->appended;
}

uint64_t EventLog::written() const { return impl_->written.load(std::memory_order_acquire); }

std::string EventLog::trouble() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->problem;
}

void EventLog::flush() {
  std::unique_lock lock(impl_->mutex);
  uint64_t target = impl_->appended, failures = impl_->failures;
  impl_->retry_now = true;
  impl_->wake.notify_all();
  impl_->progress.wait(lock, [&] { return written() >= target || impl_->failures > failures; });
}

}  // namespace volley::metrics
