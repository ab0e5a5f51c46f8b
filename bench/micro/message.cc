// Rendering a 4 KiB personalised text and HTML mail, and the transfer encodings it is made of.
#include <openssl/evp.h>

#include <vector>

#include "base/base64.h"
#include "bench/micro/sized.h"
#include "bench/replay/recorded.h"
#include "bench/replay/require.h"
#include "engine/message/mime.h"
#include "engine/message/renderer.h"

namespace volley::bench {
namespace {

void render(benchmark::State& state, std::string_view extra) {
  const auto renderer = message::Renderer::compile(campaign(extra, extra), columns());
  require(renderer.ok(), "the campaign does not compile");
  const Person ann = person(1);
  const auto values = ann.views();
  const message::Stamp stamp{from_ms(1'700'000'000'000), "mail.example.com"};
  std::string out;
  uint64_t number = 0;
  for (auto _ : state) {
    require((*renderer)->render({++number, ann.email(), values}, stamp, out).ok(),
            "a message cannot be rendered");
    benchmark::DoNotOptimize(out.data());
  }
  did(state, 1, out.size());
}

void Render7bit(benchmark::State& state) { render(state, ""); }
BENCHMARK(Render7bit);
void RenderQuotedPrintable(benchmark::State& state) { render(state, kAccents); }
BENCHMARK(RenderQuotedPrintable);

std::string text(std::string_view extra) { return campaign(extra, extra).html->text; }

void QuotedPrintable(benchmark::State& state) {
  const std::string body = text(kAccents);
  std::string out;
  for (auto _ : state) {
    out.clear();
    message::append_quoted_printable(body, out);
    benchmark::DoNotOptimize(out.data());
  }
  did(state, 1, body.size());
}
BENCHMARK(QuotedPrintable);

void ChooseEncoding(benchmark::State& state) {
  const std::string body = text("");
  for (auto _ : state) benchmark::DoNotOptimize(message::choose_encoding(body));
  did(state, 1, body.size());
}
BENCHMARK(ChooseEncoding);

constexpr size_t kAttachment = size_t{64} << 10;

void Base64Lines(benchmark::State& state) {
  const std::string bytes(kAttachment, '\x5a');
  std::string out;
  for (auto _ : state) {
    out.clear();
    message::append_base64_lines(bytes, out);
    benchmark::DoNotOptimize(out.data());
  }
  did(state, 1, bytes.size());
}
BENCHMARK(Base64Lines);

void Base64(benchmark::State& state) {
  const std::string bytes(kAttachment, '\x5a');
  std::string out;
  for (auto _ : state) {
    out.clear();
    append_base64(bytes, out);
    benchmark::DoNotOptimize(out.data());
  }
  did(state, 1, bytes.size());
}
BENCHMARK(Base64);

void Base64LibOpenssl(benchmark::State& state) {
  const std::vector<unsigned char> bytes(kAttachment, 0x5a);
  std::vector<unsigned char> out(kAttachment * 2);
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        EVP_EncodeBlock(out.data(), bytes.data(), static_cast<int>(bytes.size())));
  }
  did(state, 1, bytes.size());
}
BENCHMARK(Base64LibOpenssl);

}  // namespace
}  // namespace volley::bench
