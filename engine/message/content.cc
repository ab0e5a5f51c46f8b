#include "engine/message/content.h"

#include "base/hash.h"

namespace volley::message {
namespace {

constexpr std::string_view kMagic = "VLYC";
constexpr char kVersion = 1;

class Writer {
 public:
  Writer(std::string& out, bool sources) : out_(out), sources_(sources) {}

  void number(uint64_t n) {
    for (int shift = 0; shift < 64; shift += 8) out_ += static_cast<char>(n >> shift & 0xFF);
  }
  void text(std::string_view s) {
    number(s.size());
    out_ += s;
  }
  void source(std::string_view s) { text(sources_ ? s : std::string_view()); }
  void part(const PartText& p) {
    source(p.source);
    text(p.text);
  }
  void part(const std::optional<PartText>& p) {
    number(p ? 1 : 0);
    if (p) part(*p);
  }
  void files(const std::vector<Attachment>& list) {
    number(list.size());
    for (const Attachment& file : list) {
      text(file.name);
      text(file.type);
      text(file.cid);
      text(file.bytes);
    }
  }

 private:
  std::string& out_;
  bool sources_;
};

// Every read is checked; after the first failure all reads give empty values.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  bool complete() const { return good_ && rest_.empty(); }
  uint64_t number() {
    uint64_t n = 0;
    const std::string_view raw = take(8);
    for (size_t i = 0; i < raw.size(); ++i) {
      n |= uint64_t{static_cast<unsigned char>(raw[i])} << (8 * i);
    }
    return n;
  }
  // A list's length: no more than there are bytes left, so that a damaged one cannot ask for all memory.
  uint64_t count() {
    const uint64_t n = number();
    if (n > rest_.size() / 8) good_ = false;
    return good_ ? n : 0;
  }
  std::string text() { return std::string(take(number())); }
  PartText part() {
    PartText p;
    p.source = text();
    p.text = text();
    return p;
  }
  std::optional<PartText> optional_part() {
    if (number() == 0) return std::nullopt;
    return part();
  }
  std::vector<Attachment> files() {
    std::vector<Attachment> list(count());
    for (Attachment& file : list) {
      file.name = text();
      file.type = text();
      file.cid = text();
      file.bytes = text();
    }
    return list;
  }

 private:
  std::string_view take(uint64_t size) {
    if (!good_ || size > rest_.size()) {
      good_ = false;
      return {};
    }
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  std::string_view rest_;
  bool good_ = true;
};

std::string encode(const Content& c, bool sources) {
  std::string out(kMagic);
  out += kVersion;
  Writer w(out, sources);
  w.text(c.id);
  w.number(c.literal ? 1 : 0);
  w.source(c.source);
  for (const std::string* s : {&c.from, &c.to, &c.subject, &c.reply_to, &c.return_path}) {
    w.text(*s);
  }
  w.part(c.text);
  w.part(c.html);
  w.number(c.headers.size());
  for (const auto& [name, value] : c.headers) {
    w.text(name);
    w.text(value);
  }
  w.number(c.list_unsubscribe.size());
  for (const std::string& uri : c.list_unsubscribe) w.text(uri);
  w.number(c.partials.size());
  for (const auto& [name, partial] : c.partials) {
    w.text(name);
    w.part(partial);
  }
  w.files(c.attachments);
  w.files(c.inline_parts);
  return out;
}

}  // namespace

std::string Content::to_bytes() const { return encode(*this, true); }

Result<Content> Content::from_bytes(std::string_view bytes) {
  if (!bytes.starts_with(kMagic) || bytes.size() <= kMagic.size()) {
    return Error{Errc::kData, "stored content is not Volley's: the queue holds something else"};
  }
  if (bytes[kMagic.size()] != kVersion) {
    return Error{Errc::kData, "stored content is of a newer Volley: upgrade this one"};
  }
  Reader r(bytes.substr(kMagic.size() + 1));
  Content c;
  c.id = r.text();
  c.literal = r.number() != 0;
  for (std::string* s : {&c.source, &c.from, &c.to, &c.subject, &c.reply_to, &c.return_path}) {
    *s = r.text();
  }
  c.text = r.optional_part();
  c.html = r.optional_part();
  c.headers.resize(r.count());
  for (auto& [name, value] : c.headers) {
    name = r.text();
    value = r.text();
  }
  c.list_unsubscribe.resize(r.count());
  for (std::string& uri : c.list_unsubscribe) uri = r.text();
  c.partials.resize(r.count());
  for (auto& [name, partial] : c.partials) {
    name = r.text();
    partial = r.part();
  }
  c.attachments = r.files();
  c.inline_parts = r.files();
  if (!r.complete()) return Error{Errc::kData, "stored content is damaged or cut short"};
  return c;
}

std::string Content::fingerprint() const { return to_hex(Sha256::of(encode(*this, false))); }

uint64_t Content::revision() const { return xxh64(encode(*this, false)); }

}  // namespace volley::message
