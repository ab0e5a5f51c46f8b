#include "engine/delivery/journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <deque>
#include <filesystem>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/files.h"
#include "base/log.h"
#include "base/random.h"
#include "engine/delivery/journal_carry.h"
#include "engine/delivery/journal_format.h"

namespace volley::delivery {
namespace {

constexpr uint64_t kWholeRun = ~uint64_t{0};
constexpr uint64_t kCarrySlices = 32;  // turns in which a segment is carried over: 256 KiB each

struct Segment {
  std::string path;
  uint64_t serial = 0;
  uint64_t bytes = 0;
  uint64_t open_leases = 0;
  uint64_t last_event = 0;
  bool carried = false;     // what is still needed of it is behind it, at the latest in the buffer
  bool unreadable = false;  // it cannot be carried over
};

struct OpenLease {
  std::vector<uint64_t> serials;  // of segments with outcomes of it, ascending
  uint64_t bytes = 0;             // of its outcomes, each counted once
};

struct LeaseHash {
  size_t operator()(const LeaseName& k) const {
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
  uint64_t sealed = 0;   // segments below this serial are carried over at once
  bool sealing = false;  // with the next flush

  std::deque<Segment> segments;  // the last one is current while `writing`
  bool writing = false;          // there is a current segment, its file made or about to be
  int fd = -1;
  std::string buffer;  // all for the current segment
  uint64_t written = 0;
  uint64_t logged = 0;
  std::vector<uint64_t> replayed;  // earlier runs all of whose events are logged
  std::unordered_map<LeaseName, OpenLease, LeaseHash> leases;
  uint64_t open_bytes = 0;         // of all of them
  std::optional<CarryOver> carry;  // of the oldest segment

  // A new one says at once what is logged: outcomes may follow whose mark goes with an older segment.
  Segment& current() {
    if (!writing) {
      Segment segment;
      segment.serial = next_serial++;
      segment.path = directory + '/' + std::to_string(loop) + '-' + std::to_string(segment.serial) +
                     ".journal";
      segments.push_back(std::move(segment));
      writing = true;
      put_journal_header(buffer, run, identity);
      if (logged > 0) put_logged(buffer, run, logged);
      for (const uint64_t earlier : replayed) put_logged(buffer, earlier, kWholeRun);
    }
    return segments.back();
  }

  Segment* find(uint64_t serial) {
    for (auto& segment : segments) {
      if (segment.serial == serial) return &segment;
    }
    return nullptr;
  }

  // The current segment has an outcome of this lease.
  void hold(OpenLease& lease) {
    Segment& segment = current();
    if (!lease.serials.empty() && lease.serials.back() == segment.serial) return;
    std::erase_if(lease.serials, [&](uint64_t s) { return s < segments.front().serial; });
    lease.serials.push_back(segment.serial);
    ++segment.open_leases;
  }

  bool done_with(const Segment& segment) const {
    if (segment.carried && buffer.empty()) return true;
    return segment.open_leases == 0 && segment.last_event <= logged;
  }

  // Oldest first, so that no mark disappears before what it marks.
  void collect() {
    while (segments.size() > (writing ? 1u : 0u) && done_with(segments.front())) {
      ::unlink(segments.front().path.c_str());
      segments.pop_front();
      carry.reset();
    }
  }

  // Reads twice what was written at least, so that segments go faster than they come.
  void carry_over(uint64_t just_written) {
    if (segments.empty()) return;
    Segment& oldest = segments.front();
    const bool many = segments.size() > kJournalSegmentsKept + 2 * open_bytes / segment_bytes;
    if (!carry && !many && oldest.serial >= sealed) return;
    if (oldest.carried || oldest.unreadable || oldest.last_event > logged) return;
    if (!carry) carry.emplace(oldest.path, oldest.bytes);
    const auto keep = [this](const LeaseName& name) {
      const auto open = leases.find(name);
      if (open == leases.end()) return false;
      hold(open->second);
      return true;
    };
    const uint64_t slice = std::max(segment_bytes / kCarrySlices + 1, 2 * just_written);
    const auto end = carry->step(slice, keep, buffer);
    if (end.ok() && !*end) return;
    carry.reset();
    oldest.carried = end.ok();
    oldest.unreadable = !end.ok();
    if (!end.ok()) log_warn(end.error().message + "; it stays until its last lease is settled");
  }

  void close_file() {
    if (fd >= 0) ::close(fd);
    fd = -1;
  }

  void close_segment() {
    close_file();
    writing = false;
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
  Impl& m = *impl_;
  Segment& segment = m.current();
  const size_t before = m.buffer.size();
  put_outcome(m.buffer, record, event_sequence);
  segment.last_event = std::max(segment.last_event, event_sequence);
  OpenLease& lease = m.leases[{record.partition, record.lease}];
  lease.bytes += m.buffer.size() - before;
  m.open_bytes += m.buffer.size() - before;
  m.hold(lease);
}

void Journal::settled(uint32_t partition, uint64_t lease) {
  impl_->current();
  put_settled(impl_->buffer, partition, lease);
  const auto found = impl_->leases.find({partition, lease});
  if (found == impl_->leases.end()) return;
  for (const uint64_t serial : found->second.serials) {
    if (Segment* segment = impl_->find(serial)) --segment->open_leases;
  }
  impl_->open_bytes -= found->second.bytes;
  impl_->leases.erase(found);
}

void Journal::logged(uint64_t event_sequence) {
  if (event_sequence <= impl_->logged) return;
  impl_->logged = event_sequence;
  if (impl_->writing) put_logged(impl_->buffer, impl_->run, event_sequence);
}

void Journal::replayed(uint64_t run) {
  impl_->current();
  put_logged(impl_->buffer, run, kWholeRun);
  impl_->replayed.push_back(run);
}

void Journal::seal() { impl_->sealing = true; }

Status Journal::flush() {
  Impl& m = *impl_;
  size_t at = 0;
  if (!m.buffer.empty()) {
    if (auto opened = m.open_file(); !opened.ok()) return opened;
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
    if (m.segments.back().bytes >= m.segment_bytes) m.close_segment();
  }
  if (std::exchange(m.sealing, false)) {
    m.close_segment();
    m.sealed = m.next_serial;
  }
  m.collect();
  m.carry_over(at);
  return {};
}

uint64_t Journal::bytes_written() const { return impl_->written; }
size_t Journal::segments() const { return impl_->segments.size(); }

}  // namespace volley::delivery
