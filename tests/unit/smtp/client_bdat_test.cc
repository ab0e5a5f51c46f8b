// BDAT against a receiver that keeps RFC 3030 to the letter, bytes moved in random portions.
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "engine/smtp/client.h"

namespace volley::smtp {
namespace {

// Answers what it reads; recipients "no..." and contents with "spam" are refused, with the octets swallowed.
class Receiver {
 public:
  explicit Receiver(bool pipelining = true) : pipelining_(pipelining) {}

  std::string read(std::string_view bytes) {
    unread_ += bytes;
    std::string replies;
    while (true) {
      const size_t lf = unread_.find("\r\n");
      if (lf == std::string::npos) return replies;
      const std::string line = unread_.substr(0, lf);
      size_t octets = 0;
      if (line.starts_with("BDAT ")) {
        EXPECT_TRUE(line.ends_with(" LAST")) << line;
        octets = std::stoul(line.substr(5));
        if (unread_.size() < lf + 2 + octets) return replies;
      }
      const std::string content = unread_.substr(lf + 2, octets);
      unread_.erase(0, lf + 2 + octets);
      replies += answer(line, content) + "\r\n";
    }
  }

  std::map<std::string, std::vector<std::string>> taken;  // by sender: recipients, then the content
  int rsets = 0, bdats = 0;

 private:
  std::string answer(const std::string& line, const std::string& content) {
    const std::string verb = line.substr(0, 4);
    if (verb == "EHLO") return pipelining_ ? "250-mx\r\n250-PIPELINING\r\n250 CHUNKING" : "250 mx";
    if (verb == "QUIT") return "221 bye";
    if (verb == "RSET") {
      ++rsets;
      failed_ = false;
      sender_.clear();
      return "250 flushed";
    }
    EXPECT_FALSE(failed_) << "not reset before " << line;
    if (verb == "MAIL") {
      EXPECT_EQ(sender_, "") << "nested";
      sender_ = line.substr(11, line.find('>') - 11);
      rcpts_.clear();
      return "250 ok";
    }
    if (verb == "RCPT") {
      if (line.starts_with("RCPT TO:<no")) return "550 5.1.1 no";
      rcpts_.push_back(line.substr(9, line.size() - 10));
      return "250 ok";
    }
    EXPECT_EQ(verb, "BDAT") << line;
    ++bdats;
    failed_ = rcpts_.empty() || content.find("spam") != std::string::npos;
    if (rcpts_.empty()) return "503 5.5.1 no valid recipients";
    if (failed_) return "554 5.7.1 no";
    rcpts_.push_back(content);
    EXPECT_TRUE(taken.emplace(sender_, rcpts_).second) << "twice";
    sender_.clear();
    return "250 taken";
  }

  const bool pipelining_;
  std::string unread_, sender_;
  std::vector<std::string> rcpts_;
  bool failed_ = false;
};

std::string take(Client& client, size_t max) {
  std::string out;
  std::array<OutSlice, 8> slices;
  while (out.size() < max) {
    const size_t n = client.gather(slices, max - out.size());
    size_t bytes = 0;
    for (size_t i = 0; i < n; ++i) {
      out += slices[i];
      bytes += slices[i].size();
    }
    if (bytes == 0) break;
    client.consume(bytes, {});
  }
  return out;
}

ClientOptions options(Chunking chunking) {
  ClientOptions o;
  o.ehlo_name = "client.example.com";
  o.tls = TlsMode::kNever;
  o.chunking = chunking;
  return o;
}

std::string sender_of(TxnId id) { return "t" + std::to_string(id) + "@example.com"; }

Transaction message(TxnId id, std::vector<std::string> rcpts, std::string body) {
  Transaction t;
  t.id = id;
  t.mail_from = sender_of(id);
  t.rcpts = std::move(rcpts);
  t.body = std::make_shared<const std::string>(std::move(body));
  return t;
}

// What must have arrived of transaction `id`, its content last; empty: nothing.
using Arrived = std::vector<std::string>;

struct Written {
  Transaction transaction;
  Arrived expected;
};

Written write_message(TxnId id, Random& random) {
  std::vector<std::string> rcpts;
  Arrived expected;
  for (uint64_t i = 0, n = 1 + random.below(3); i < n; ++i) {
    const bool good = random.below(4) != 0;
    rcpts.push_back((good ? "r" : "no") + std::to_string(i) + "@example.net");
    if (good) expected.push_back(rcpts.back());
  }
  std::string body = random.below(5) == 0 ? "spam\r\n" : ".\r\n";
  for (uint64_t n = random.below(20); n > 0; --n)
    body += std::string(random.below(60), '.') + "\r\n";
  if (random.below(3) == 0) body += "no end";
  const bool taken = !expected.empty() && !body.starts_with("spam");
  expected.push_back(body.ends_with("\r\n") ? body : body + "\r\n");
  return {message(id, std::move(rcpts), std::move(body)), taken ? expected : Arrived()};
}

void converse(uint64_t seed, Chunking chunking) {
  constexpr TxnId kMessages = 60;
  Random random(seed);
  ClientOptions client_options = options(chunking);
  client_options.bdat_window = 1 + static_cast<uint32_t>(random.below(8));
  Client client(client_options);
  Receiver receiver;
  std::map<TxnId, Arrived> expected;
  std::string up, down = "220 mx\r\n";
  TxnId next = 1;
  bool closed = false;
  client.start({});
  for (int turn = 0; turn < 100000 && !closed; ++turn) {
    while (auto event = client.next_event()) {
      if (const auto* result = std::get_if<TxnResult>(&*event)) {
        const Arrived& want = expected.at(result->txn);
        EXPECT_EQ(result->outcome.kind == Outcome::Kind::kDelivered, !want.empty());
        if (!want.empty()) {
          EXPECT_EQ(result->accepted, want.size() - 1);
        }
      }
      if (const auto* end = std::get_if<Closed>(&*event)) {
        EXPECT_EQ(end->reason, CloseReason::kQuit) << end->outcome.error;
        closed = true;
      }
    }
    while (next <= kMessages && client.can_submit()) {
      Written written = write_message(next, random);
      expected[next++] = written.expected;
      client.submit(std::move(written.transaction), {});
      EXPECT_LE(client.in_flight(), client_options.bdat_window);
    }
    if (next > kMessages) client.quit({});
    up += take(client, 1 + random.below(3000));
    const std::string sent = up.substr(0, random.below(2000));
    up.erase(0, sent.size());
    down += receiver.read(sent);
    const std::string said = down.substr(0, random.below(200));
    down.erase(0, said.size());
    client.feed(said, {});
  }
  EXPECT_TRUE(closed);
  EXPECT_EQ(expected.size(), kMessages);
  for (const auto& [id, want] : expected) EXPECT_EQ(receiver.taken[sender_of(id)], want) << id;
}

TEST(ClientBdat, WhatArrivedIsWhatWasReported) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    converse(seed, seed % 4 == 0 ? Chunking::kOneAtATime : Chunking::kStream);
  }
}

// All that is to be written, then all answers: how often for 80 messages?
int round_trips(ClientOptions client_options, Receiver& receiver, size_t& written) {
  Client client(std::move(client_options));
  client.start({});
  client.feed("220 mx\r\n", {});
  int trips = 0;
  for (TxnId next = 1; !client.closed(); ++trips) {
    while (next <= 80 && client.can_submit()) {
      client.submit(message(next++, {"r@example.net"}, "Hi\r\n"), {});
    }
    if (next > 80) client.quit({});
    const std::string out = take(client, 1 << 20);
    written += out.size();
    client.feed(receiver.read(out), {});
    while (client.next_event()) {
    }
  }
  return trips;
}

TEST(ClientBdat, StreamingTakesARoundTripPerWindowAndRsetNone) {
  Receiver streamed, single;
  size_t stream_bytes = 0, single_bytes = 0;
  // EHLO, the first message, ten windows of which the last one is cut short.
  EXPECT_EQ(round_trips(options(Chunking::kStream), streamed, stream_bytes), 12);
  EXPECT_EQ(round_trips(options(Chunking::kOneAtATime), single, single_bytes), 81);
  EXPECT_EQ(streamed.bdats, 80);
  EXPECT_EQ(single.bdats, 80);
  // None before the first of a burst, whose predecessor is known to have been taken.
  EXPECT_EQ(streamed.rsets, 69);
  EXPECT_EQ(single.rsets, 0);
  EXPECT_EQ(stream_bytes - single_bytes, 69 * std::string_view("RSET\r\n").size());
}

TEST(ClientBdat, BodyIsReleasedAtTheEndOfItsTransaction) {
  Client client(options(Chunking::kStream));
  Receiver receiver;
  client.start({});
  client.feed("220 mx\r\n", {});
  client.feed(receiver.read(take(client, 1 << 20)), {});
  Transaction t = message(1, {"r@example.net"}, "Hi\r\n");
  const std::weak_ptr<const std::string> body = t.body;
  client.submit(std::move(t), {});
  const std::string out = take(client, 1 << 20);
  EXPECT_FALSE(body.expired());
  client.feed(receiver.read(out), {});
  EXPECT_TRUE(body.expired());
}

}  // namespace
}  // namespace volley::smtp
