// What one message costs: rendering a 4 KiB personalised text and HTML mail, and signing it.
//
// Usage  cmake --preset release && cmake --build --preset release --target micro_message, then run it by hand.
#include <benchmark/benchmark.h>

#include <array>

#include "engine/message/dkim.h"
#include "engine/message/renderer.h"

namespace volley::message {
namespace {

const std::vector<std::string> kColumns = {"email", "first_name", "last_name", "city", "token"};

std::string prose(size_t size, std::string_view extra) {
  std::string text;
  for (size_t line = 0; text.size() < size; ++line) {
    text += "The quick brown fox jumps over the lazy dog, and then it does so again";
    if (line % 8 == 3) text += " in {{city}}, dear {{first_name}}";
    if (line % 8 == 5) text += extra;
    text += ".\r\n";
  }
  return text;
}

Content content(std::string_view extra) {
  Content c;
  c.id = "bench";
  c.from = "Example News <news@example.com>";
  c.to = "{{first_name}} {{last_name}}";
  c.subject = "Hello {{first_name}}";
  c.text = PartText{"news.txt", "Dear {{first_name}},\r\n" + prose(1300, extra)};
  c.html = PartText{"news.html", "<html><body><p>Dear {{first_name}},</p>\r\n" +
                                     prose(2500, extra) + "</body></html>\r\n"};
  c.list_unsubscribe = {"https://example.com/u?t={{token}}"};
  return c;
}

void render(benchmark::State& state, std::string_view extra,
            std::span<const DkimSigner* const> signers) {
  const auto renderer = Renderer::compile(content(extra), kColumns);
  const std::array<std::string_view, 5> values = {"ann@example.org", "Ann", "Lee", "Springfield",
                                                  "3f2a9c01d4"};
  const Stamp stamp{from_ms(1'700'000'000'000), "mail.example.com"};
  std::string out;
  uint64_t number = 0;
  for (auto _ : state) {
    Status status = (*renderer)->render({++number, "ann@example.org", values}, stamp, out);
    if (status.ok()) status = dkim_sign(out, signers, stamp.date);
    if (!status.ok()) state.SkipWithError(status.error().message.c_str());
    benchmark::DoNotOptimize(out.data());
  }
  state.counters["bytes"] = static_cast<double>(out.size());
}

void BM_RenderAscii(benchmark::State& state) { render(state, "", {}); }
BENCHMARK(BM_RenderAscii);

void BM_RenderAccented(benchmark::State& state) { render(state, " d\xC3\xA9j\xC3\xA0 vu", {}); }
BENCHMARK(BM_RenderAccented);

void signed_with(benchmark::State& state, DkimAlgorithm algorithm) {
  const DkimSigner signer{"example.com", "s", std::move(*DkimKey::generate(algorithm))};
  const std::array<const DkimSigner*, 1> signers = {&signer};
  render(state, "", signers);
}

void BM_SignEd25519(benchmark::State& state) { signed_with(state, DkimAlgorithm::kEd25519Sha256); }
BENCHMARK(BM_SignEd25519);

void BM_SignRsa2048(benchmark::State& state) { signed_with(state, DkimAlgorithm::kRsaSha256); }
BENCHMARK(BM_SignRsa2048);

}  // namespace
}  // namespace volley::message

BENCHMARK_MAIN();
