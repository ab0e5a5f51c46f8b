#include "engine/http/server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>

namespace volley::http {
namespace {

constexpr char kToken[] = "correct-horse-battery";

int port_of(const std::string& address) {
  return std::stoi(address.substr(address.rfind(':') + 1));
}

class Connection {
 public:
  explicit Connection(int port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  }
  ~Connection() { ::close(fd_); }
  void send(const std::string& bytes) {
    EXPECT_EQ(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  // Until `enough` was seen; "": until the server closes.
  std::string read(const std::string& enough) {
    std::string got;
    char buffer[4096];
    while (enough.empty() || got.find(enough) == got.npos) {
      ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
      if (n <= 0) break;
      got.append(buffer, static_cast<size_t>(n));
    }
    return got;
  }

 private:
  int fd_;
};

std::string raw_exchange(int port, const std::string& bytes, const std::string& enough = "") {
  Connection connection(port);
  connection.send(bytes);
  return connection.read(enough);
}

class ServerTest : public testing::Test {
 protected:
  void start(ServerOptions options = {}) {
    server_ = std::make_unique<Server>(options);
    server_->route("GET", "/metrics", Access::kOpen, [](const Request&) {
      Response r;
      r.content_type = "text/plain; version=0.0.4";
      r.body = "volley_up 1\n";
      return r;
    });
    server_->route("POST", "/v1/messages", Access::kToken, [this](const Request& request) {
      ++posts_;
      Response r;
      r.status = 202;
      r.body =
          nlohmann::json{{"size", request.body.size()}, {"key", request.header("Idempotency-Key")}}
              .dump();
      r.headers.emplace_back("X-Test", "yes");
      return r;
    });
    server_->route(
        "GET", "/v1/messages/([^/]+)/(\\d+)", Access::kToken, [](const Request& request) {
          Response r;
          r.body = nlohmann::json{{"captures", request.captures}, {"query", request.query}}.dump();
          return r;
        });
    server_->route("GET", "/boom", Access::kOpen,
                   [](const Request&) -> Response { throw std::runtime_error("kaboom"); });
    server_->route("GET", "/bang", Access::kOpen, [](const Request&) -> Response { throw 42; });
    Status started = server_->start();
    ASSERT_TRUE(started) << started.error().message;
    port_ = port_of(server_->address());
    client_ = std::make_unique<httplib::Client>("127.0.0.1", port_);
  }
  void start_with_token() {
    ServerOptions options;
    options.token = kToken;
    options.max_body = 1000;
    start(options);
  }
  httplib::Headers authorized() { return {{"Authorization", std::string("Bearer ") + kToken}}; }
  void TearDown() override {
    client_.reset();  // first: the server waits for kept connections
    server_.reset();
  }

  std::unique_ptr<Server> server_;
  std::unique_ptr<httplib::Client> client_;
  std::atomic<int> posts_ = 0;
  int port_ = 0;
};

TEST_F(ServerTest, ServesAnOpenRoute) {
  start();
  EXPECT_NE(port_, 0);
  auto r = client_->Get("/metrics");
  ASSERT_TRUE(r);
  EXPECT_EQ(r->status, 200);
  EXPECT_EQ(r->body, "volley_up 1\n");
  EXPECT_EQ(r->get_header_value("Content-Type"), "text/plain; version=0.0.4");
  EXPECT_FALSE(r->has_header("Server"));
}

TEST_F(ServerTest, HeadIsGetWithoutBody) {
  start();
  auto r = client_->Head("/metrics");
  ASSERT_TRUE(r);
  EXPECT_EQ(r->status, 200);
  EXPECT_TRUE(r->body.empty());
}

TEST_F(ServerTest, PassesCapturesQueryHeadersAndBody) {
  start();
  auto got = client_->Get("/v1/messages/a%20b/17?x=1&y=two");
  ASSERT_TRUE(got);
  auto json = nlohmann::json::parse(got->body);
  EXPECT_EQ(json["captures"], (std::vector<std::string>{"a b", "17"}));
  EXPECT_EQ(json["query"]["y"], "two");
  auto posted = client_->Post("/v1/messages", httplib::Headers{{"idempotency-KEY", "k1"}},
                              std::string(500, 'x'), "application/json");
  ASSERT_TRUE(posted);
  EXPECT_EQ(posted->status, 202);
  EXPECT_EQ(posted->get_header_value("X-Test"), "yes");
  json = nlohmann::json::parse(posted->body);
  EXPECT_EQ(json["size"], 500);
  EXPECT_EQ(json["key"], "k1");
}

TEST_F(ServerTest, UnknownPathAndMethod) {
  start();
  auto missing = client_->Get("/nothing\"here");
  ASSERT_TRUE(missing);
  EXPECT_EQ(missing->status, 404);
  EXPECT_TRUE(nlohmann::json::parse(missing->body).contains("error"));
  auto wrong = client_->Delete("/v1/messages");
  ASSERT_TRUE(wrong);
  EXPECT_EQ(wrong->status, 405);
  EXPECT_EQ(wrong->get_header_value("Allow"), "POST");
  EXPECT_EQ(client_->Post("/metrics", "x", "text/plain")->status, 405);
  // A prefix is no match.
  EXPECT_EQ(client_->Get("/metrics/more")->status, 404);
}

TEST_F(ServerTest, TokenIsAskedFor) {
  start_with_token();
  EXPECT_EQ(client_->Get("/metrics")->status, 200) << "an open route";
  auto refused = client_->Post("/v1/messages", "{}", "application/json");
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 401);
  EXPECT_EQ(refused->get_header_value("WWW-Authenticate"), "Bearer");
  for (const char* value :
       {"Bearer wrong", "Bearer", "Bearer ", "correct-horse-battery", "Basic correct-horse-battery",
        "Bearer correct-horse-batter", "Bearer correct-horse-batteryy"}) {
    auto r = client_->Post("/v1/messages", httplib::Headers{{"Authorization", value}}, "{}",
                           "application/json");
    ASSERT_TRUE(r) << value;
    EXPECT_EQ(r->status, 401) << value;
  }
  EXPECT_EQ(posts_, 0);
  auto accepted = client_->Post("/v1/messages", authorized(), "{}", "application/json");
  ASSERT_TRUE(accepted);
  EXPECT_EQ(accepted->status, 202);
}

TEST_F(ServerTest, BodyLimit) {
  start_with_token();
  EXPECT_EQ(
      client_->Post("/v1/messages", authorized(), std::string(1000, 'x'), "text/plain")->status,
      202);
  auto r = client_->Post("/v1/messages", authorized(), std::string(1001, 'x'), "text/plain");
  ASSERT_TRUE(r);
  EXPECT_EQ(r->status, 413);
  EXPECT_EQ(posts_, 1);
  EXPECT_EQ(client_->Get("/metrics")->status, 200) << "and the next request is understood";
}

TEST_F(ServerTest, ChunkedBodyIsLimitedToo) {
  start_with_token();
  std::string head =
      "POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer correct-horse-battery\r\n"
      "Transfer-Encoding: chunked\r\n\r\n";
  std::string chunk = "200\r\n" + std::string(0x200, 'x') + "\r\n";
  EXPECT_NE(raw_exchange(port_, head + chunk + "0\r\n\r\n", "}").find("202"), std::string::npos);
  EXPECT_NE(raw_exchange(port_, head + chunk + chunk + "0\r\n\r\n").find("413"), std::string::npos);
  EXPECT_EQ(posts_, 1);
}

TEST_F(ServerTest, RefusedBodyIsNotTakenForTheNextRequest) {
  start_with_token();
  std::string smuggled = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
  std::string got =
      raw_exchange(port_, "POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: " +
                              std::to_string(smuggled.size()) + "\r\n\r\n" + smuggled);
  EXPECT_NE(got.find("401"), std::string::npos);
  EXPECT_EQ(got.find("volley_up"), std::string::npos);
}

TEST_F(ServerTest, SlowAndBrokenBodies) {
  ServerOptions options;
  options.read_timeout = std::chrono::milliseconds(50);
  start(options);
  std::string head = "POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc";
  EXPECT_NE(raw_exchange(port_, head).find(" 408 "), std::string::npos);
  EXPECT_NE(
      raw_exchange(port_, "POST /v1/messages HTTP/1.1\r\nContent-Length: x1\r\n\r\n").find(" 400 "),
      std::string::npos);
  EXPECT_NE(raw_exchange(port_, "POST /v1/messages HTTP/1.1\r\nTransfer-Encoding: odd\r\n\r\nab")
                .find(" 400 "),
            std::string::npos);
  EXPECT_EQ(posts_, 0);
}

TEST_F(ServerTest, MalformedHead) {
  start();
  std::string got = raw_exchange(port_, "NONSENSE\r\n\r\n", "}");
  EXPECT_NE(got.find("400"), std::string::npos);
  EXPECT_NE(got.find("{\"error\""), std::string::npos);
  EXPECT_NE(
      raw_exchange(port_, "GET /" + std::string(9000, 'a') + " HTTP/1.1\r\n\r\n", "}").find("414"),
      std::string::npos);
}

TEST_F(ServerTest, PostWithoutLengthHasNoBody) {
  start();
  std::string got = raw_exchange(port_, "POST /v1/messages HTTP/1.1\r\nHost: x\r\n\r\n", "}");
  EXPECT_NE(got.find("202"), std::string::npos);
}

TEST_F(ServerTest, MultipartIsRefused) {
  start();
  httplib::MultipartFormDataItems items{{"a", "b", "", ""}};
  auto r = client_->Post("/v1/messages", items);
  ASSERT_TRUE(r);
  EXPECT_EQ(r->status, 415);
}

TEST_F(ServerTest, ThrowingHandlerIs500) {
  start();
  for (const char* path : {"/boom", "/bang"}) {
    auto r = client_->Get(path);
    ASSERT_TRUE(r);
    EXPECT_EQ(r->status, 500);
    EXPECT_EQ(r->body.find("kaboom"), std::string::npos) << "nothing of ours leaks";
  }
}

TEST_F(ServerTest, RangesAreIgnored) {
  start();
  auto r = client_->Get("/metrics", {{"Range", "bytes=0-1,0-1,0-1"}});
  ASSERT_TRUE(r);
  EXPECT_EQ(r->body, "volley_up 1\n");
}

TEST_F(ServerTest, KeepsConnections) {
  start();
  Connection connection(port_);
  for (int i = 0; i < 3; ++i) {
    connection.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_NE(connection.read("volley_up 1\n").find(" 200 "), std::string::npos);
  }
  connection.send("POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}");
  EXPECT_NE(connection.read("}").find(" 202 "), std::string::npos);
  connection.send("GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_NE(connection.read("").find(" 200 "), std::string::npos) << "and then it is closed";
}

TEST_F(ServerTest, RefusalOfALargeBodyArrives) {
  start_with_token();
  std::string large(8 << 20, 'x');
  auto denied = client_->Post("/v1/messages", large, "text/plain");
  ASSERT_TRUE(denied) << httplib::to_string(denied.error());
  EXPECT_EQ(denied->status, 401);
  auto too_large = client_->Post("/v1/messages", authorized(), large, "text/plain");
  ASSERT_TRUE(too_large) << httplib::to_string(too_large.error());
  EXPECT_EQ(too_large->status, 413);
}

TEST_F(ServerTest, ManyAtOnce) {
  start();
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      httplib::Client client("127.0.0.1", port_);
      client.set_keep_alive(true);
      for (int i = 0; i < 25; ++i) {
        auto r = client.Post("/v1/messages", "{}", "application/json");
        if (r && r->status == 202) ++good;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, 200);
  EXPECT_EQ(posts_, 200);
}

TEST(ServerStart, PortInUse) {
  Server first({});
  ASSERT_TRUE(first.start());
  ServerOptions options;
  options.listen = first.address();
  Server second(options);
  Status status = second.start();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Errc::kUnavailable);
  EXPECT_NE(status.error().message.find(first.address()), std::string::npos);
}

TEST(ServerStart, NoTokenNoPublicAddress) {
  ServerOptions options;
  options.listen = "0.0.0.0:0";
  Server open(options);
  Status status = open.start();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Errc::kConfig);
  EXPECT_NE(status.error().message.find("token_file"), std::string::npos);
  options.token = "t";
  Server guarded(options);
  EXPECT_TRUE(guarded.start());
}

TEST(ServerStart, StopsTwiceAndRestartsOnTheSamePort) {
  std::string address;
  {
    Server server({});
    ASSERT_TRUE(server.start());
    address = server.address();
    server.stop();
    server.stop();
  }
  ServerOptions options;
  options.listen = address;
  Server again(options);
  EXPECT_TRUE(again.start());
}

TEST(ErrorResponse, IsJsonWhateverTheText) {
  Response r = error_response(400, "quote \" and \xff byte");
  EXPECT_EQ(r.status, 400);
  EXPECT_FALSE(nlohmann::json::parse(r.body).at("error").get<std::string>().empty());
}

}  // namespace
}  // namespace volley::http
