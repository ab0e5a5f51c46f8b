#include <algorithm>
#include <charconv>
#include <utility>

#include "engine/sink/script.h"

namespace volley::sink {
namespace {

constexpr size_t kKept = size_t{64} << 10;
constexpr std::string_view kBye = "221 2.0.0 Bye\r\n";
constexpr std::string_view kOk = "250 2.0.0 Ok\r\n";

std::string first_word(std::string_view line) {
  std::string word(line.substr(0, line.find_first_of(" \t\r\n")));
  for (char& c : word) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return word;
}

}  // namespace

void ScriptPlayer::feed(std::string_view bytes) {
  if (stopped_) return;
  if (at_ == script_.steps().size() && input_.size() + bytes.size() > kKept) {
    input_.clear();  // nobody reads it any more
    return;
  }
  input_.append(bytes);
}

ScriptPlayer::Move ScriptPlayer::next() {
  Move move;
  while (!stopped_ && !hand_shaking_) {
    if (at_ < script_.steps().size()) {
      const Progress progress = step(script_.steps()[at_], move);
      if (progress == Progress::kWaits) break;
      if (progress == Progress::kDone) ++at_;
      if (move.kind != Kind::kWait) return move;
      continue;
    }
    std::string line;
    if (!take_line(line)) break;
    if (!all_answered()) continue;
    if (first_word(line) == "QUIT") return stop(kBye, {});
    if (first_word(line) == "NOOP") return {Kind::kSay, kOk};
  }
  if (!stopped_ || std::exchange(closed_, true)) return {};
  return {Kind::kClose, {}};
}

// What is said on the way out; kClose follows.
ScriptPlayer::Move ScriptPlayer::stop(std::string_view line, std::string complaint) {
  stopped_ = true;
  complaint_ = std::move(complaint);
  input_.clear();
  return {Kind::kSay, line};
}

bool ScriptPlayer::all_answered() const {
  return at_ == 0 || script_.steps()[at_ - 1].kind == Script::Kind::kSay;
}

bool ScriptPlayer::take_line(std::string& line) {
  const size_t end = input_.find('\n');
  if (end == std::string::npos) return false;
  line = input_.substr(0, end + 1);
  input_.erase(0, end + 1);
  return true;
}

ScriptPlayer::Progress ScriptPlayer::step(const Script::Step& step, Move& move) {
  std::string line;
  switch (step.kind) {
    case Script::Kind::kSay:
      move = {Kind::kSay, step.text};
      return Progress::kDone;
    case Script::Kind::kVerb:
    case Script::Kind::kChunk:
      if (in_chunk_) return chunk();
      if (take_line(line)) return verb(step, line, move);
      if (input_.size() <= kKept) return Progress::kWaits;
      move = stop("500 5.5.2 Error: line too long\r\n", "a line without an end");
      return Progress::kStays;
    case Script::Kind::kLine:
      if (take_line(line)) return Progress::kDone;
      if (input_.size() <= kKept) return Progress::kWaits;
      move = stop("500 5.5.6 Error: line too long\r\n", "a line without an end");
      return Progress::kStays;
    case Script::Kind::kContent:
      return content();
    case Script::Kind::kSome:
      return input_.empty() ? Progress::kWaits : Progress::kDone;
    case Script::Kind::kTls:
      hand_shaking_ = true;
      input_.clear();
      move.kind = Kind::kTls;
      return Progress::kDone;
    case Script::Kind::kNoise:
      if (input_.empty()) return Progress::kWaits;  // it answers something
      move.kind = Kind::kNoise;
      return Progress::kDone;
    case Script::Kind::kClose:
      stopped_ = closed_ = true;
      move.kind = Kind::kClose;
      return Progress::kStays;
  }
  return Progress::kWaits;
}

ScriptPlayer::Progress ScriptPlayer::verb(const Script::Step& step, std::string_view line,
                                          Move& move) {
  const std::string word = first_word(line);
  const bool bdat = step.kind == Script::Kind::kChunk;
  const std::string_view wanted = bdat ? std::string_view("BDAT") : std::string_view(step.text);
  if (word != wanted) {
    if (word == "NOOP" && all_answered()) {
      move = {Kind::kSay, kOk};
    } else if (word == "QUIT") {
      move = stop(kBye, {});
    } else {
      move = stop("503 5.5.1 Error: not in this dialogue\r\n", "line " + std::to_string(step.line) +
                                                                   ": " + std::string(wanted) +
                                                                   " was expected, not " + word);
    }
    return Progress::kStays;
  }
  if (!bdat) return Progress::kDone;
  chunk_left_ = 0;
  const size_t count = std::min(line.find_first_of("0123456789"), line.size());
  std::from_chars(line.data() + count, line.data() + line.size(), chunk_left_);
  in_chunk_ = true;
  return chunk();
}

ScriptPlayer::Progress ScriptPlayer::chunk() {
  const size_t n = std::min<uint64_t>(chunk_left_, input_.size());
  input_.erase(0, n);
  chunk_left_ -= n;
  if (chunk_left_ > 0) return Progress::kWaits;
  in_chunk_ = false;
  return Progress::kDone;
}

ScriptPlayer::Progress ScriptPlayer::content() {
  std::string_view rest = input_;
  auto step = smtp::DotDecoder::Step::kContent;
  while (step == smtp::DotDecoder::Step::kContent) {
    size_t used = 0;
    std::string_view text;
    step = decoder_.feed(rest, used, text);
    rest.remove_prefix(used);
  }
  input_.erase(0, input_.size() - rest.size());
  if (step != smtp::DotDecoder::Step::kEnd) return Progress::kWaits;
  decoder_.reset();
  return Progress::kDone;
}

}  // namespace volley::sink
