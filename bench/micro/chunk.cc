// Packing and unpacking a chunk of 256 recipients; zstd by itself, at the same level, over the same rows as CSV.
#include <zstd.h>

#include <memory>
#include <vector>

#include "bench/micro/sized.h"
#include "bench/replay/recorded.h"
#include "bench/replay/require.h"
#include "queue/types.h"

namespace volley::bench {
namespace {

constexpr uint32_t kRecipients = queue::kMaxChunkRecipients;

std::vector<Person> people() {
  std::vector<Person> all;
  for (uint64_t number = 1; number <= kRecipients; ++number) all.push_back(person(number));
  return all;
}

std::string rows() {
  std::string text;
  for (const Person& p : people()) {
    for (const std::string& value : p.values) text += value + ',';
    text.back() = '\n';
  }
  return text;
}

void ChunkPack(benchmark::State& state) {
  const std::vector<Person> all = people();
  queue::ChunkBuilder builder;
  size_t packed = 0;
  for (auto _ : state) {
    uint64_t number = 0;
    for (const Person& p : all) add_recipient(builder, ++number, p);
    packed = builder.encode().size();
  }
  did(state, kRecipients, rows().size());
  state.counters["bytes/recipient"] = static_cast<double>(packed) / kRecipients;
}
BENCHMARK(ChunkPack);

void ChunkPackLibZstd(benchmark::State& state) {
  const std::string text = rows();
  std::vector<char> out(ZSTD_compressBound(text.size()));
  const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(),
                                                                     ZSTD_freeCCtx);
  size_t packed = 0;
  for (auto _ : state)
    packed = ZSTD_compressCCtx(context.get(), out.data(), out.size(), text.data(), text.size(), 1);
  did(state, kRecipients, text.size());
  state.counters["bytes/recipient"] = static_cast<double>(packed) / kRecipients;
}
BENCHMARK(ChunkPackLibZstd);

void ChunkUnpack(benchmark::State& state) {
  const std::string packed = chunk(1, kRecipients);
  for (auto _ : state) {
    const auto decoded = queue::Chunk::decode(packed);
    require(decoded.ok() && decoded->recipients().size() == kRecipients,
            "the chunk cannot be read");
  }
  did(state, kRecipients, rows().size());
}
BENCHMARK(ChunkUnpack);

void ChunkUnpackLibZstd(benchmark::State& state) {
  const std::string text = rows();
  std::vector<char> packed(ZSTD_compressBound(text.size())), out(text.size());
  packed.resize(ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 1));
  const std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context(ZSTD_createDCtx(),
                                                                     ZSTD_freeDCtx);
  for (auto _ : state) {
    require(ZSTD_decompressDCtx(context.get(), out.data(), out.size(), packed.data(),
                                packed.size()) == text.size(),
            "zstd cannot read it");
  }
  did(state, kRecipients, text.size());
}
BENCHMARK(ChunkUnpackLibZstd);

}  // namespace
}  // namespace volley::bench
