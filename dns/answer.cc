#include "dns/answer.h"

#include <ares.h>

#include <algorithm>
#include <limits>
#include <unordered_map>
#include <utility>

namespace volley::dns {

namespace {

constexpr uint16_t kCname = 5, kSoa = 6, kNs = 2, kOpt = 41;
constexpr size_t kHeaderSize = 12;
// Longer chains are loops, or somebody's joke.
constexpr int kMaxChain = 16;

struct Record {
  std::string owner;
  uint16_t type = 0, klass = 0;
  uint32_t ttl = 0;
  size_t data = 0, size = 0;  // where in the packet
};

class Reader {
 public:
  explicit Reader(std::span<const uint8_t> packet) : packet_(packet) {}

  bool failed() const { return failed_; }
  // What was read as the record's data must have been all of it, and nothing else.
  void expect_end_of(const Record& r) { failed_ = failed_ || at_ != r.data + r.size; }
  void seek(size_t at) { at_ = at; }
  bool skip(size_t n) { return need(n) && (at_ += n, true); }

  uint16_t u16() {
    if (!need(2)) return 0;
    auto value = static_cast<uint16_t>(packet_[at_] << 8 | packet_[at_ + 1]);
    at_ += 2;
    return value;
  }
  uint32_t u32() {
    uint32_t high = u16();
    return high << 16 | u16();
  }
  std::string name() {
    if (!need(1)) return {};
    char* text = nullptr;
    long used = 0;
    int rc = ares_expand_name(packet_.data() + at_, packet_.data(),
                              static_cast<int>(packet_.size()), &text, &used);
    if (rc != ARES_SUCCESS) {
      failed_ = true;
      return {};
    }
    std::string out = canonical_name(text);
    ares_free_string(text);
    at_ += static_cast<size_t>(used);
    return out;
  }
  Record record() {
    Record r;
    r.owner = name();
    r.type = u16();
    r.klass = u16();
    r.ttl = u32();
    if (r.ttl >> 31) r.ttl = 0;
    r.size = u16();
    r.data = at_;
    skip(r.size);
    return r;
  }

 private:
  bool need(size_t n) {
    if (failed_ || packet_.size() - at_ < n) failed_ = true;
    return !failed_;
  }

  std::span<const uint8_t> packet_;
  size_t at_ = 0;
  bool failed_ = false;
};

constexpr uint16_t kInternet = 1;

// Follows CNAMEs from the question; out.ttl becomes the smallest TTL of the chain.
std::string follow_chain(Reader& reader, const std::vector<Record>& records, std::string name,
                         uint32_t& ttl) {
  std::unordered_map<std::string, const Record*> cnames;
  for (const Record& r : records) {
    if (r.type == kCname && r.klass == kInternet) cnames.emplace(r.owner, &r);
  }
  for (int hop = 0; hop < kMaxChain; ++hop) {
    auto next = cnames.find(name);
    if (next == cnames.end()) break;
    ttl = std::min(ttl, next->second->ttl);
    reader.seek(next->second->data);
    name = reader.name();
    reader.expect_end_of(*next->second);
  }
  return name;
}

template <size_t N>
bool take_address(std::span<const uint8_t> data, std::vector<std::array<uint8_t, N>>& out) {
  if (data.size() != N) return false;
  std::array<uint8_t, N> bytes;
  std::copy_n(data.begin(), N, bytes.begin());
  out.push_back(bytes);
  return true;
}

// RFC 1035 section 3.3.14: one or more strings, each behind its length.
bool take_text(std::span<const uint8_t> data, std::vector<std::string>& out) {
  if (data.empty()) return false;
  std::string text;
  while (!data.empty()) {
    const size_t size = data[0];
    if (data.size() - 1 < size) return false;
    text.append(data.begin() + 1, data.begin() + 1 + static_cast<std::ptrdiff_t>(size));
    data = data.subspan(1 + size);
  }
  out.push_back(std::move(text));
  return true;
}

bool take_tlsa(std::span<const uint8_t> data, std::vector<TlsaRecord>& out) {
  if (data.size() < 3) return false;
  out.push_back({data[0], data[1], data[2], {data.begin() + 3, data.end()}});
  return true;
}

bool take_mx(Reader& reader, const Record& r, std::vector<MxHost>& out) {
  reader.seek(r.data);
  uint16_t preference = reader.u16();
  out.push_back({preference, reader.name()});
  reader.expect_end_of(r);
  return !reader.failed();
}

// Records of other types are none of our business. False: malformed.
bool take_record(std::span<const uint8_t> packet, Reader& reader, const Record& r, Answer& out,
                 uint32_t& ttl) {
  const std::span<const uint8_t> data = packet.subspan(r.data, r.size);
  bool good = true;
  switch (static_cast<RecordType>(r.type)) {
    case RecordType::kMx:
      good = take_mx(reader, r, out.mx);
      break;
    case RecordType::kA:
      good = take_address(data, out.a);
      break;
    case RecordType::kAaaa:
      good = take_address(data, out.aaaa);
      break;
    case RecordType::kTxt:
      good = take_text(data, out.txt);
      break;
    case RecordType::kTlsa:
      good = take_tlsa(data, out.tlsa);
      break;
    default:
      return true;
  }
  ttl = std::min(ttl, r.ttl);
  return good;
}

bool take_answers(std::span<const uint8_t> packet, Reader& reader,
                  const std::vector<Record>& records, const std::string& question, Answer& out) {
  uint32_t ttl = std::numeric_limits<uint32_t>::max();
  out.owner = follow_chain(reader, records, question, ttl);
  if (reader.failed()) return false;
  for (const Record& r : records) {
    if (r.owner != out.owner || r.klass != kInternet) continue;
    if (!take_record(packet, reader, r, out, ttl)) return false;
  }
  bool any = !out.mx.empty() || !out.a.empty() || !out.aaaa.empty() || !out.txt.empty() ||
             !out.tlsa.empty();
  out.ttl = any ? ttl : 0;
  return true;
}

void take_soa(Reader& reader, const Record& r, Answer& out) {
  reader.seek(r.data);
  reader.name();
  reader.name();
  reader.skip(16);  // serial, refresh, retry, expire
  uint32_t minimum = reader.u32();
  reader.expect_end_of(r);
  if (!reader.failed()) out.negative_ttl = std::min(r.ttl, minimum);
}

}  // namespace

Result<Answer> parse_answer(std::span<const uint8_t> packet) {
  const Error malformed{Errc::kProtocol, "malformed DNS reply"};
  if (packet.size() < kHeaderSize || packet.size() > 65535) return malformed;
  Answer out;
  bool is_reply = (packet[2] & 0x80) != 0;
  bool authoritative = (packet[2] & 0x04) != 0;
  bool recursion = (packet[3] & 0x80) != 0;
  out.authenticated = (packet[3] & 0x20) != 0;
  out.rcode = packet[3] & 0x0f;
  Reader reader(packet);
  reader.seek(4);
  uint16_t questions = reader.u16(), answers = reader.u16(), authorities = reader.u16(),
           additionals = reader.u16();
  if (!is_reply || questions != 1) return malformed;
  std::string question = reader.name();
  reader.skip(4);

  std::vector<Record> records;
  for (unsigned i = 0; i < answers && !reader.failed(); ++i) records.push_back(reader.record());
  bool delegation = false;
  std::optional<Record> soa;
  for (unsigned i = 0; i < authorities && !reader.failed(); ++i) {
    Record r = reader.record();
    delegation |= r.type == kNs;
    if (r.type == kSoa) soa = std::move(r);
  }
  for (unsigned i = 0; i < additionals && !reader.failed(); ++i) {
    out.has_edns |= reader.record().type == kOpt;
  }
  if (reader.failed()) return malformed;
  if (!take_answers(packet, reader, records, question, out)) return malformed;
  if (soa) take_soa(reader, *soa, out);
  out.referral = records.empty() && !soa && delegation && !authoritative && !recursion;
  return out;
}

}  // namespace volley::dns
