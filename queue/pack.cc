#include "queue/pack.h"

#include <zstd.h>

#include <memory>

#include "queue/varint.h"

namespace volley::queue {

namespace {

struct FreeCompressor {
  void operator()(ZSTD_CCtx* c) const { ZSTD_freeCCtx(c); }
};
struct FreeDecompressor {
  void operator()(ZSTD_DCtx* c) const { ZSTD_freeDCtx(c); }
};

// A context's tables cost more to set up than a chunk costs to pack.
ZSTD_CCtx* compressor(int level) {
  thread_local std::unique_ptr<ZSTD_CCtx, FreeCompressor> context(ZSTD_createCCtx());
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_contentSizeFlag, 0);  // ours is in front
  return context.get();
}

ZSTD_DCtx* decompressor() {
  thread_local std::unique_ptr<ZSTD_DCtx, FreeDecompressor> context(ZSTD_createDCtx());
  return context.get();
}

}  // namespace

// varint(2 * raw size + packed?), then the bytes.
void pack(std::string_view raw, std::string& out, int level) {
  const size_t start = out.size();
  put_varint(out, 2 * raw.size() + 1);
  const size_t body = out.size();
  out.resize(body + ZSTD_compressBound(raw.size()));
  const size_t size = ZSTD_compress2(compressor(level), out.data() + body, out.size() - body,
                                     raw.data(), raw.size());
  if (!ZSTD_isError(size) && size < raw.size()) {
    out.resize(body + size);
    return;
  }
  out.resize(start);
  put_varint(out, 2 * raw.size());
  out += raw;
}

Result<std::string> unpack(std::string_view packed, uint64_t cap) {
  Reader reader(packed);
  const uint64_t head = reader.varint();
  const uint64_t size = head / 2;
  if (!reader.ok() || size > cap) return Error{Errc::kData, "packed data: bad size"};
  const std::string_view body = reader.bytes(reader.left());
  if ((head & 1) == 0) {
    if (body.size() != size) return Error{Errc::kData, "packed data: truncated"};
    return std::string(body);
  }
  // A frame cannot expand without bound: refuse to reserve what it cannot hold.
  if (size > (body.size() + 64) * 70000) return Error{Errc::kData, "packed data: bad size"};
  std::string out(size, '\0');
  const size_t got =
      ZSTD_decompressDCtx(decompressor(), out.data(), out.size(), body.data(), body.size());
  if (ZSTD_isError(got) || got != size) return Error{Errc::kData, "packed data: corrupt"};
  return out;
}

}  // namespace volley::queue
