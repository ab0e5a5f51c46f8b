// Header: 'V' '1', recipients (16 bits, little endian; the functions read it), checksum (32 bits) of the rest; then the
// packed columns.
#include <algorithm>

#include "base/hash.h"
#include "queue/chunk.h"
#include "queue/column.h"
#include "queue/pack.h"
#include "queue/types.h"
#include "queue/varint.h"

namespace volley::queue {

namespace {

constexpr size_t kHeader = 8;
constexpr uint64_t kMaxRaw = uint64_t{64} << 20;
constexpr uint64_t kMaxValues = 4096;  // columns of a list

uint32_t checksum(std::string_view chunk) {
  return static_cast<uint32_t>(
      xxh64(chunk.substr(kHeader),
            static_cast<uint8_t>(chunk[2]) + 256u * static_cast<uint8_t>(chunk[3])));
}

Error corrupt(const char* what) { return {Errc::kData, std::string("chunk: ") + what}; }

using IntegerField = uint64_t (*)(const Recipient&);
using StringField = std::string_view (*)(const Recipient&);

constexpr IntegerField kIntegers[] = {
    [](const Recipient& r) { return r.number; },
    [](const Recipient& r) { return uint64_t{r.attempts}; },
    [](const Recipient& r) { return static_cast<uint64_t>(r.enqueued_ms); },
    [](const Recipient& r) { return static_cast<uint64_t>(r.first_attempt_ms); },
    [](const Recipient& r) { return static_cast<uint64_t>(r.not_before_ms); },
    [](const Recipient& r) { return uint64_t{r.last_code}; },
    [](const Recipient& r) { return uint64_t{r.values.size()}; },
};
constexpr StringField kStrings[] = {
    [](const Recipient& r) { return r.source; },
    [](const Recipient& r) { return r.return_path; },
    [](const Recipient& r) { return r.dsn; },
};

}  // namespace

struct Chunk::State {
  std::string raw;  // views point into these
  std::string addresses;
  std::vector<std::string_view> values;
  std::vector<Recipient> recipients;
  std::string_view inline_content;

  Status read(size_t count);
};

Chunk::Chunk() = default;
Chunk::~Chunk() = default;
Chunk::Chunk(Chunk&&) noexcept = default;
Chunk& Chunk::operator=(Chunk&&) noexcept = default;

std::span<const Recipient> Chunk::recipients() const {
  return state_ ? std::span<const Recipient>(state_->recipients) : std::span<const Recipient>();
}

std::string_view Chunk::inline_content() const {
  return state_ ? state_->inline_content : std::string_view();
}

Status Chunk::State::read(size_t count) {
  Reader reader(raw);
  recipients.resize(count);
  std::vector<uint64_t> integers(count);
  std::vector<uint64_t> sizes(count);
  for (size_t field = 0; field < std::size(kIntegers); ++field) {
    get_integers(reader, integers);
    for (size_t i = 0; i < count; ++i) {
      Recipient& r = recipients[i];
      switch (field) {
        case 0:
          r.number = integers[i];
          break;
        case 1:
          r.attempts = static_cast<uint32_t>(integers[i]);
          break;
        case 2:
          r.enqueued_ms = static_cast<int64_t>(integers[i]);
          break;
        case 3:
          r.first_attempt_ms = static_cast<int64_t>(integers[i]);
          break;
        case 4:
          r.not_before_ms = static_cast<int64_t>(integers[i]);
          break;
        case 5:
          r.last_code = static_cast<uint16_t>(integers[i]);
          break;
        default:
          sizes[i] = integers[i];
          break;
      }
    }
  }
  std::vector<std::string_view> strings(count);
  get_addresses(reader, strings, addresses);
  for (size_t i = 0; i < count; ++i) recipients[i].address = strings[i];
  for (size_t field = 0; field < std::size(kStrings); ++field) {
    get_strings(reader, strings);
    for (size_t i = 0; i < count; ++i) {
      Recipient& r = recipients[i];
      (field == 0 ? r.source : field == 1 ? r.return_path : r.dsn) = strings[i];
    }
  }
  inline_content = reader.string();

  uint64_t total = 0, widest = 0;
  for (const uint64_t size : sizes) {
    if (size > kMaxValues) return corrupt("too many values");
    total += size;
    widest = std::max(widest, size);
  }
  values.resize(total);
  size_t start = 0;
  for (size_t i = 0; i < count; ++i) {
    recipients[i].values = std::span<const std::string_view>(values).subspan(start, sizes[i]);
    start += sizes[i];
  }
  // Column by column over those that have it; `values` is filled row by row through the spans' places.
  for (uint64_t column = 0; column < widest; ++column) {
    strings.clear();
    for (const uint64_t size : sizes) {
      if (size > column) strings.emplace_back();
    }
    get_strings(reader, strings);
    if (!reader.ok()) return corrupt("truncated");
    size_t next = 0, row = 0;
    for (const uint64_t size : sizes) {
      if (size > column) values[row + column] = strings[next++];
      row += size;
    }
  }
  if (!reader.ok() || !reader.at_end()) return corrupt("truncated");
  return {};
}

Result<Chunk> Chunk::decode(std::string_view bytes) {
  if (bytes.size() <= kHeader) return corrupt("truncated");
  if (bytes[0] != 'V') return corrupt("not one");
  if (bytes[1] != '1') return corrupt("version unknown to this Volley");
  const size_t count =
      static_cast<uint8_t>(bytes[2]) + size_t{256} * static_cast<uint8_t>(bytes[3]);
  uint32_t want = 0;
  for (size_t i = 0; i < 4; ++i)
    want |= static_cast<uint32_t>(static_cast<uint8_t>(bytes[4 + i])) << (8 * i);
  if (checksum(bytes) != want) return corrupt("checksum is wrong");
  if (count == 0 || count > kMaxChunkRecipients) return corrupt("bad number of recipients");
  auto raw = unpack(bytes.substr(kHeader), kMaxRaw);
  if (!raw) return corrupt("packing is corrupt");
  Chunk chunk;
  chunk.state_ = std::make_unique<State>();
  chunk.state_->raw = std::move(*raw);
  if (Status read = chunk.state_->read(count); !read) return read.error();
  return chunk;
}

// Rows are kept as they came in one string, so that an open builder of a small domain costs little more than its bytes.
struct ChunkBuilder::State {
  std::string rows;
  std::string content;
  uint32_t count = 0;
};

ChunkBuilder::ChunkBuilder() : state_(std::make_unique<State>()) {}
ChunkBuilder::~ChunkBuilder() = default;
ChunkBuilder::ChunkBuilder(ChunkBuilder&&) noexcept = default;
ChunkBuilder& ChunkBuilder::operator=(ChunkBuilder&&) noexcept = default;

void ChunkBuilder::set_inline_content(std::string_view content) { state_->content = content; }
uint32_t ChunkBuilder::size() const { return state_->count; }
size_t ChunkBuilder::raw_bytes() const { return state_->rows.size() + state_->content.size(); }

void ChunkBuilder::add(const Recipient& r) {
  assert(state_->count < kMaxChunkRecipients);
  std::string& out = state_->rows;
  for (const IntegerField field : kIntegers) put_varint(out, field(r));
  put_string(out, r.address);
  for (const StringField field : kStrings) put_string(out, field(r));
  for (const std::string_view value : r.values) put_string(out, value);
  ++state_->count;
}

namespace {

// The same rows, as columns. Reused from chunk to chunk by the thread that packs.
struct Columns {
  std::vector<uint64_t> integers[std::size(kIntegers)];
  std::vector<std::string_view> addresses, strings[std::size(kStrings)];
  std::vector<std::vector<std::string_view>> values;
  std::string raw;

  void read(std::string_view rows, uint32_t count) {
    for (auto& column : integers) column.clear();
    for (auto& column : strings) column.clear();
    for (auto& column : values) column.clear();
    addresses.clear();
    Reader reader(rows);
    for (uint32_t i = 0; i < count; ++i) {
      for (auto& column : integers) column.push_back(reader.varint());
      addresses.push_back(reader.string());
      for (auto& column : strings) column.push_back(reader.string());
      const size_t width = integers[std::size(kIntegers) - 1].back();
      if (values.size() < width) values.resize(width);
      for (size_t v = 0; v < width; ++v) values[v].push_back(reader.string());
    }
  }

  void write(std::string_view content) {
    raw.clear();
    for (const auto& column : integers) put_integers(raw, column);
    put_addresses(raw, addresses);
    for (const auto& column : strings) put_strings(raw, column);
    put_string(raw, content);
    for (const auto& column : values) put_strings(raw, column);
  }
};

}  // namespace

std::string ChunkBuilder::encode() {
  thread_local Columns columns;
  columns.read(state_->rows, state_->count);
  columns.write(state_->content);
  std::string out(kHeader, '\0');
  out[0] = 'V';
  out[1] = '1';
  out[2] = static_cast<char>(state_->count & 0xff);
  out[3] = static_cast<char>(state_->count >> 8);
  pack(columns.raw, out);
  const uint32_t sum = checksum(out);
  for (size_t i = 0; i < 4; ++i) out[4 + i] = static_cast<char>(sum >> (8 * i));
  out.shrink_to_fit();
  *state_ = State();
  return out;
}

}  // namespace volley::queue
