#include "queue/url.h"

#include <fmt/format.h>

#include <charconv>

namespace volley::queue {

namespace {

Error bad(std::string_view why) {
  return {Errc::kConfig,
          fmt::format("queue URL: {}; it is redis://[user:password@]host[:port][/db] or "
                      "redis+unix://path[?db=n]",
                      why)};
}

template <typename T>
bool parse_number(std::string_view text, T& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// RFC 3986 section 2.1
bool percent_decode(std::string_view text, std::string& out) {
  out.clear();
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return false;
    const int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0) return false;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return true;
}

Result<QueueUrl> parse_unix(std::string_view rest) {
  QueueUrl url;
  url.unix_socket = true;
  const size_t question = rest.find("?db=");
  if (question != std::string_view::npos) {
    if (!parse_number(rest.substr(question + 4), url.database)) return bad("db is not a number");
    rest = rest.substr(0, question);
  }
  if (rest.empty() || rest[0] != '/') return bad("the socket's path is not absolute");
  if (!percent_decode(rest, url.host_or_path)) return bad("bad % escape");
  // sockaddr_un has room for 107 and a NUL.
  if (url.host_or_path.size() > 107) return bad("the socket's path is longer than 107 bytes");
  if (url.host_or_path.find('\0') != std::string::npos) return bad("NUL in the path");
  return url;
}

Result<QueueUrl> parse_tcp(std::string_view rest) {
  QueueUrl url;
  const size_t slash = rest.find('/');
  if (slash != std::string_view::npos) {
    const std::string_view db = rest.substr(slash + 1);
    if (!db.empty() && !parse_number(db, url.database)) return bad("database is not a number");
    rest = rest.substr(0, slash);
  }
  const size_t at = rest.rfind('@');
  if (at != std::string_view::npos) {
    const std::string_view credentials = rest.substr(0, at);
    const size_t colon = credentials.find(':');
    if (colon == std::string_view::npos) return bad("expected user:password before @");
    if (!percent_decode(credentials.substr(0, colon), url.user) ||
        !percent_decode(credentials.substr(colon + 1), url.password)) {
      return bad("bad % escape");
    }
    rest = rest.substr(at + 1);
  }
  if (!rest.empty() && rest[0] == '[') {
    const size_t close = rest.find(']');
    if (close == std::string_view::npos) return bad("unclosed [");
    url.host_or_path = rest.substr(1, close - 1);
    rest = rest.substr(close + 1);
  } else {
    const size_t colon = rest.find(':');
    url.host_or_path = rest.substr(0, colon);
    rest = colon == std::string_view::npos ? std::string_view() : rest.substr(colon);
  }
  if (!rest.empty() &&
      (rest[0] != ':' || !parse_number(rest.substr(1), url.port) || url.port == 0)) {
    return bad("bad port");
  }
  if (url.host_or_path.empty()) return bad("no host");
  return url;
}

}  // namespace

Result<QueueUrl> QueueUrl::parse(std::string_view text) {
  if (text.starts_with("redis+unix://")) return parse_unix(text.substr(13));
  if (text.starts_with("redis://")) return parse_tcp(text.substr(8));
  if (text.starts_with("rediss://"))
    return bad("TLS to Redis is not supported; use a tunnel or a Unix socket");
  return bad("unknown scheme");
}

std::string QueueUrl::str() const {
  if (unix_socket) {
    return database == 0 ? fmt::format("redis+unix://{}", host_or_path)
                         : fmt::format("redis+unix://{}?db={}", host_or_path, database);
  }
  const bool v6 = host_or_path.find(':') != std::string::npos;
  return fmt::format("redis://{}{}{}:{}/{}", v6 ? "[" : "", host_or_path, v6 ? "]" : "", port,
                     database);
}

}  // namespace volley::queue
