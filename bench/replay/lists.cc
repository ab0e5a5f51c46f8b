// The path a row takes from a list into a chunk, and from the queue out of it.
#include <vector>

#include "base/hash.h"
#include "bench/replay/list_file.h"
#include "bench/replay/recorded.h"
#include "bench/replay/replay.h"
#include "bench/replay/require.h"
#include "engine/intake/dedupe.h"
#include "engine/intake/list_reader.h"
#include "engine/intake/row_batch.h"
#include "engine/intake/row_check.h"
#include "queue/types.h"

namespace volley::bench {
namespace {

constexpr uint32_t kChunk = queue::kMaxChunkRecipients;
constexpr size_t kBatchBytes = size_t{256} << 10;

}  // namespace

uint64_t chunk_decode(uint64_t count) {
  const std::string bytes = chunk(1, kChunk);
  uint64_t read = 0;
  for (uint64_t i = 0; i < count; i += kChunk) {
    const auto decoded = queue::Chunk::decode(bytes);
    require(decoded.ok() && decoded->recipients().size() == kChunk, "the chunk cannot be read");
    for (const queue::Recipient& recipient : decoded->recipients())
      read += recipient.address.size();
  }
  return read;
}

uint64_t chunk_encode(uint64_t count) {
  std::vector<Person> people;
  for (uint64_t number = 0; number < kChunk; ++number) people.push_back(person(number));
  queue::ChunkBuilder builder;
  uint64_t written = 0;
  for (uint64_t i = 0; i < count; i += kChunk) {
    for (uint64_t number = 0; number < kChunk; ++number)
      add_recipient(builder, i + number, people[number]);
    written += builder.encode().size();
  }
  return written;
}

// What ImportRun does with each row. The list is made in blocks that are read again and again, so that making it does not grow
// with the count; duplicates are looked for in each block anew.
uint64_t import_row(uint64_t count) {
  constexpr uint64_t kRows = 5'000;
  require(count % kRows == 0, "import_row counts in blocks of 5,000");
  const ListFile list(csv(kRows, 50));
  uint64_t bytes = 0;
  for (uint64_t block = 0; block < count / kRows; ++block) {
    auto reader = intake::ListReader::open(list.path(), "utf-8");
    require(reader.ok(), "the list cannot be opened");
    intake::RowCheck check("a key of the queue");
    intake::DedupeSet seen;
    intake::RowBatch batch;
    intake::Row row;
    while ((*reader)->next(row).value()) {
      require(check.check(row).empty() && seen.insert(check.key()), "a row is refused");
      const std::string domain = queue::queue_domain(check.domain(), row.number);
      intake::PackedRow packed;
      packed.partition = queue::partition_of(domain, queue::kDefaultPartitions);
      packed.number = row.number;
      packed.domain_hash = xxh64(domain);
      packed.domain = domain;
      packed.address = check.address();
      batch.add(packed, row.values);
      if (batch.bytes.size() < kBatchBytes) continue;
      bytes += batch.bytes.size();
      batch.bytes.clear();
    }
    require(row.number == kRows, "rows are missing");
    bytes += batch.bytes.size();
  }
  return bytes;
}

}  // namespace volley::bench
