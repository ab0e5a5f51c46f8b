#include "tests/unit/delivery/delivery_dialog.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <sstream>
#include <vector>

#include "tests/unit/delivery/scripted_world.h"

namespace volley::delivery::testing {
namespace {

using Words = std::vector<std::string>;

Words words_of(const std::string& line) {
  std::istringstream in(line);
  Words out;
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

std::optional<Duration> time_of(const std::string& text) {
  size_t digits = 0;
  const int n = std::stoi(text, &digits);
  const std::string unit = text.substr(digits);
  if (unit == "s") return std::chrono::seconds(n);
  if (unit == "m") return std::chrono::minutes(n);
  if (unit == "h") return std::chrono::hours(n);
  return std::nullopt;
}

const char* name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kDelivered:
      return "delivered";
    case Verdict::kBounced:
      return "bounced";
    case Verdict::kExpired:
      return "expired";
    case Verdict::kSuppressed:
      return "suppressed";
    case Verdict::kDeferred:
      return "deferred";
    case Verdict::kInDoubt:
      return "indoubt";
  }
  return "?";
}

std::string describe(const Record& r) {
  return fmt::format("{} {} {} {} {}", name_of(r.verdict), r.code, r.enhanced, r.host, r.text);
}

bool in_order(const Words& parts, size_t from, const std::string& text) {
  size_t at = 0;
  for (size_t i = from; i < parts.size(); ++i) {
    at = text.find(parts[i], at);
    if (at == std::string::npos) return false;
    at += parts[i].size();
  }
  return true;
}

class Player {
 public:
  explicit Player(const smtp::testing::Dialog& dialog) : dialog_(dialog) {}

  std::string play() {
    for (const std::string& line : dialog_.lines) {
      if (std::string wrong = step(line); !wrong.empty())
        return wrong.append("  (line: ").append(line).append(")");
    }
    return asserted_ ? "" : "nothing is expected";
  }

 private:
  std::string step(const std::string& line) {
    const Words w = words_of(line);
    if (w[0] == "option" && w.size() > 2) return option(w);
    if (w[0] == "dns") return world_.zone.say({w.begin() + 1, w.end()});
    if (w[0] == "host") return world_.hosts.say({w.begin() + 1, w.end()}, line);
    if (w[0] == "send" && w.size() == 3) return world_.send(w[1], std::stoi(w[2]));
    if (w[0] == "resume") {
      world_.resume();
      return {};
    }
    if (w[0] == "later" && w.size() == 2) {
      const auto length = time_of(w[1]);
      return length ? world_.later(*length) : "no such time";
    }
    asserted_ = true;
    if (w[0] == "?" && w.size() > 1) return expect(w, line);
    return "no such directive";
  }

  std::string option(const Words& w) {
    const bool on = w[2] == "on";
    Settings& settings = world_.settings;
    if (w[1] == "allow_private") {
      settings.dns.allow_private = on;
    } else if (w[1] == "ipv6") {
      settings.dns.ipv6 = on;
    } else if (w[1] == "dnssec") {
      settings.dns.trust_ad = settings.dane = on;
    } else if (w[1] == "connections") {
      SiteOverride all;
      all.match = "default";
      all.limits.connections = static_cast<uint32_t>(std::stoi(w[2]));
      settings.sites.push_back(all);
    } else if (w[1] == "return_path") {
      world_.return_path = w[2];
    } else {
      return "no such option";
    }
    return {};
  }

  std::string expect(const Words& w, const std::string& line) {
    if (w[1].find_first_not_of("0123456789") == std::string::npos) return expect_outcomes(w);
    if (w[1] == "waits") {
      const auto n = std::count_if(world_.people.begin(), world_.people.end(),
                                   [](const Person& p) { return p.waits && !p.over(); });
      return same(w, 2, n);
    }
    if (w[1] == "campaign") {
      const std::string got = world_.desk.paused.empty() ? "running" : world_.desk.paused.back();
      return has(line, w[1], got);
    }
    if (w[1] == "attempts") {
      return same(w, 2, world_.registry.total(metrics::Metric::kConnectionsFailed));
    }
    if (w[1] == "asked" && w.size() == 5) return same(w, 4, world_.zone.asked(w[2], w[3]));
    const bool of_host = w[1] == "connections" || w[1] == "mails" || w[1] == "most" ||
                         w[1] == "from" || w[1] == "envid";
    return of_host ? expect_host(w) : expect_site(w, line);
  }

  std::string expect_outcomes(const Words& w) {
    size_t n = 0;
    std::string others;
    for (const Person& person : world_.people) {
      if (person.last && in_order(w, 2, describe(*person.last))) {
        ++n;
      } else if (others.empty()) {
        others = person.address + " " + (person.last ? describe(*person.last) : "has no outcome");
      }
    }
    return std::to_string(n) == w[1] ? "" : fmt::format("{}; {}", n, others);
  }

  std::string expect_host(const Words& w) {
    const Peer* peer = w.size() > 3 ? world_.hosts.find(w[2]) : nullptr;
    if (peer == nullptr) return "no such host";
    if (w[1] == "connections") return same(w, 3, peer->connections);
    if (w[1] == "mails") return same(w, 3, peer->mails.size());
    if (w[1] == "most") return same(w, 3, peer->most_open);
    if (peer->mails.empty()) return "no mail there";
    const Peer::Mail& mail = peer->mails.back();
    const std::string& got = w[1] == "from" ? mail.from : mail.envid;
    return got == w[3] ? "" : w[1] + ": " + got;
  }

  std::string expect_site(const Words& w, const std::string& line) {
    if (!world_.path) return "no route";
    if (w[1] == "site") return has(line, w[1], world_.path->site);
    if (w[1] == "hosts") return same(w, 2, world_.path->hosts.size());
    const std::optional<SiteSnapshot> site = world_.site();
    if (!site) return "no such site";
    if (w[1] == "limited") return has(line, w[1], site->limited_by);
    if (w[1] == "limit") return same(w, 2, site->connection_limit);
    if (w[1] != "paused") return "no such expectation";
    const auto minutes = (site->paused_for_ms + 59'999) / 60'000;
    return w[2] == "no" && minutes == 0 ? "" : same(w, 2, minutes);
  }

  template <typename Number>
  static std::string same(const Words& w, size_t at, Number got) {
    if (w.size() <= at) return "how many?";
    return std::to_string(got) == w[at] ? "" : w[1] + ": " + std::to_string(got);
  }
  static std::string has(const std::string& line, const std::string& after,
                         const std::string& got) {
    const std::string text =
        line.substr(std::min(line.size(), line.find(after) + after.size() + 1));
    return !text.empty() && got.find(text) != std::string::npos ? "" : after + ": " + got;
  }

  const smtp::testing::Dialog& dialog_;
  World world_;
  bool asserted_ = false;
};

}  // namespace

std::string play(const smtp::testing::Dialog& dialog) { return Player(dialog).play(); }

std::set<int>& ShowsRow::all() {
  static std::set<int> rows;
  return rows;
}

}  // namespace volley::delivery::testing
