#include "engine/delivery/journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <deque>
#include <filesystem>
#include <unordered_map>

#include "base/files.h"
#include "base/random.h"
#include "engine/delivery/journal_format.h"

namespace volley::delivery {
namespace {

struct Segment {
  std::string path;
  uint64_t serial = 0;
  uint64_t bytes = 0;
  uint64_t open_leases = 0;
  uint64_t last_event = 0;
};

struct LeaseKey {
  uint32_t partition = 0;
  uint64_t lease = 0;
  bool operator==(const LeaseKey&) const = default;
};
struct LeaseHash {
  size_t operator()(const LeaseKey& k) const {
    return std::hash<uint64_t>{}(k.lease * 0x9e3779b97f4a7c15u + k.partition);
  }
};

// Serials go on where earlier runs stopped, so that no file is ever written by two of them.
Result<uint64_t> first_free_serial(const std::string& directory, unsigned loop) {
  const std::string prefix = std::to_string(loop) + '-';
  uint64_t next = 1;
  std::error_code error;
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!name.starts_with(prefix)) continue;
    uint64_t serial = 0;
    std::from_chars(name.data() + prefix.size(), name.data() + name.size(), serial);
    next = std::max(next, serial + 1);
  }
  if (error) return Error{Errc::kIo, "cannot read " + directory + ": " + error.message()};
  return next;
}

}  // namespace

struct Journal::Impl {
  std::string directory, identity;
  unsigned loop = 0;
  uint64_t segment_bytes = 0;
  uint64_t run = 0;
  uint64_t next_serial = 1;

  std::deque<Segment> segments;  // the last one is current while `writing`
  bool writing = false;          // there is a current segment, its file made or about to be
  int fd = -1;
  std::string buffer;  // all for the current segment
  uint64_t written = 0;
  uint64_t logged = 0;
  std::unordered_map<LeaseKey, std::vector<uint64_t>, LeaseHash>
      leases;  // serials with outcomes of it

  Segment& current() {
    if (!writing) {
      Segment segment;
      segment.serial = next_serial++;
      segment.path = directory + '/' + std::to_string(loop) + '-' + std::to_string(segment.serial) +
                     ".journal";
      segments.push_back(std::move(segment));
      writing = true;
      put_journal_header(buffer, run, identity);
    }
    return segments.back();
  }

  Segment* find(uint64_t serial) {
    for (auto& segment : segments) {
      if (segment.serial == serial) return &segment;
    }
    return nullptr;
  }

  static bool done_with(const Segment& segment, uint64_t events_logged) {
    return segment.open_leases == 0 && segment.last_event <= events_logged;
  }

  // Oldest first, so that no mark disappears before what it marks.
  void collect() {
    while (segments.size() > (writing ? 1u : 0u) && done_with(segments.front(), logged)) {
      ::unlink(segments.front().path.c_str());
      segments.pop_front();
    }
  }

  void close_file() {
    if (fd >= 0) ::close(fd);
    fd = -1;
  }

  Status open_file() {
    if (fd >= 0) return {};
    const std::string& path = segments.back().path;
    fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) return Error{Errc::kIo, "cannot create " + path + ": " + std::strerror(errno)};
    return {};
  }
};

Journal::Journal(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Journal::~Journal() {
  static_cast<void>(flush());
  impl_->close_file();
  impl_->writing = false;
  impl_->collect();
}

Result<std::unique_ptr<Journal>> Journal::open(const std::string& directory, unsigned loop,
                                               std::string queue_identity, uint64_t segment_bytes) {
  if (auto made = make_directories(directory, 0700); !made.ok()) return made.error();
  auto serial = first_free_serial(directory, loop);
  if (!serial.ok()) return serial.error();
  auto impl = std::make_unique<Impl>();
  impl->directory = directory;
  impl->identity = std::move(queue_identity);
  impl->loop = loop;
  impl->segment_bytes = segment_bytes;
  impl->run = Random(Random::seed_from_system()).next();
  impl->next_serial = *serial;
  return std::unique_ptr<Journal>(new Journal(std::move(impl)));
}

void Journal::append(const Record& record, uint64_t event_sequence) {
  Segment& segment = impl_->current();
  put_outcome(impl_->buffer, record, event_sequence);
  segment.last_event = std::max(segment.last_event, event_sequence);
  auto& serials = impl_->leases[{record.partition, record.lease}];
  if (serials.empty() || serials.back() != segment.serial) {
    serials.push_back(segment.serial);
    ++segment.open_leases;
  }
}

void Journal::settled(uint32_t partition, uint64_t lease) {
  impl_->current();
  put_settled(impl_->buffer, partition, lease);
  const auto found = impl_->leases.find({partition, lease});
  if (found == impl_->leases.end()) return;
  for (const uint64_t serial : found->second) {
    if (Segment* segment = impl_->find(serial)) --segment->open_leases;
  }
  impl_->leases.erase(found);
}

void Journal::logged(uint64_t event_sequence) {
  if (event_sequence <= impl_->logged) return;
  impl_->logged = event_sequence;
  if (impl_->writing) put_logged(impl_->buffer, impl_->run, event_sequence);
}

void Journal::replayed(uint64_t run) {
  impl_->current();
  put_logged(impl_->buffer, run, ~uint64_t{0});
}

Status Journal::flush() {
  Impl& m = *impl_;
  if (!m.buffer.empty()) {
    if (auto opened = m.open_file(); !opened.ok()) return opened;
    size_t at = 0;
    int failure = 0;
    while (at < m.buffer.size() && failure == 0) {
      const ssize_t n = ::write(m.fd, m.buffer.data() + at, m.buffer.size() - at);
      if (n > 0) at += static_cast<size_t>(n);
      if (n == 0) failure = ENOSPC;
      if (n < 0 && errno != EINTR) failure = errno;
    }
    m.segments.back().bytes += at;
    m.written += at;
    m.buffer.erase(0, at);  // the rest of a torn record follows once there is room
    if (failure != 0) {
      return Error{Errc::kIo,
                   "cannot write " + m.segments.back().path + ": " + std::strerror(failure)};
    }
    if (m.segments.back().bytes >= m.segment_bytes) {
      m.close_file();
      m.writing = false;
    }
  }
  m.collect();
  return {};
}

uint64_t Journal::bytes_written() const { return impl_->written; }
size_t Journal::segments() const { return impl_->segments.size(); }

}  // namespace volley::delivery
