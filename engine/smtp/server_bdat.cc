// BDAT in the server core (RFC 3030).
#include <algorithm>
#include <charconv>

#include "engine/smtp/server.h"
#include "engine/smtp/server_words.h"

namespace volley::smtp {

std::optional<Server::Event> Server::on_bdat(std::string_view argument) {
  if (!options_.chunking) {
    bad("502 5.5.1 Error: CHUNKING is not offered");
    return {};
  }
  const std::string_view count = next_word(argument), last = next_word(argument);
  uint64_t size = 0;
  const auto [end, error] = std::from_chars(count.data(), count.data() + count.size(), size);
  const bool good = !count.empty() && error == std::errc() && end == count.data() + count.size() &&
                    (last.empty() || equals(last, "LAST")) && next_word(argument).empty();
  if (!good) {
    // How much of what follows is content cannot be known.
    close("501 5.5.4 Syntax: BDAT count [LAST]", "BDAT without a count");
    return {};
  }
  if (!bdat_) data_size_ = 0;
  if (far_too_much(size) || far_too_much(data_size_ + size)) {
    close("421 4.7.0 Error: far too much data", "far too much data");
    return {};
  }
  state_ = State::kChunk;
  chunk_left_ = size;
  chunk_last_ = !last.empty();
  chunk_refusal_ = chunk_refusal(size);
  if (!chunk_refusal_.empty()) return {};
  data_size_ += size;
  const bool too_big = options_.max_size > 0 && data_size_ > options_.max_size;
  if (bdat_) {
    if (too_big && !refused_) refused_ = "552 5.3.4 Message too big";
    return {};
  }
  bdat_ = true;
  content_.reset();
  refused_ = too_big ? "552 5.3.4 Message too big" : nullptr;
  Event event;
  event.type = Event::Type::kDataStart;
  event.chunking = true;
  return decide(Decision::kChunkStart, event);
}

// The line to answer with once the chunk is read and dropped; empty: it is wanted.
std::string Server::chunk_refusal(uint64_t size) const {
  if (!mail_) return "503 5.5.1 Error: need MAIL command\r\n";
  if (bdat_failed_) {
    return "503 5.5.1 Error: " + std::to_string(size) +
           " octets dropped after an error, send RSET\r\n";
  }
  if (rcpts_ == 0) return "554 5.5.1 Error: no valid recipients\r\n";
  return {};
}

std::optional<Server::Event> Server::read_chunk() {
  if (chunk_left_ > 0) {
    const std::string_view content = input_.substr(0, chunk_left_);
    input_.remove_prefix(content.size());
    chunk_left_ -= content.size();
    if (chunk_refusal_.empty()) {
      content_.feed(content);
      if (!refused_) {
        Event event;
        event.type = Event::Type::kDataChunk;
        event.text = content;
        return event;
      }
    }
  }
  return chunk_left_ == 0 ? end_chunk() : std::nullopt;
}

std::optional<Server::Event> Server::end_chunk() {
  state_ = State::kCommand;
  if (!options_.pipelining && !input_.empty()) {
    close("500 5.5.0 Error: pipelining not supported", "pipelining");
    return {};
  }
  if (!chunk_refusal_.empty()) {
    bdat_failed_ = mail_;
    if (count_idle()) out_.append(chunk_refusal_);
    return {};
  }
  if (!refused_ && content_.nul()) refused_ = "554 5.6.0 Error: NUL in the content";
  if (!refused_ && options_.refuse_bare_newline && content_.bare_newline(chunk_last_)) {
    refused_ = "554 5.6.11 Error: bare carriage return or line feed in the content";
  }
  Event event;
  if (!chunk_last_ && !refused_) {
    if (!count_idle()) return {};  // chunks of nothing have no other end
    event.type = Event::Type::kChunkEnd;
    return decide(Decision::kChunkEnd, event);
  }
  event.type = Event::Type::kDataEnd;
  event.chunking = true;
  event.refused = refused_;
  return decide(Decision::kDataEnd, event);
}

}  // namespace volley::smtp
