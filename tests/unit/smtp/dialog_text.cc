#include "dialog_text.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "dialog.h"

namespace volley::smtp::testing {
namespace {

// Shorthands become plain directives.
std::vector<std::string> expand(const std::string& line) {
  std::vector<std::string> w = words(line);
  if (w.empty() || (w[0] != "ready" && w[0] != "hello")) return {line};
  std::vector<std::string> out{"< 220 mx.example.net ESMTP", "> EHLO client.example.com"};
  if (w.size() > 1 && w[1] == "helo") {
    return {out[0], out[1], "< 502 what", "> HELO client.example.com", "< 250 hi", "? ready"};
  }
  std::string reply = "< 250";
  std::string name = "mx.example.net";
  for (size_t i = 1; i <= w.size(); ++i) {
    out.push_back(reply + (i == w.size() ? " " : "-"));
    out.back() += name;
    if (i < w.size()) name = unescape(w[i]);
  }
  if (w[0] == "ready") out.push_back("? ready");
  return out;
}

std::string describe(const Outcome& outcome, uint32_t limit = 0) {
  std::string out = to_string(outcome.kind);
  out += " " + std::to_string(outcome.reply.code) + " " + to_string(outcome.stage);
  if (outcome.local) out += " local=" + outcome.local->str();
  if (outcome.here_only) out += " here";
  if (limit > 0) out += " limit=" + std::to_string(limit);
  if (outcome.retry_now) out += " now";
  return out;
}

}  // namespace

std::string unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '{') {
      const size_t star = text.find('*', i), end = text.find('}', i);
      if (star != std::string_view::npos && end != std::string_view::npos && star < end) {
        const std::string piece = unescape(text.substr(star + 1, end - star - 1));
        for (int n = std::stoi(std::string(text.substr(i + 1, star - i - 1))); n > 0; --n) {
          out += piece;
        }
        i = end;
        continue;
      }
    }
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    const char c = text[++i];
    if (c == 'r') {
      out += '\r';
    } else if (c == 'n') {
      out += '\n';
    } else if (c == 's') {
      out += ' ';
    } else if (c == 'x') {
      out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
      i += 2;
    } else {
      out += c;
    }
  }
  return out;
}

std::vector<std::string> words(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> out;
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

std::string quirk_names(Quirks quirks) {
  std::string out;
  if (quirks & kNoPipelining) out += " nopipe";
  if (quirks & kNoTls) out += " notls";
  if (quirks & kNeedsRset) out += " rset";
  if (quirks & kHeloOnly) out += " helo";
  if (quirks & kNoParameters) out += " noparams";
  if (quirks & kNoChunking) out += " nobdat";
  if (quirks & kNoDsn) out += " nodsn";
  if (quirks & kNoCrossMessage) out += " nocross";
  return out;
}

std::string describe(const ClientEvent& event) {
  if (std::holds_alternative<Ready>(event)) return "ready";
  if (std::holds_alternative<NeedTls>(event)) return "needtls";
  if (const auto* rcpt = std::get_if<RcptResult>(&event)) {
    return "rcpt " + std::to_string(rcpt->txn) + " " + std::to_string(rcpt->rcpt) + " " +
           describe(rcpt->outcome);
  }
  if (const auto* result = std::get_if<TxnResult>(&event)) {
    const auto took = std::chrono::duration_cast<std::chrono::seconds>(result->rcpt_time).count();
    return "result " + std::to_string(result->txn) + " " +
           describe(result->outcome, result->rcpt_limit) + " took=" + std::to_string(took) + "/" +
           std::to_string(result->rcpt_replies);
  }
  const auto& closed = std::get<Closed>(event);
  return std::string("closed ") + to_string(closed.reason) + " " +
         describe(closed.outcome, closed.message_limit);
}

bool fits(const std::string& expected, const std::string& got) {
  const auto e = words(expected), g = words(got);
  size_t at = 0;
  for (const std::string& word : e) {
    while (at < g.size() && g[at] != word) ++at;
    if (at++ >= g.size()) return false;
  }
  return std::all_of(g.begin(), g.end(), [&](const std::string& word) {
    const bool must = word == "now" || word == "here" || word.starts_with("limit=");
    return !must || std::find(e.begin(), e.end(), word) != e.end();
  });
}

std::vector<Dialog> load_dialogs(const std::string& directory) {
  std::vector<Dialog> out;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() != ".dlg") continue;
    Dialog dialog;
    dialog.path = entry.path().string();
    dialog.name = entry.path().stem().string();
    std::ifstream in(entry.path());
    for (std::string line; std::getline(in, line);) {
      const auto w = words(line);
      if (w.empty() || w[0][0] == '#') continue;
      if (w[0] == "row") {
        for (size_t i = 1; i < w.size(); ++i) dialog.rows.push_back(std::stoi(w[i]));
        continue;
      }
      for (std::string& plain : expand(line)) dialog.lines.push_back(std::move(plain));
    }
    out.push_back(std::move(dialog));
  }
  std::sort(out.begin(), out.end(),
            [](const Dialog& a, const Dialog& b) { return a.name < b.name; });
  return out;
}

size_t server_bytes(const Dialog& dialog) {
  size_t n = 0;
  for (const std::string& line : dialog.lines) {
    if (line.starts_with("<raw "))
      n += unescape(line.substr(5)).size();
    else if (line[0] == '<')
      n += (line.size() > 2 ? line.size() - 2 : 0) + 2;
  }
  return n;
}

}  // namespace volley::smtp::testing
