// One HTTP/1.x reply, read from its bytes: for asking strangers.
//
// Purpose    What a client needs to take a small file from a web server it has no reason to trust:
//            status, media type, body. No sockets: whoever has the bytes feeds them, in any pieces.
// Limits     32 KiB of status line and headers, interim replies included; a body of max_body. Work
//            and memory are linear in what was fed. (cpp-httplib's client is not for strangers: it
//            reads lines without end and matches the status line with std::regex, whose recursion
//            a line of 50 KB crashes.)
// Body       Of a 200 only; any other reply is done when its headers are. Content-Length or chunked:
//            a body that ends with the connection is refused, since nobody could tell it from one
//            that was cut. Content codings are refused: none was asked for.
// Thread     Pure.
// Errors     kFailed, with error() for a person. After kDone or kFailed nothing more is read.
// Not for    Keeping connections: send "Connection: close".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace volley::http {

class ReplyReader {
 public:
  enum class State : uint8_t { kMore, kDone, kFailed };

  explicit ReplyReader(size_t max_body) : max_body_(max_body) {}

  State feed(std::string_view bytes);
  State state() const { return state_; }
  const std::string& error() const { return error_; }

  int status() const { return status_; }  // 0: not yet
  // Lower case, without parameters: "text/plain"; "" when there is none.
  const std::string& media_type() const { return media_type_; }
  const std::string& body() const { return body_; }

 private:
  enum class Part : uint8_t { kStatus, kHeaders, kBody, kChunkSize, kChunk, kChunkEnd };

  void fail(std::string why);
  bool take_line(std::string_view& bytes);
  void on_line();
  void on_status_line();
  void on_header();
  void on_length(std::string_view value);
  void on_headers_end();
  void on_chunk_size();
  void take_body(std::string_view& bytes);

  size_t max_body_;
  State state_ = State::kMore;
  Part part_ = Part::kStatus;
  std::string line_;       // what there is of it, without CRLF once it is whole
  size_t head_ = 0;        // bytes of lines so far, within the head
  uint64_t expected_ = 0;  // bytes still to come, of the body or of a chunk
  int status_ = 0;
  bool chunked_ = false, has_length_ = false;
  std::string media_type_, body_, error_;
};

}  // namespace volley::http
