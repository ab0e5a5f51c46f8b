// Writes varied messages, rendered and signed, for dkim_verify.py to read with other people's code.
//
// Usage   message_corpus COUNT SEED: JSON lines on standard output; the first has the DNS records, the others what went in
//         and, as hex, what came out. Texts are given as pieces, ["lit", text] or ["val", text], so that the reader forms its own
//         opinion of escaping and line ends.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "base/random.h"
#include "engine/message/dkim.h"
#include "engine/message/renderer.h"

namespace volley::message {
namespace {

using nlohmann::json;

constexpr size_t kColumns = 6;

class Corpus {
 public:
  explicit Corpus(uint64_t seed) : random_(seed) {}

  json next(uint64_t number, const DkimKeyRing& ring);

 private:
  struct Pieces {
    std::string text;  // the template
    json list = json::array();
  };

  uint64_t below(uint64_t n) { return random_.below(n); }
  bool chance(uint64_t percent) { return below(100) < percent; }
  std::string character(unsigned kind);
  std::string words(size_t most, bool one_line);
  std::string body_literal();
  std::string file_name();
  Pieces pieces(bool body);
  json files(std::vector<Attachment>& into, bool shown_inline);

  Random random_;
  std::vector<std::string> values_;
};

std::string Corpus::character(unsigned kind) {
  static constexpr std::array kLatin = {"é", "ü", "ß", "ñ", "€", "“"};
  static constexpr std::array kFar = {"П", "р", "и", "漢", "字", "ع", "ש", "한"};
  static constexpr std::array kRare = {"💌", "👩‍🚀", "e\u0301", "\u200b", "\u00a0", "𝔘"};
  static constexpr std::string_view kOdd = "=?_.,;:<>()[]@\\\"'&%$#!~^`|+-*/";
  switch (kind) {
    case 0:
      return std::string(1, static_cast<char>('a' + below(26)));
    case 1:
      return std::string(1, kOdd[below(kOdd.size())]);
    case 2:
      return kLatin[below(kLatin.size())];
    case 3:
      return kFar[below(kFar.size())];
    default:
      return kRare[below(kRare.size())];
  }
}

std::string Corpus::words(size_t most, bool one_line) {
  std::string text;
  const uint64_t flavour = below(5);
  const size_t size = below(most + 1);
  while (text.size() < size) {
    const uint64_t pick = below(100);
    if (pick < 14) {
      text += std::string(chance(15) ? 1 + below(5) : 1, ' ');
    } else if (pick < 15) {
      text += one_line ? " " : (chance(50) ? "\t" : " \t ");
    } else if (pick < 20 && !one_line) {
      static constexpr std::array kEnds = {"\r\n",  "\n",    "\r",     "\r\n\r\n",
                                           " \r\n", "\n.\n", "\nFrom "};
      text += kEnds[below(kEnds.size())];
    } else {
      text += character(chance(80) ? 0 : static_cast<unsigned>(flavour));
    }
  }
  return text;
}

std::string Corpus::body_literal() {
  switch (below(12)) {
    case 0:
      return "";
    case 1:
      return std::string(900 + below(1500), 'w');  // one long line
    case 2:
      return ".\r\n..\r\n.x\r\n";
    case 3:
      return "trailing  \t\r\n \r\n\r\n\r\n";
    case 4:
      return "From the start\r\n--=_a_0000\r\n";
    default:
      return words(3000, false);
  }
}

Corpus::Pieces Corpus::pieces(bool body) {
  Pieces out;
  for (uint64_t n = below(4);; --n) {
    const std::string literal = body ? body_literal() : words(90, true);
    out.text += literal;
    out.list.push_back({"lit", literal});
    if (n == 0) return out;
    const uint64_t column = below(kColumns);
    out.text += "{{v" + std::to_string(column) + "}}";
    out.list.push_back({"val", values_[column]});
  }
}

std::string Corpus::file_name() {
  std::string name;
  for (uint64_t n = 1 + below(chance(10) ? 120 : 20); n > 0; --n) {
    std::string c = character(static_cast<unsigned>(below(5)));
    name += c == "/" ? "-" : c;
  }
  return "f" + name + ".bin";
}

json Corpus::files(std::vector<Attachment>& into, bool shown_inline) {
  json list = json::array();
  for (uint64_t n = chance(25) ? 1 + below(3) : 0; n > 0; --n) {
    Attachment file{file_name(), "application/x-test", "", ""};
    if (shown_inline) file.cid = "part" + std::to_string(n) + "@example.com";
    for (uint64_t size = below(2000); size > 0; --size) file.bytes += static_cast<char>(below(256));
    const auto* raw = reinterpret_cast<const uint8_t*>(file.bytes.data());
    list.push_back(
        {{"name", file.name}, {"cid", file.cid}, {"hex", to_hex(raw, file.bytes.size())}});
    into.push_back(std::move(file));
  }
  return list;
}

json Corpus::next(uint64_t number, const DkimKeyRing& ring) {
  std::vector<std::string> columns;
  values_.clear();
  for (size_t i = 0; i < kColumns; ++i) {
    columns.push_back("v" + std::to_string(i));
    values_.push_back(chance(20) ? "" : words(i > 0 && chance(20) ? 400 : 30, false));
  }
  Content content;
  content.id = "corpus " + std::to_string(number);
  const Pieces subject = pieces(false), odd = pieces(false), to = pieces(false);
  const std::string name = words(40, true);
  std::string quoted;
  for (char c : name) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  content.from = "\"" + quoted + "\" <news@example.com>";
  content.subject = subject.text;
  // A '<' in the template would begin the address form of `to`.
  const bool named = to.text.find('<') == std::string::npos;
  if (named) content.to = to.text;
  content.headers = {{"X-Odd", odd.text}};
  json out = {{"subject", subject.list}, {"odd", odd.list}, {"from", name}};
  out["to"] = named ? to.list : json::array();
  const uint64_t kind = below(3);
  if (kind != 1) {
    const Pieces text = pieces(true);
    content.text = PartText{"t", text.text};
    out["text"] = text.list;
  }
  if (kind != 0) {
    const Pieces html = pieces(true);
    content.html = PartText{"h", html.text};
    out["html"] = html.list;
    out["inline"] = files(content.inline_parts, true);
  }
  out["attached"] = files(content.attachments, false);
  if (chance(30)) content.list_unsubscribe = {"https://example.com/u?x={{v0}}"};

  auto renderer = Renderer::compile(content, columns);
  if (!renderer.ok()) {
    std::cerr << "compile: " << renderer.error().message << '\n';
    std::exit(1);
  }
  const std::vector<std::string_view> row(values_.begin(), values_.end());
  std::string message;
  const Stamp stamp{from_ms(1'700'000'000'000), "mail.example.com"};
  const std::string address = number % 10 == 0 ? "jörg.漢字@example.org" : "someone@example.org";
  out["address"] = address;
  Status status = (*renderer)->render({number, address, row}, stamp, message);
  if (status.ok()) status = dkim_sign(message, ring.find("example.com"), stamp.date);
  if (!status.ok()) {
    std::cerr << "render: " << status.error().message << '\n';
    std::exit(1);
  }
  out["message"] = to_hex(reinterpret_cast<const uint8_t*>(message.data()), message.size());
  return out;
}

int run(uint64_t count, uint64_t seed) {
  auto rsa = DkimKey::generate(DkimAlgorithm::kRsaSha256, 2048);
  auto ed = DkimKey::generate(DkimAlgorithm::kEd25519Sha256);
  if (!rsa.ok() || !ed.ok()) return 1;
  std::cout << json{{"r._domainkey.example.com", rsa->dns_record()},
                    {"e._domainkey.example.com", ed->dns_record()}}
            << '\n';
  DkimKeyRing ring;
  ring.add({"example.com", "r", std::move(*rsa)});
  ring.add({"example.com", "e", std::move(*ed)});
  Corpus corpus(seed);
  for (uint64_t i = 1; i <= count; ++i) std::cout << corpus.next(i, ring) << '\n';
  return 0;
}

}  // namespace
}  // namespace volley::message

int main(int argc, char** argv) {
  if (argc != 3) return 64;
  return volley::message::run(std::strtoull(argv[1], nullptr, 10),
                              std::strtoull(argv[2], nullptr, 10));
}
