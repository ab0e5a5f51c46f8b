#include "engine/http/reply_reader.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/utf8.h"

namespace volley::http {

namespace {

constexpr size_t kMaxHead = 32 << 10;
// A chunk's size and what may follow it.
constexpr size_t kMaxChunkLine = 1 << 10;
constexpr int kOk = 200;

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// All of the text, and no sign.
bool read_number(std::string_view text, int base, uint64_t& out) {
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, out, base);
  return !text.empty() && error == std::errc() && stopped == end;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

void ReplyReader::fail(std::string why) {
  state_ = State::kFailed;
  error_ = std::move(why);
}

ReplyReader::State ReplyReader::feed(std::string_view bytes) {
  while (state_ == State::kMore && !bytes.empty()) {
    if (part_ == Part::kBody || part_ == Part::kChunk) {
      take_body(bytes);
    } else if (take_line(bytes)) {
      on_line();
      line_.clear();
    }
  }
  return state_;
}

// False: it is not whole yet, or too long.
bool ReplyReader::take_line(std::string_view& bytes) {
  const size_t at = bytes.find('\n');
  const std::string_view piece = bytes.substr(0, at);
  const size_t used = at == std::string_view::npos ? bytes.size() : at + 1;
  const bool in_head = part_ == Part::kStatus || part_ == Part::kHeaders;
  if (in_head) head_ += used;
  if (head_ > kMaxHead) return fail("more than 32 KiB of headers"), false;
  if (!in_head && line_.size() + piece.size() > kMaxChunkLine) return fail("bad chunk"), false;
  line_ += piece;
  bytes.remove_prefix(used);
  if (at == std::string_view::npos) return false;
  if (line_.ends_with('\r')) line_.pop_back();
  return true;
}

void ReplyReader::on_line() {
  switch (part_) {
    case Part::kStatus:
      return on_status_line();
    case Part::kHeaders:
      return line_.empty() ? on_headers_end() : on_header();
    case Part::kChunkSize:
      return on_chunk_size();
    case Part::kChunkEnd:
      if (!line_.empty()) return fail("bad chunk");
      part_ = Part::kChunkSize;
      return;
    case Part::kBody:
    case Part::kChunk:
      return;  // have no lines
  }
}

// "HTTP/1.1 200 OK", the words optional.
void ReplyReader::on_status_line() {
  const std::string_view line = line_;
  const bool good = line.size() >= 12 && line.starts_with("HTTP/1.") && is_digit(line[7]) &&
                    line[8] == ' ' && std::all_of(line.begin() + 9, line.begin() + 12, is_digit) &&
                    (line.size() == 12 || line[12] == ' ') && line[9] != '0';
  if (!good) return fail("not an HTTP reply");
  status_ = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
  part_ = Part::kHeaders;
}

void ReplyReader::on_header() {
  const std::string_view line = line_;
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return fail("bad header");
  const std::string name = ascii_lower(line.substr(0, colon));
  const std::string_view value = trim(line.substr(colon + 1));
  if (name == "content-type") {
    media_type_ = ascii_lower(trim(value.substr(0, value.find(';'))));
  } else if (name == "content-length") {
    on_length(value);
  } else if (name == "transfer-encoding") {
    if (ascii_lower(value) != "chunked") return fail("unknown transfer coding");
    chunked_ = true;
  } else if (name == "content-encoding" && ascii_lower(value) != "identity") {
    fail("encoded, which was not asked for");
  }
}

void ReplyReader::on_length(std::string_view value) {
  uint64_t length = 0;
  if (!read_number(value, 10, length)) return fail("bad Content-Length");
  if (has_length_ && length != expected_) return fail("two lengths");
  has_length_ = true;
  expected_ = length;
}

void ReplyReader::on_headers_end() {
  if (status_ < 200) {  // an interim reply: the real one follows
    part_ = Part::kStatus;
    status_ = 0;
    media_type_.clear();
    chunked_ = has_length_ = false;
    return;
  }
  if (status_ != kOk) {
    state_ = State::kDone;
  } else if (chunked_) {
    part_ = Part::kChunkSize;
  } else if (!has_length_) {
    fail("a body of unknown length");
  } else if (expected_ > max_body_) {
    fail("more than " + std::to_string(max_body_) + " bytes");
  } else {
    part_ = Part::kBody;
    if (expected_ == 0) state_ = State::kDone;
  }
}

void ReplyReader::on_chunk_size() {
  const std::string_view line = line_;
  if (!read_number(trim(line.substr(0, line.find(';'))), 16, expected_)) return fail("bad chunk");
  if (expected_ > max_body_ - body_.size()) {
    return fail("more than " + std::to_string(max_body_) + " bytes");
  }
  // Behind the last one come only trailers, which say nothing we ask.
  if (expected_ == 0) state_ = State::kDone;
  part_ = Part::kChunk;
}

void ReplyReader::take_body(std::string_view& bytes) {
  const auto n = static_cast<size_t>(std::min<uint64_t>(bytes.size(), expected_));
  body_ += bytes.substr(0, n);
  bytes.remove_prefix(n);
  expected_ -= n;
  if (expected_ > 0) return;
  if (part_ == Part::kBody) {
    state_ = State::kDone;
  } else {
    part_ = Part::kChunkEnd;
  }
}

}  // namespace volley::http
