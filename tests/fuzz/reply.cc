// Replies: whatever comes, in whatever pieces, the result is the same, within the caps, and classifiable.
#include "engine/smtp/reply.h"

#include <cstdlib>
#include <string>
#include <vector>

#include "engine/smtp/caps.h"
#include "engine/smtp/classify.h"

namespace volley::smtp {
namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

std::vector<std::string> parse(std::string_view bytes, size_t step) {
  ReplyParser parser;
  std::vector<std::string> out;
  for (size_t at = 0; at < bytes.size(); at += step) {
    const std::string copy(bytes.substr(at, step));
    std::string_view piece = copy;
    while (!piece.empty()) {
      size_t used = 0;
      const auto progress = parser.parse(piece, used);
      require(used <= piece.size());
      piece.remove_prefix(used);
      if (progress == ReplyParser::Progress::kBad) {
        out.emplace_back("bad");
        return out;
      }
      if (progress == ReplyParser::Progress::kNeedMore) {
        require(piece.empty());
        continue;
      }
      const Reply reply = parser.take();
      require(reply.code >= 200 && reply.code < 600);
      require(reply.text.size() <= 1024);
      for (const char c : reply.text) require(static_cast<unsigned char>(c) >= 0x20);
      parse_capabilities(parser.raw());
      out.push_back(reply.str());
    }
  }
  return out;
}

}  // namespace
}  // namespace volley::smtp

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace volley::smtp;
  static const Classifier classifier;
  if (size < 2) return 0;
  const size_t step = data[0] % 17 + 1;
  const auto stage = static_cast<Stage>(data[1] % 15);
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const auto whole = parse(bytes, bytes.size() + 1);
  require(whole == parse(bytes, step));
  ReplyParser parser;
  size_t used = 0;
  if (parser.parse(bytes, used) == ReplyParser::Progress::kReply) {
    const Reply reply = parser.take();
    for (const char* provider : {"", "google", "o365"}) {
      const Verdict verdict = classifier.classify(reply, stage, provider);
      require(reply.code >= 500 || !verdict.bounce());
      require(stage >= Stage::kMail || !verdict.bounce());
    }
  }
  return 0;
}
