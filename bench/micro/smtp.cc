// The SMTP client: its reply parser, and the whole core fed with recorded replies. No library does the same without a socket.
#include <memory>

#include "bench/micro/sized.h"
#include "bench/replay/conversation.h"
#include "bench/replay/recorded.h"
#include "bench/replay/require.h"
#include "engine/smtp/classify.h"
#include "engine/smtp/dotstuff.h"

namespace volley::bench {
namespace {

void parse(benchmark::State& state, std::string_view text, size_t replies) {
  smtp::ReplyParser parser;
  for (auto _ : state) {
    std::string_view rest = text;
    size_t found = 0;
    while (!rest.empty()) {
      size_t used = 0;
      require(parser.parse(rest, used) == smtp::ReplyParser::Progress::kReply, "no reply");
      benchmark::DoNotOptimize(parser.take());
      rest.remove_prefix(used);
      ++found;
    }
    require(found == replies, "replies are missing");
  }
  did(state, replies, text.size());
}

// The burst that ends one message and begins the next.
void SmtpReplies(benchmark::State& state) {
  const std::string burst =
      std::string(kTakenReply).append(kMailReply).append(kRcptReply).append(kDataReply);
  parse(state, burst, 4);
}
BENCHMARK(SmtpReplies);

void SmtpRefusals(benchmark::State& state) {
  std::string text;
  for (const std::string_view refusal : kRefusals) text += refusal;
  parse(state, text, kRefusals.size());
}
BENCHMARK(SmtpRefusals);

void SmtpClassify(benchmark::State& state) {
  const smtp::Classifier classifier;
  std::vector<smtp::Reply> replies;
  for (const std::string_view text : kRefusals) {
    smtp::ReplyParser parser;
    size_t used = 0;
    require(parser.parse(text, used) == smtp::ReplyParser::Progress::kReply, "no reply");
    replies.push_back(parser.take());
  }
  classifier.classify(replies.front(), smtp::Stage::kRcpt);  // compiles its rules
  for (auto _ : state) {
    for (const smtp::Reply& reply : replies)
      benchmark::DoNotOptimize(classifier.classify(reply, smtp::Stage::kRcpt));
  }
  did(state, replies.size(), 0);
}
BENCHMARK(SmtpClassify);

// One body for all messages: what the core alone takes.
void core(benchmark::State& state, bool bdat) {
  constexpr uint64_t kBatch = Conversation::kMessages;
  const auto body = std::make_shared<const std::string>(campaign("", "").html->text +
                                                        campaign("", "").text->text);
  const std::string rcpt = person(1).email();
  Conversation conversation(bdat);
  for (auto _ : state) {
    conversation.send(kBatch, [&](smtp::Transaction& transaction) {
      transaction.mail_from = "news@example.com";
      transaction.rcpts = {rcpt};
      transaction.body = body;
    });
  }
  did(state, kBatch, kBatch * body->size());
  state.counters["writes/message"] =
      static_cast<double>(conversation.writes()) /
      static_cast<double>(kBatch * static_cast<uint64_t>(state.iterations()));
}

void SmtpCoreData(benchmark::State& state) { core(state, false); }
BENCHMARK(SmtpCoreData);
void SmtpCoreBdat(benchmark::State& state) { core(state, true); }
BENCHMARK(SmtpCoreBdat);

void SmtpScanBody(benchmark::State& state) {
  const std::string body = campaign("", "").html->text;
  for (auto _ : state) benchmark::DoNotOptimize(smtp::scan_body(body));
  did(state, 1, body.size());
}
BENCHMARK(SmtpScanBody);

}  // namespace
}  // namespace volley::bench
