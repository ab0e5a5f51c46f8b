#include "engine/intake/api.h"

#include <gtest/gtest.h>
#include <httplib.h>
#include <signal.h>

#include <nlohmann/json.hpp>
#include <regex>
#include <thread>

#include "engine/message/content.h"
#include "queue/chunk.h"
#include "tests/unit/queue/redis_fixture.h"

namespace volley::intake {
namespace {

using Json = nlohmann::json;

constexpr char kToken[] = "correct-horse-battery";

class ApiTest : public testing::Test {
 protected:
  ApiTest() : api_(api_options(), registry_), server_({.token = kToken}) {
    store_ = redis_.store();
    api_.register_routes(server_);
    Status started = server_.start();
    EXPECT_TRUE(started.ok());
    client_ = std::make_unique<httplib::Client>("http://" + server_.address());
    client_->set_read_timeout(60);  // ten megabytes under a sanitizer on a busy machine
    client_->set_bearer_token_auth(kToken);
  }
  ~ApiTest() override {
    client_.reset();  // first: the server waits for kept connections
    server_.stop();
  }

  ApiOptions api_options() {
    ApiOptions options;
    options.queue = redis_.url();
    options.memory_durability = true;
    options.senders = {"app@example.com", "@example.net"};
    options.hostname = "mail.example.com";
    options.on_queued = [this] { ++queued_; };
    return options;
  }
  static Json message() {
    return {{"from", "App <app@example.com>"},
            {"to", "Ann <Ann@Example.org>"},
            {"subject", "Hello"},
            {"text", "Hi.\n"}};
  }
  httplib::Result post(const std::string& body, const httplib::Headers& headers = {}) {
    return client_->Post("/v1/messages", headers, body, "application/json");
  }
  // Status, and for a refusal its text.
  std::string answer(const std::string& body, const httplib::Headers& headers = {}) {
    const auto result = post(body, headers);
    if (!result) return "no answer";
    if (result->status < 400) return std::to_string(result->status);
    return std::to_string(result->status) + " " +
           Json::parse(result->body)["error"].get<std::string>();
  }
  size_t messages_queued() {
    const queue::Reply keys = redis_.run({"KEYS", "volley:*:q:_messages:*"});
    size_t n = 0;
    for (size_t i = 0; i < keys.view().size(); ++i)
      n += static_cast<size_t>(redis_.number({"LLEN", std::string(keys.view().at(i).text())}));
    return n;
  }

  queue::testing::RedisServer redis_;
  std::unique_ptr<queue::Store> store_;
  metrics::Registry registry_;
  std::atomic<int> queued_{0};
  Api api_;
  http::Server server_;
  std::unique_ptr<httplib::Client> client_;
};

TEST_F(ApiTest, QueuesAMessageAndTellsItsStatus) {
  const auto result = post(message().dump());
  ASSERT_TRUE(result);
  ASSERT_EQ(result->status, 202) << result->body;
  const std::string id = Json::parse(result->body)["id"];
  EXPECT_EQ(messages_queued(), 1U);
  EXPECT_EQ(queued_, 1);
  const queue::Reply keys = redis_.run({"KEYS", "volley:*:t:default:q:_messages:example.org*"});
  ASSERT_EQ(keys.view().size(), 1U);
  const std::string bytes = redis_.text({"LINDEX", std::string(keys.view().at(0).text()), "0"});
  const auto chunk = queue::Chunk::decode(bytes);
  ASSERT_TRUE(chunk.ok()) << chunk.error().message;
  ASSERT_EQ(chunk->recipients().size(), 1U);
  const queue::Recipient& recipient = chunk->recipients()[0];
  EXPECT_EQ(recipient.address, "Ann@example.org");
  EXPECT_EQ(recipient.return_path, "app@example.com");
  EXPECT_GT(recipient.number, 0U);
  EXPECT_LT(recipient.number, uint64_t{1} << 63);
  const auto content = message::Content::from_bytes(chunk->inline_content());
  ASSERT_TRUE(content.ok()) << content.error().message;
  EXPECT_EQ(content->subject, "Hello");
  EXPECT_EQ(content->id, id);
  EXPECT_TRUE(content->literal);

  const auto status = client_->Get("/v1/messages/" + id);
  ASSERT_TRUE(status);
  ASSERT_EQ(status->status, 200) << status->body;
  const Json json = Json::parse(status->body);
  EXPECT_EQ(json["id"], id);
  EXPECT_EQ(json["state"], "queued");
  EXPECT_EQ(json["attempts"], 0);
  EXPECT_TRUE(std::regex_match(json["time"].get<std::string>(),
                               std::regex(R"(20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ)")))
      << json["time"];
  EXPECT_EQ(client_->Get("/v1/messages/" + id + "x")->status, 404);
  EXPECT_EQ(client_->Get("/v1/messages/nonsense")->status, 404);
  EXPECT_EQ(registry_.total(metrics::Metric::kMessagesAccepted), 1U);
  EXPECT_EQ(registry_.total(metrics::Metric::kHttpRequests), 4U);
  EXPECT_EQ(registry_.total(metrics::Metric::kHttpRefused), 2U);
}

TEST_F(ApiTest, RepeatsAreOneMessage) {
  const httplib::Headers key{{"Idempotency-Key", "reset-42"}};
  const auto first = post(message().dump(), key);
  const auto second = post(message().dump(), key);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->status, 202);
  EXPECT_EQ(second->status, 202);
  EXPECT_EQ(first->body, second->body);
  EXPECT_EQ(messages_queued(), 1U);
  Json other = message();
  other["subject"] = "Other";
  EXPECT_EQ(answer(other.dump(), key), "409 Idempotency-Key: used before with another body");
  EXPECT_EQ(answer(other.dump(), {{"Idempotency-Key", "reset-43"}}), "202");
  EXPECT_EQ(messages_queued(), 2U);
  EXPECT_TRUE(answer(message().dump(), {{"Idempotency-Key", std::string(256, 'x')}})
                  .starts_with("400 Idempotency-Key"));
}

TEST_F(ApiTest, ChecksTheToken) {
  httplib::Client stranger("http://" + server_.address());
  EXPECT_EQ(stranger.Post("/v1/messages", message().dump(), "application/json")->status, 401);
  stranger.set_bearer_token_auth("wrong");
  EXPECT_EQ(stranger.Get("/v1/messages/x")->status, 401);
  EXPECT_EQ(messages_queued(), 0U);
}

TEST_F(ApiTest, ChecksTheSender) {
  Json json = message();
  json["from"] = "boss@example.com";
  EXPECT_EQ(answer(json.dump()), "403 from: boss@example.com is not one of the configured senders");
  json["from"] = "Anybody <x@Example.NET>";
  EXPECT_EQ(answer(json.dump()), "202");
  EXPECT_EQ(messages_queued(), 1U);
}

TEST_F(ApiTest, RefusesWhatIsNoJson) {
  EXPECT_TRUE(answer("").starts_with("400 the body is no JSON object: "));
  EXPECT_TRUE(answer("{\"from\":")
                  .starts_with("400 the body is no JSON object: parse error at line 1, column 9"));
  EXPECT_TRUE(answer("[]").starts_with("400 "));
  EXPECT_TRUE(answer("{\"subject\":\"\xFF\"}").starts_with("400 "));
  EXPECT_EQ(answer("{\"subject\":\"a\",\"subject\":\"b\"}"),
            "400 the body is no JSON object: key \"subject\" stands twice");
  EXPECT_EQ(answer("{\"headers\":{\"X-A\":\"1\",\"X-A\":\"2\"}}"),
            "400 the body is no JSON object: key \"X-A\" stands twice");
  EXPECT_EQ(answer("{\"headers\":" + std::string(5000, '[') + std::string(5000, ']') + "}"),
            "400 the body is no JSON object: nested too deep");
  EXPECT_TRUE(answer(message().dump() + "x").starts_with("400 "));
}

TEST_F(ApiTest, RefusesWhatCannotBeSent) {
  const auto with = [](const char* key, const Json& value) {
    Json json = message();
    json[key] = value;
    return json.dump();
  };
  const auto without = [](const char* key) {
    Json json = message();
    json.erase(key);
    return json.dump();
  };
  EXPECT_EQ(answer(without("from")), "422 from: missing");
  EXPECT_EQ(answer(without("to")), "422 to: missing");
  EXPECT_EQ(answer(without("subject")), "422 subject: missing");
  EXPECT_EQ(answer(without("text")), "422 text or html: one of them must be there");
  EXPECT_EQ(answer(with("to", Json::array({"a@example.org"}))),
            "422 to: must be a string (one recipient a message)");
  EXPECT_EQ(answer(with("subject", 5)), "422 subject: must be a string");
  EXPECT_TRUE(answer(with("cc", "x@example.org")).starts_with("422 unknown field \"cc\""));
  EXPECT_TRUE(answer(with("to", "nobody")).starts_with("422 to: "));
  EXPECT_TRUE(answer(with("to", "a@example.org, b@example.org")).starts_with("422 to: "));
  EXPECT_TRUE(
      answer(with("from", "app@example.com\r\nBcc: x@example.org")).starts_with("422 from: "));
  EXPECT_TRUE(answer(with("subject", "a\r\nBcc: x@example.org")).starts_with("422 "));
  EXPECT_TRUE(answer(with("headers", Json{{"X-A", 1}}))
                  .starts_with("422 headers: \"X-A\" must be a string"));
  EXPECT_TRUE(answer(with("headers", Json{{"Bad Name", "1"}})).starts_with("422 "));
  EXPECT_TRUE(answer(with("headers", Json{{"X-A", "1\nX-B: 2"}})).starts_with("422 "));
  EXPECT_TRUE(answer(with("from", "j\xC3\xB6rg@example.com")).starts_with("4"));
  EXPECT_TRUE(answer(with("headers", Json{{"Reply-To", "j\xC3\xB6rg@example.com"}})).starts_with("422 Reply-To: only"));
  EXPECT_EQ(messages_queued(), 0U);
  EXPECT_EQ(answer(with("headers", Json{{"X-A", "1"}, {"Reply-To", "r@example.com"}})), "202");
  EXPECT_EQ(answer(with("to", "J\xC3\xB6rg <j\xC3\xB6rg@example.org>")), "202");
}

TEST_F(ApiTest, TakesTenMegabytesAndNoMore) {
  Json json = message();
  json["text"] = std::string(9 << 20, 'x') + "\n";
  EXPECT_EQ(answer(json.dump()), "202");
  json["text"] = std::string(11 << 20, 'x');
  const auto result = post(json.dump());
  EXPECT_TRUE(!result || result->status == 413);
  EXPECT_EQ(messages_queued(), 1U);
}

TEST_F(ApiTest, ServesSeveralAtOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      httplib::Client client("http://" + server_.address());
      client.set_bearer_token_auth(kToken);
      for (int i = 0; i < 20; ++i) {
        const auto result = client.Post("/v1/messages", message().dump(), "application/json");
        if (result && result->status == 202) ++good;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, 80);
  EXPECT_EQ(messages_queued(), 80U);
}

TEST_F(ApiTest, AFullQueueIsARetryableRefusal) {
  ASSERT_EQ(answer(message().dump()), "202");
  redis_.run({"CONFIG", "SET", "maxmemory", "1"});
  const auto result = post(message().dump());
  ASSERT_TRUE(result);
  EXPECT_EQ(result->status, 503) << result->body;
  EXPECT_NE(result->get_header_value("Retry-After"), "");
  redis_.run({"CONFIG", "SET", "maxmemory", "0"});
  EXPECT_EQ(answer(message().dump()), "202");
}

}  // namespace
}  // namespace volley::intake
