// What dialogues cannot show: time, ownership, and the client against a real server core.
#include "engine/smtp/client.h"

#include <gtest/gtest.h>

#include <array>
#include <map>

#include "base/base64.h"
#include "base/random.h"
#include "engine/smtp/server.h"

namespace volley::smtp {
namespace {

using namespace std::chrono_literals;

ClientOptions options() {
  ClientOptions o;
  o.ehlo_name = "client.example.com";
  o.tls = TlsMode::kNever;
  return o;
}

Transaction message(TxnId id, std::string body = "Hi\r\n") {
  Transaction t;
  t.id = id;
  t.mail_from = "news@example.com";
  t.rcpts = {"a@example.net"};
  t.body = std::make_shared<const std::string>(std::move(body));
  return t;
}

std::string take(Client& client, TimePoint now, size_t max = 1 << 20) {
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
    client.consume(bytes, now);
  }
  return out;
}

struct Fixture {
  explicit Fixture(ClientOptions o = options(), std::string_view keywords = "250-PIPELINING\r\n")
      : client(std::move(o)) {
    client.start(now);
    client.feed("220 mx.example.net\r\n", now);
    take(client, now);
    client.feed("250-mx.example.net\r\n" + std::string(keywords) + "250 OK\r\n", now);
    EXPECT_TRUE(std::holds_alternative<Ready>(*client.next_event()));
  }
  TimePoint now{};
  Client client;
};

TEST(ClientTime, GreetingDeadlineIsAbsolute) {
  Client client(options());
  TimePoint now{};
  client.start(now);
  EXPECT_EQ(client.deadline(), now + 5min);
  now += 4min;
  client.feed("220-drip\r\n", now);
  EXPECT_EQ(client.deadline(), TimePoint{} + 5min);
  client.timeout(now);
  EXPECT_FALSE(client.closed());
  client.timeout(TimePoint{} + 5min);
  EXPECT_TRUE(client.closed());
  EXPECT_EQ(client.deadline(), kNever);
}

TEST(ClientTime, EachReplyHasItsOwn) {
  Fixture f;
  EXPECT_EQ(f.client.deadline(), kNever);
  f.client.submit(message(1), f.now);
  f.now += 1min;
  take(f.client, f.now);
  EXPECT_EQ(f.client.deadline(), f.now + 5min);
  f.client.feed("250 ok\r\n250 ok\r\n", f.now);
  EXPECT_EQ(f.client.deadline(), f.now + 2min);  // DATA
  f.client.feed("354 go\r\n", f.now);
  EXPECT_EQ(f.client.deadline(), f.now + 3min);  // writing
  f.now += 2min;
  take(f.client, f.now, 2);
  EXPECT_EQ(f.client.deadline(),
            std::min(f.now + 3min, f.now + 1min));  // progress, but the limit stands
  take(f.client, f.now);
  EXPECT_EQ(f.client.deadline(), f.now + 10min);
}

TEST(ClientTime, SlowReaderIsGivenUpInTheEnd) {
  Fixture f;
  std::string body;
  for (int i = 0; i < 2000; ++i) body += "0123456789012345678901234567890123456789\r\n";
  f.client.submit(message(1, body), f.now);
  take(f.client, f.now);
  f.client.feed("250 ok\r\n250 ok\r\n354 go\r\n", f.now);
  const TimePoint start = f.now;
  while (!f.client.closed() && f.now < start + 1h) {
    f.now += 30s;
    take(f.client, f.now, 10);
    f.client.timeout(f.now);
  }
  EXPECT_TRUE(f.client.closed());
  EXPECT_LE(f.now, start + 3min + 90s + 30s);
  const auto result = std::get<TxnResult>(*f.client.next_event());
  EXPECT_EQ(result.outcome.kind, Outcome::Kind::kRetry);
  EXPECT_EQ(result.outcome.stage, Stage::kBody);
}

TEST(Client, DepthIsTwoWithCrossMessagePipeliningElseOne) {
  Fixture deep;
  deep.client.submit(message(1), deep.now);
  EXPECT_TRUE(deep.client.can_submit());
  deep.client.submit(message(2), deep.now);
  EXPECT_FALSE(deep.client.can_submit());
  Fixture lock_step(options(), "");
  lock_step.client.submit(message(1), lock_step.now);
  EXPECT_FALSE(lock_step.client.can_submit());
  ClientOptions within = options();
  within.cross_message = false;
  Fixture f(within);
  f.client.submit(message(1), f.now);
  EXPECT_FALSE(f.client.can_submit());
}

TEST(Client, BodyIsReleasedAtTheEndOfItsTransaction) {
  Fixture f;
  Transaction t = message(1);
  std::weak_ptr<const std::string> body = t.body;
  f.client.submit(std::move(t), f.now);
  take(f.client, f.now);
  f.client.feed("250 ok\r\n250 ok\r\n354 go\r\n", f.now);
  EXPECT_FALSE(body.expired());
  take(f.client, f.now);
  f.client.feed("250 ok\r\n", f.now);
  EXPECT_TRUE(body.expired());
}

TEST(Client, SlicesOutliveTheAbort) {
  Fixture f;
  f.client.submit(message(1, std::string(500, 'x') + "\r\n"), f.now);
  take(f.client, f.now);
  f.client.feed("250 ok\r\n250 ok\r\n354 go\r\n", f.now);
  std::array<OutSlice, 8> slices;
  const size_t n = f.client.gather(slices, 100);
  ASSERT_EQ(n, 1u);
  f.client.eof(f.now);
  while (f.client.next_event()) {
  }
  EXPECT_EQ(slices[0], std::string(100, 'x'));  // a write may still be using it
  std::array<OutSlice, 8> none;
  EXPECT_EQ(f.client.gather(none), 0u);
}

TEST(Client, NoBodyThatCouldSmuggleGoesOut) {
  for (const char* body : {"a\n.\nb\r\n", "a\r\n.\rb\r\n", "a\rb\r\n"}) {
    Fixture f;
    f.client.submit(message(1, body), f.now);
    const auto result = std::get<TxnResult>(*f.client.next_event());
    EXPECT_EQ(result.outcome.kind, Outcome::Kind::kFailed);
    EXPECT_EQ(result.outcome.reply.code, 0);
    EXPECT_EQ(take(f.client, f.now), "");
    EXPECT_TRUE(f.client.can_submit());
  }
}

TEST(Client, AddressThatCouldInjectGoesNowhere) {
  Fixture f;
  Transaction t = message(1);
  t.rcpts = {"a@example.net>\r\nRCPT TO:<b@example.net"};
  f.client.submit(std::move(t), f.now);
  EXPECT_EQ(std::get<TxnResult>(*f.client.next_event()).outcome.kind, Outcome::Kind::kFailed);
  EXPECT_EQ(take(f.client, f.now), "");
}

TEST(Client, ManyRecipientsGoInGroups) {
  Fixture f;
  Transaction t = message(1);
  t.rcpts.clear();
  for (int i = 0; i < 250; ++i) {
    t.rcpts.push_back(std::to_string(i) + "@example.net");
  }
  f.client.submit(std::move(t), f.now);
  int commands = 0, replied = 0;
  while (true) {
    const std::string out = take(f.client, f.now);
    if (out.empty()) break;
    commands += static_cast<int>(std::count(out.begin(), out.end(), '\n'));
    EXPECT_LE(commands - replied, 100);
    while (replied < commands) {
      f.client.feed(++replied == 252 ? "354 go\r\n" : "250 ok\r\n", f.now);
      if (replied == 252) break;
    }
    if (replied == 252) break;
  }
  EXPECT_EQ(commands, 252);
  EXPECT_NE(take(f.client, f.now).find("\r\n.\r\n"), std::string::npos);
}

TEST(Client, UntriedWhenNothingWasHandedOut) {
  Fixture f;
  f.client.submit(message(1), f.now);
  f.client.eof(f.now);
  EXPECT_EQ(std::get<TxnResult>(*f.client.next_event()).outcome.kind, Outcome::Kind::kUntried);
  EXPECT_TRUE(std::holds_alternative<Closed>(*f.client.next_event()));
}

ClientOptions with_login(std::string secret, bool is_token = false) {
  ClientOptions o = options();
  o.auth_in_clear = true;
  o.credentials = std::make_shared<Credentials>(
      Credentials{"user", std::move(secret), is_token, 0xffff, "relay.example.net", 587});
  return o;
}

// As far as the first line of AUTH, which is returned.
std::string hello(Client& client, std::string_view mechanisms, TimePoint now) {
  client.start(now);
  client.feed("220 mx.example.net\r\n", now);
  take(client, now);
  client.feed("250-mx.example.net\r\n250 AUTH " + std::string(mechanisms) + "\r\n", now);
  return take(client, now);
}

TEST(ClientAuth, NothingCanBeSubmittedBefore235) {
  Client client(with_login("pencil"));
  const TimePoint now{};
  EXPECT_EQ(hello(client, "PLAIN", now), "AUTH PLAIN AHVzZXIAcGVuY2ls\r\n");
  EXPECT_FALSE(client.can_submit());
  EXPECT_FALSE(client.next_event());
  client.feed("235 ok\r\n", now);
  EXPECT_TRUE(std::holds_alternative<Ready>(*client.next_event()));
  EXPECT_TRUE(client.can_submit());
}

TEST(ClientAuth, EachReplyHasADeadline) {
  ClientOptions o = with_login("pencil");
  o.timeouts.auth = 2min;
  Client client(o);
  TimePoint now{};
  hello(client, "LOGIN", now);
  EXPECT_EQ(client.deadline(), now + 2min);
  now += 1min;
  client.feed("334 VXNlcm5hbWU6\r\n", now);
  take(client, now);
  EXPECT_EQ(client.deadline(), now + 2min);
}

// While SCRAM computes, the deadline says "at once", and each timeout() does a portion.
TEST(ClientAuth, WorkWaitsForTheNextTurn) {
  ClientOptions o = with_login("pencil");
  o.sasl_nonce = "rOprNGfwEbeRWgbNEkqO";
  Client client(o);
  TimePoint now{};
  hello(client, "SCRAM-SHA-256", now);
  now += 1s;
  const std::string first = "r=rOprNGfwEbeRWgbNEkqOxyz,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=9000";
  client.feed("334 " + to_base64(first) + "\r\n", now);
  for (int turn = 0; turn < 4; ++turn) {
    EXPECT_EQ(take(client, now), "");
    EXPECT_EQ(client.deadline(), now);
    now += 1ms;
    client.timeout(now);
  }
  EXPECT_NE(take(client, now), "");
  EXPECT_EQ(client.deadline(), now + 5min);
}

TEST(ClientAuth, QuitWhileWorkWaits) {
  ClientOptions o = with_login("pencil");
  o.sasl_nonce = "rOprNGfwEbeRWgbNEkqO";
  Client client(o);
  const TimePoint now{};
  hello(client, "SCRAM-SHA-256", now);
  const std::string first = "r=rOprNGfwEbeRWgbNEkqOxyz,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=9000";
  client.feed("334 " + to_base64(first) + "\r\n", now);
  client.quit(now);
  EXPECT_EQ(std::get<Closed>(*client.next_event()).reason, CloseReason::kQuit);
  EXPECT_EQ(client.deadline(), kNever);
  client.timeout(now);
  EXPECT_EQ(take(client, now), "");
}

// RFC 4954 section 4: what does not fit into a command of 512 octets waits for the server's empty challenge.
TEST(ClientAuth, LongTokenWaitsForAChallenge) {
  const std::string bearer(3000, 'x');
  Client client(with_login(bearer, true));
  const TimePoint now{};
  EXPECT_EQ(hello(client, "XOAUTH2", now), "AUTH XOAUTH2\r\n");
  client.feed("334 \r\n", now);
  EXPECT_EQ(take(client, now), to_base64("user=user\1auth=Bearer " + bearer + "\1\1") + "\r\n");
  client.feed("235 ok\r\n", now);
  EXPECT_TRUE(std::holds_alternative<Ready>(*client.next_event()));
}

TEST(ClientAuth, CommandIsNeverLongerThanACommandMayBe) {
  for (size_t size = 330; size < 370; ++size) {
    Client client(with_login(std::string(size, 'x')));
    const std::string line = hello(client, "PLAIN", TimePoint{});
    EXPECT_LE(line.size(), 512u);
    const size_t whole = std::string("AUTH PLAIN \r\n").size() + (size + 6 + 2) / 3 * 4;
    EXPECT_EQ(line == "AUTH PLAIN\r\n", whole > 512) << size;
  }
}

TEST(ClientAuth, LineIsNeverLongerThanAServerMustTake) {
  const auto sent = [](size_t size) {
    Client client(with_login(std::string(size, 'x')));
    hello(client, "LOGIN", TimePoint{});
    client.feed("334 VXNlcm5hbWU6\r\n", TimePoint{});
    take(client, TimePoint{});
    client.feed("334 UGFzc3dvcmQ6\r\n", TimePoint{});
    return take(client, TimePoint{});
  };
  EXPECT_EQ(sent(9213).size(), 12286u);
  EXPECT_EQ(sent(9215), "*\r\n");  // 12,290 octets it would be
}

// Client and server cores wired to each other, bytes moved in random portions.
void converse(uint64_t seed, const ServerOptions& server_options,
              const ClientOptions& client_options) {
  Random random(seed);
  TimePoint now{};
  Server server(server_options);
  Client client(client_options);
  server.start(now);
  client.start(now);
  std::string to_client, to_server, content;
  std::map<TxnId, int> ended;
  std::vector<std::string> received, sent;
  TxnId next = 1;
  bool closed = false;
  for (int turn = 0; turn < 100000 && !closed; ++turn) {
    while (auto event = client.next_event()) {
      if (const auto* result = std::get_if<TxnResult>(&*event)) {
        ++ended[result->txn];
        EXPECT_EQ(result->outcome.kind, Outcome::Kind::kDelivered) << result->outcome.reply.str();
      }
      closed = closed || std::holds_alternative<Closed>(*event);
    }
    while (next <= 50 && client.can_submit()) {
      std::string body;
      for (uint64_t n = random.below(30); n > 0; --n) {
        body += random.below(3) == 0 ? "." : "";
        body += std::string(random.below(60), 'x') + "\r\n";
      }
      sent.push_back(body);
      client.submit(message(next++, body), now);
    }
    if (next > 50) client.quit(now);
    to_server += take(client, now, 1 + random.below(3000));
    std::array<OutSlice, 8> slices;
    const size_t n = server.gather(slices, 1 + random.below(200));
    for (size_t i = 0; i < n; ++i) {
      to_client += slices[i];
      server.consume(slices[i].size());
    }
    const std::string up = to_server.substr(0, random.below(2000));
    to_server.erase(0, up.size());
    server.feed(up, now);
    while (auto event = server.next_event()) {
      if (event->type == Server::Event::Type::kDataChunk) content += event->text;
      if (event->type == Server::Event::Type::kDataEnd)
        received.push_back(std::exchange(content, {}));
    }
    const std::string down = to_client.substr(0, random.below(200));
    to_client.erase(0, down.size());
    client.feed(down, now);
  }
  EXPECT_TRUE(closed);
  EXPECT_EQ(received, sent);
  EXPECT_EQ(ended.size(), 50u);
  for (const auto& [id, times] : ended) EXPECT_EQ(times, 1) << id;
}

TEST(ClientAndServer, EveryModeDeliversEverythingOnce) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    ServerOptions server;
    ClientOptions client = options();
    server.pipelining = seed % 2 == 0;
    client.cross_message = seed % 4 == 0;
    client.hold_until_mark = seed % 3 == 0;
    client.rset_between = seed % 5 == 0;
    converse(seed, server, client);
  }
}

}  // namespace
}  // namespace volley::smtp
