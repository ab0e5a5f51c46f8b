// A chunk: 1 to 256 recipients of one destination, packed with zstd, and a checksum.
//
// Purpose    The queue's unit. The destination is not inside: the Redis key says it. Recipients carry everything that
//            must survive re-packing: number, attempts, times, last reply, source, envelope sender, DSN fields.
// Ownership  Chunk owns its bytes; the string_views in Recipient point into it and die with it.
// Thread     Values.
// Errors     decode: kData with what is wrong (version, checksum, truncated). Corrupt input never asserts.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace volley::queue {

struct Recipient {
  uint64_t number = 0;
  std::string_view address;                  // whole, as spelled
  std::span<const std::string_view> values;  // template variables, in the campaign's column order
  uint32_t attempts = 0;                     // attempts already made
  int64_t enqueued_ms = 0;                   // first time it entered the queue
  int64_t first_attempt_ms = 0;              // 0: never tried; the bulk lane's retry clock
  int64_t not_before_ms = 0;
  uint16_t last_code = 0;
  std::string_view source;       // keep this source (greylisting); empty: any
  std::string_view return_path;  // envelope sender; empty: the campaign's
  std::string_view dsn;          // encoded RFC 3461 fields, empty: none
};

// Content of a chunk: a campaign's template (ref), or the message itself (inline, up to 64 KiB) for single messages.
inline constexpr size_t kMaxInlineContent = size_t{64} << 10;

class Chunk {
 public:
  Chunk();
  ~Chunk();
  Chunk(Chunk&&) noexcept;
  Chunk& operator=(Chunk&&) noexcept;

  static Result<Chunk> decode(std::string_view bytes);

  std::span<const Recipient> recipients() const;
  std::string_view inline_content() const;  // empty: the campaign's content

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Packs recipients. Reusable: encode() leaves it empty. Copies what it is given.
class ChunkBuilder {
 public:
  ChunkBuilder();
  ~ChunkBuilder();
  ChunkBuilder(ChunkBuilder&&) noexcept;
  ChunkBuilder& operator=(ChunkBuilder&&) noexcept;

  void set_inline_content(std::string_view content);
  void add(const Recipient& recipient);
  uint32_t size() const;     // recipients
  size_t raw_bytes() const;  // before packing
  std::string encode();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace volley::queue
