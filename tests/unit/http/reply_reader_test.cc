#include "engine/http/reply_reader.h"

#include <gtest/gtest.h>

#include <vector>

namespace volley::http {
namespace {

using State = ReplyReader::State;
constexpr size_t kMax = 100;

const std::string kLength =
    "HTTP/1.1 200 OK\r\nServer: x\r\nContent-TYPE: Text/Plain; charset=utf-8\r\n"
    "content-length: 5\r\n\r\nhello";
const std::string kChunked =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: Chunked\r\n\r\n"
    "3\r\nhel\r\n2;name=value\r\nlo\r\n0\r\n\r\n";
const std::string kInterim = "HTTP/1.1 103 Early Hints\r\nContent-Length: 7\r\n\r\n" + kLength;
const std::string kBareLf = "HTTP/1.0 200\nContent-Type:text/plain\nContent-Length:5\n\nhello";

TEST(ReplyReader, ReadsInAnyPieces) {
  for (const std::string& text : {kLength, kChunked, kInterim, kBareLf}) {
    for (size_t cut = 0; cut <= text.size(); ++cut) {
      ReplyReader reader(kMax);
      reader.feed(std::string_view(text).substr(0, cut));
      EXPECT_EQ(reader.feed(std::string_view(text).substr(cut)), State::kDone) << text << cut;
      EXPECT_EQ(reader.status(), 200);
      EXPECT_EQ(reader.media_type(), "text/plain");
      EXPECT_EQ(reader.body(), "hello");
    }
    ReplyReader bytes(kMax);
    for (char c : text) bytes.feed({&c, 1});
    EXPECT_EQ(bytes.state(), State::kDone) << bytes.error();
    EXPECT_EQ(bytes.body(), "hello");
  }
}

TEST(ReplyReader, IsNotDoneBeforeTheEnd) {
  for (size_t cut = 0; cut < kLength.size(); ++cut) {
    ReplyReader reader(kMax);
    EXPECT_EQ(reader.feed(std::string_view(kLength).substr(0, cut)), State::kMore) << cut;
  }
  const std::string last = "0\r\n\r\n";
  ReplyReader chunked(kMax);
  EXPECT_EQ(chunked.feed(std::string_view(kChunked).substr(0, kChunked.size() - last.size())),
            State::kMore);
}

TEST(ReplyReader, WhatComesAfterTheEndIsNotRead) {
  ReplyReader reader(kMax);
  EXPECT_EQ(reader.feed(kLength + "more"), State::kDone);
  EXPECT_EQ(reader.feed("and more"), State::kDone);
  EXPECT_EQ(reader.body(), "hello");
}

TEST(ReplyReader, OtherStatusesAreDoneWithTheirHeaders) {
  for (int status : {204, 301, 302, 404, 500, 999}) {
    ReplyReader reader(kMax);
    EXPECT_EQ(
        reader.feed("HTTP/1.1 " + std::to_string(status) +
                    " x\r\nLocation: https://example.net/\r\nContent-Length: 10000\r\n\r\nbody"),
        State::kDone);
    EXPECT_EQ(reader.status(), status);
    EXPECT_EQ(reader.body(), "");
  }
}

TEST(ReplyReader, EmptyBody) {
  ReplyReader reader(kMax);
  EXPECT_EQ(reader.feed("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), State::kDone);
  EXPECT_EQ(reader.media_type(), "");
}

TEST(ReplyReader, LimitOfTheBody) {
  auto with_length = [](size_t size) {
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" +
           std::string(size, 'x');
  };
  ReplyReader fits(kMax), too_large(kMax);
  EXPECT_EQ(fits.feed(with_length(kMax)), State::kDone);
  EXPECT_EQ(fits.body().size(), kMax);
  EXPECT_EQ(too_large.feed(with_length(kMax + 1)), State::kFailed);
  EXPECT_EQ(too_large.error(), "more than 100 bytes");
  EXPECT_EQ(too_large.body(), "") << "nothing is kept of it";
  const std::string head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                    half = "32\r\n" + std::string(50, 'x') + "\r\n";
  ReplyReader chunks(kMax), one_more(kMax);
  EXPECT_EQ(chunks.feed(head + half + half + "0\r\n"), State::kDone);
  EXPECT_EQ(one_more.feed(head + half + half + "1\r\nx"), State::kFailed);
}

TEST(ReplyReader, LimitOfTheHead) {
  const std::string start = "HTTP/1.1 200 OK\r\n";
  auto feed_forever = [](ReplyReader& reader, const std::string& piece) {
    size_t fed = 0;
    while (reader.state() == State::kMore && fed < (1 << 20)) {
      reader.feed(piece);
      fed += piece.size();
    }
    return fed;
  };
  for (const std::string& piece :
       {std::string("x"), std::string("a: b\r\n"), std::string(5000, 'x'),
        std::string("HTTP/1.1 100 Continue\r\n\r\n")}) {
    ReplyReader reader(kMax);
    EXPECT_LT(feed_forever(reader, piece), size_t{40} << 10) << piece.substr(0, 30);
    EXPECT_EQ(reader.state(), State::kFailed);
  }
  ReplyReader headers(kMax);
  headers.feed(start);
  EXPECT_LT(feed_forever(headers, "a: b\r\n"), size_t{40} << 10);
  EXPECT_EQ(headers.error(), "more than 32 KiB of headers");
  // Just within.
  ReplyReader within(kMax);
  EXPECT_EQ(within.feed(start + "a: " + std::string(32000, 'b') + "\r\nContent-Length: 1\r\n\r\nx"),
            State::kDone);
}

TEST(ReplyReader, RefusesWhatIsNoReply) {
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  for (const std::string& bad :
       {std::string("\r\n"),
        std::string("hello\r\n"),
        std::string("HTTP/2 200 OK\r\n"),
        std::string("HTTP/1.1 20 OK\r\n"),
        std::string("HTTP/1.1 2000\r\n"),
        std::string("HTTP/1.1 -20 \r\n"),
        std::string("HTTP/1.1 000 x\r\n"),
        std::string("HTTP/1.x 200 OK\r\n"),
        std::string("HTTP/1.1  200\r\n"),
        std::string("\x16\x03\x01\r\n"),
        ok + "no colon\r\n",
        ok + ": no name\r\n",
        ok + "Content-Length: -1\r\n",
        ok + "Content-Length: 1x\r\n",
        ok + "Content-Length:\r\n",
        ok + "Content-Length: 99999999999999999999\r\n",
        ok + "Content-Length: 1\r\nContent-Length: 2\r\n",
        ok + "Transfer-Encoding: gzip\r\n",
        ok + "Transfer-Encoding: gzip, chunked\r\n",
        ok + "Content-Encoding: br\r\n",
        ok + "\r\n",
        ok + "Transfer-Encoding: chunked\r\n\r\nx\r\n",
        ok + "Transfer-Encoding: chunked\r\n\r\n\r\n",
        ok + "Transfer-Encoding: chunked\r\n\r\n-1\r\n",
        ok + "Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n",
        ok + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n",
        ok + "Transfer-Encoding: chunked\r\n\r\n" + std::string(2000, '0'),
        ok + "Transfer-Encoding: chunked\r\n\r\n1;" + std::string(2000, 'x')}) {
    ReplyReader reader(kMax);
    EXPECT_EQ(reader.feed(bad), State::kFailed) << bad;
    EXPECT_FALSE(reader.error().empty());
    EXPECT_EQ(reader.feed(kLength), State::kFailed) << "failed is failed";
  }
}

TEST(ReplyReader, ChunkedWinsOverALength) {
  ReplyReader reader(kMax);
  EXPECT_EQ(reader.feed("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n"
                        "Content-Encoding: identity\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
            State::kDone);
  EXPECT_EQ(reader.body(), "hello");
}

}  // namespace
}  // namespace volley::http
