// Reading a list: CSV, JSON lines beside simdjson, addresses beside libidn2, duplicates beside std::unordered_set.
#include <idn2.h>
#include <simdjson.h>

#include <unordered_set>

#include "base/address.h"
#include "base/hash.h"
#include "bench/micro/sized.h"
#include "bench/replay/list_file.h"
#include "bench/replay/recorded.h"
#include "bench/replay/require.h"
#include "engine/intake/dedupe.h"
#include "engine/intake/list_reader.h"

namespace volley::bench {
namespace {

constexpr uint64_t kRows = 10'000;

std::string jsonl() {
  std::string text;
  for (uint64_t i = 0; i < kRows; ++i) {
    const Person p = person(i);
    for (size_t column = 0; column < p.values.size(); ++column)
      text += (column == 0 ? "{\"" : ",\"") + columns()[column] + "\":\"" + p.values[column] + '"';
    text += "}\n";
  }
  return text;
}

void read(benchmark::State& state, const std::string& text) {
  const ListFile file(text);
  for (auto _ : state) {
    auto reader = intake::ListReader::open(file.path(), "utf-8");
    require(reader.ok(), "the list cannot be opened");
    intake::Row row;
    while ((*reader)->next(row).value()) benchmark::DoNotOptimize(row.values.data());
    require(row.number == kRows, "rows are missing");
  }
  did(state, kRows, text.size());
}

// With the SHA-256 of the file, which both formats get.
void ListCsv(benchmark::State& state) { read(state, csv(kRows, 100)); }
BENCHMARK(ListCsv);
void ListJsonl(benchmark::State& state) { read(state, jsonl()); }
BENCHMARK(ListJsonl);

void ListJsonlLibSimdjson(benchmark::State& state) {
  const simdjson::padded_string text(jsonl());
  simdjson::ondemand::parser parser;
  for (auto _ : state) {
    size_t rows = 0, bytes = 0;
    simdjson::ondemand::document_stream documents;
    require(parser.iterate_many(text).get(documents) == simdjson::SUCCESS, "simdjson refuses");
    for (auto document : documents) {
      for (auto field : document.get_object()) {
        bytes += std::string_view(field.unescaped_key()).size();
        bytes += std::string_view(field.value()).size();
      }
      ++rows;
    }
    benchmark::DoNotOptimize(bytes);
    require(rows == kRows, "rows are missing");
  }
  did(state, kRows, text.size());
}
BENCHMARK(ListJsonlLibSimdjson);

void parse(benchmark::State& state, std::string_view address) {
  for (auto _ : state) {
    const auto parsed = parse_address(address);
    require(parsed.ok(), "an address is refused");
    benchmark::DoNotOptimize(parsed->domain.data());
  }
  did(state, 1, address.size());
}

void Address(benchmark::State& state) { parse(state, "subscriber0000001@domain00001.example.net"); }
BENCHMARK(Address);
void AddressIdn(benchmark::State& state) {
  parse(state,
        "ann@b\xC3\xBC"
        "cher.example.net");
}
BENCHMARK(AddressIdn);

void AddressIdnLibIdn2(benchmark::State& state) {
  for (auto _ : state) {
    char* ascii = nullptr;
    require(idn2_to_ascii_8z("b\xC3\xBC"
                             "cher.example.net",
                             &ascii, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT) == IDN2_OK,
            "a domain is refused");
    idn2_free(ascii);
  }
  did(state, 1, 0);
}
BENCHMARK(AddressIdnLibIdn2);

constexpr uint64_t kHashes = 200'000;

Hash128 hash_of(uint64_t number) {
  static const KeyedHash hash("a key of the queue");
  return hash({reinterpret_cast<const char*>(&number), sizeof number});
}

void Dedupe(benchmark::State& state) {
  for (auto _ : state) {
    intake::DedupeSet seen;
    for (uint64_t i = 0; i < kHashes; ++i) seen.insert(hash_of(i));
    require(seen.size() == kHashes, "two hashes are the same");
  }
  did(state, kHashes, 0);
}
BENCHMARK(Dedupe);

void DedupeLibUnorderedSet(benchmark::State& state) {
  struct Low {
    size_t operator()(const Hash128& hash) const { return hash.low; }
  };
  for (auto _ : state) {
    std::unordered_set<Hash128, Low> seen;
    for (uint64_t i = 0; i < kHashes; ++i) seen.insert(hash_of(i));
    require(seen.size() == kHashes, "two hashes are the same");
  }
  did(state, kHashes, 0);
}
BENCHMARK(DedupeLibUnorderedSet);

}  // namespace
}  // namespace volley::bench
