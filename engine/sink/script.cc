#include "engine/sink/script.h"

#include <algorithm>
#include <utility>

#include "engine/sink/escapes.h"

namespace volley::sink {
namespace {

std::string_view word_of(std::string_view& rest) {
  const size_t begin = std::min(rest.find_first_not_of(" \t"), rest.size());
  const size_t end = std::min(rest.find_first_of(" \t", begin), rest.size());
  const std::string_view word = rest.substr(begin, end - begin);
  rest.remove_prefix(end);
  return word;
}

std::string upper(std::string_view word) {
  std::string out(word);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

// Turns the lines of a file into steps.
class Reader {
 public:
  Status read(std::string_view line, int number) {
    number_ = number;
    std::string_view rest = line;
    const std::string_view word = word_of(rest);
    if (word.empty() || word[0] == '#' || word[0] == '?') return {};
    any_ = true;
    const std::string_view text =
        line.substr(std::min(line.find(word) + word.size() + 1, line.size()));
    if (word == "<") {
      say(std::string(text) + "\r\n", text);
      return {};
    }
    if (word == "<raw") {
      auto bytes = unescape(text);
      if (!bytes) return Error{Errc::kData, where() + bytes.error().message};
      say(*bytes, *bytes);
      return {};
    }
    if (word == ">") return expect(text);
    if (word == "ready" || word == "hello") return ready(rest);
    if (word == "tls") {
      add(Script::Kind::kTls);
    } else if (word == "tlsfail") {
      add(Script::Kind::kNoise);
    } else if (word == "eof") {
      add(Script::Kind::kClose);
    } else if (word == ">bdat") {
      add(Script::Kind::kChunk);
    } else if (word == ">part") {
      add(Script::Kind::kSome);
    } else {
      static constexpr std::string_view kClients[] = {"row",  "option",  "submit", "quit",
                                                      "wait", "timeout", ">none"};
      if (std::find(std::begin(kClients), std::end(kClients), word) == std::end(kClients)) {
        return Error{Errc::kData, where() + "no directive: " + std::string(word)};
      }
    }
    return {};
  }

  bool any() const { return any_; }
  std::vector<Script::Step> take() { return std::move(steps_); }

 private:
  std::string where() const { return "line " + std::to_string(number_) + ": "; }

  void add(Script::Kind kind, std::string text = {}) {
    steps_.push_back({kind, std::move(text), number_});
  }

  void say(const std::string& bytes, std::string_view reply) {
    if (steps_.empty() || steps_.back().kind != Script::Kind::kSay) add(Script::Kind::kSay);
    steps_.back().text += bytes;
    in_content_ = in_content_ || (data_asked_ && reply.starts_with("354"));
    challenged_ = reply.starts_with("334");
  }

  Status expect(std::string_view line) {
    if (in_content_) {
      if (line != ".") return {};
      in_content_ = data_asked_ = false;
      add(Script::Kind::kContent);
      return {};
    }
    if (std::exchange(challenged_, false)) {
      add(Script::Kind::kLine);
      return {};
    }
    std::string verb = upper(word_of(line));
    if (verb.empty()) return Error{Errc::kData, where() + "a client's line without a word"};
    data_asked_ = verb == "DATA";
    if (verb == "BDAT") {
      add(Script::Kind::kChunk);
    } else {
      add(Script::Kind::kVerb, std::move(verb));
    }
    return {};
  }

  // Greeting and EHLO with these keywords, `\s` for the space in one; `ready helo`: EHLO is refused.
  Status ready(std::string_view keywords) {
    say("220 mx.example.net ESMTP\r\n", {});
    add(Script::Kind::kVerb, "EHLO");
    std::vector<std::string> lines{"mx.example.net"};
    for (auto word = word_of(keywords); !word.empty(); word = word_of(keywords)) {
      std::string spaced;
      for (size_t i = 0; i < word.size(); ++i) {
        const bool blank = word.substr(i).starts_with("\\s");
        spaced += blank ? ' ' : word[i];
        i += blank;
      }
      auto keyword = unescape(spaced);
      if (!keyword) return Error{Errc::kData, where() + keyword.error().message};
      lines.push_back(std::move(*keyword));
    }
    if (lines.size() > 1 && lines[1] == "helo") {
      say("502 what\r\n", {});
      add(Script::Kind::kVerb, "HELO");
      say("250 hi\r\n", {});
      return {};
    }
    for (size_t i = 0; i < lines.size(); ++i) {
      say((i + 1 == lines.size() ? "250 " : "250-") + lines[i] + "\r\n", {});
    }
    return {};
  }

  std::vector<Script::Step> steps_;
  int number_ = 0;
  bool any_ = false;
  bool data_asked_ = false;  // the last command was DATA
  bool in_content_ = false;
  bool challenged_ = false;
};

}  // namespace

Result<Script> Script::parse(std::string_view text) {
  Reader reader;
  for (int number = 1; !text.empty(); ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (Status status = reader.read(line, number); !status) return status.error();
  }
  Script script;
  if (!reader.any()) return Error{Errc::kData, "a dialogue without a line"};
  script.steps_ = reader.take();
  return script;
}

}  // namespace volley::sink
