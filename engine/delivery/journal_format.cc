#include "engine/delivery/journal_format.h"

#include <algorithm>

#include "base/hash.h"
#include "queue/varint.h"

namespace volley::delivery {
namespace {

constexpr std::string_view kMagic = "VLYJRNL1";
static_assert(kMagic.size() == kJournalMagicBytes);
constexpr uint64_t kVersion = 1;
constexpr size_t kFrameHead = 12;
constexpr uint32_t kMaxPayload = 1 << 20;

void put_le(std::string& out, uint64_t value, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
}

uint64_t get_le(std::string_view in, unsigned bytes) {
  uint64_t value = 0;
  for (unsigned i = 0; i < bytes; ++i) value |= uint64_t{static_cast<uint8_t>(in[i])} << (8 * i);
  return value;
}

// Leaves room for the head, fills it in once the payload is there.
class Frame {
 public:
  Frame(std::string& out, EntryType type) : out_(out), start_(out.size()) {
    out_.append(kFrameHead, '\0');
    out_ += static_cast<char>(type);
  }
  ~Frame() {
    const auto payload = std::string_view(out_).substr(start_ + kFrameHead);
    std::string head;
    put_le(head, payload.size(), 4);
    put_le(head, xxh64(payload), 8);
    out_.replace(start_, kFrameHead, head);
  }

 private:
  std::string& out_;
  size_t start_;
};

Record read_record(queue::Reader& in) {
  Record r;
  r.time = from_ms(queue::unzigzag(in.varint()));
  const uint64_t verdict = in.varint();
  if (verdict < 1 || verdict > static_cast<uint64_t>(Verdict::kInDoubt)) in.fail();
  r.verdict = static_cast<Verdict>(verdict);
  r.partition = static_cast<uint32_t>(in.varint());
  r.lease = in.varint();
  r.lane = in.varint() == 0 ? queue::Lane::kBulk : queue::Lane::kTransactional;
  r.number = in.varint();
  r.attempt = static_cast<uint32_t>(in.varint());
  r.code = static_cast<uint16_t>(in.varint());
  r.delay_ms = queue::unzigzag(in.varint());
  for (auto* field :
       {&r.campaign, &r.recipient, &r.site, &r.host, &r.source, &r.enhanced, &r.text}) {
    *field = in.bytes(in.varint());
  }
  if (in.at_end()) return r;  // written before there were these
  r.generation = static_cast<uint32_t>(in.varint());
  r.revision = static_cast<uint32_t>(in.varint());
  return r;
}

std::optional<JournalEntry> read_entry(std::string_view payload) {
  JournalEntry e;
  if (payload.empty()) return std::nullopt;
  queue::Reader in(payload.substr(1));
  e.type = static_cast<EntryType>(payload[0]);
  switch (e.type) {
    case EntryType::kHeader:
      if (in.varint() != kVersion) return std::nullopt;
      e.run = in.varint();
      e.identity = in.bytes(in.varint());
      break;
    case EntryType::kOutcome:
      e.sequence = in.varint();
      e.record = read_record(in);
      break;
    case EntryType::kSettled:
      e.partition = static_cast<uint32_t>(in.varint());
      e.lease = in.varint();
      break;
    case EntryType::kLogged:
      e.run = in.varint();
      e.sequence = in.varint();
      break;
    default:
      return std::nullopt;
  }
  if (!in.ok()) return std::nullopt;
  return e;
}

}  // namespace

void put_journal_header(std::string& out, uint64_t run, std::string_view identity) {
  out += kMagic;
  Frame frame(out, EntryType::kHeader);
  queue::put_varint(out, kVersion);
  queue::put_varint(out, run);
  queue::put_string(out, identity);
}

void put_outcome(std::string& out, const Record& record, uint64_t sequence) {
  Frame frame(out, EntryType::kOutcome);
  queue::put_varint(out, sequence);
  queue::put_varint(out, queue::zigzag(to_ms(record.time)));
  queue::put_varint(out, static_cast<uint64_t>(record.verdict));
  queue::put_varint(out, record.partition);
  queue::put_varint(out, record.lease);
  queue::put_varint(out, record.lane == queue::Lane::kBulk ? 0 : 1);
  queue::put_varint(out, record.number);
  queue::put_varint(out, record.attempt);
  queue::put_varint(out, record.code);
  queue::put_varint(out, queue::zigzag(record.delay_ms));
  for (const auto* field : {&record.campaign, &record.recipient, &record.site, &record.host,
                            &record.source, &record.enhanced, &record.text}) {
    queue::put_string(out, *field);
  }
  queue::put_varint(out, record.generation);
  queue::put_varint(out, record.revision);
}

void put_settled(std::string& out, uint32_t partition, uint64_t lease) {
  Frame frame(out, EntryType::kSettled);
  queue::put_varint(out, partition);
  queue::put_varint(out, lease);
}

void put_logged(std::string& out, uint64_t run, uint64_t sequence) {
  Frame frame(out, EntryType::kLogged);
  queue::put_varint(out, run);
  queue::put_varint(out, sequence);
}

std::optional<std::string_view> FrameReader::next() {
  while (rest_.size() >= kFrameHead) {
    const uint64_t length = get_le(rest_, 4);
    const uint64_t sum = get_le(rest_.substr(4), 8);
    if (length > kMaxPayload || length > rest_.size() - kFrameHead) break;
    const std::string_view frame = rest_.substr(0, kFrameHead + length);
    rest_.remove_prefix(frame.size());
    if (xxh64(frame.substr(kFrameHead)) == sum) return frame;
    ++damaged_;
  }
  return std::nullopt;
}

std::optional<LeaseName> lease_of_outcome(std::string_view frame) {
  queue::Reader in(frame.substr(std::min(frame.size(), kFrameHead)));
  if (in.varint() != static_cast<uint64_t>(EntryType::kOutcome)) return std::nullopt;
  in.varint();  // sequence
  in.varint();  // time
  in.varint();  // verdict
  LeaseName name;
  name.partition = static_cast<uint32_t>(in.varint());
  name.lease = in.varint();
  if (!in.ok()) return std::nullopt;
  return name;
}

JournalReader::JournalReader(std::string_view segment) {
  const size_t have = std::min(segment.size(), kMagic.size());
  recognised_ = segment.substr(0, have) == kMagic.substr(0, have);
  if (recognised_) frames_ = FrameReader(segment.substr(have));
}

std::optional<JournalEntry> JournalReader::next() {
  while (const auto frame = frames_.next()) {
    if (auto entry = read_entry(frame->substr(kFrameHead))) return entry;
  }
  return std::nullopt;
}

}  // namespace volley::delivery
