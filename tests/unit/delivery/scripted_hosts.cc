#include "tests/unit/delivery/scripted_hosts.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <sstream>

namespace volley::delivery {
namespace {

constexpr const char* kKeeper = "127.0.0.99";
constexpr const char* kSynSent = "02";  // of /proc/net/tcp

sockaddr_in address_of(const net::Endpoint& at) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(at.port());
  std::memcpy(&out.sin_addr, at.bytes().data(), 4);
  return out;
}

// "550 5.1.1 no such user"
std::optional<PeerReply> reply_of(const std::string& text) {
  std::istringstream in(text);
  PeerReply reply;
  if (!(in >> reply.code)) return std::nullopt;
  in >> std::ws;
  std::getline(in, reply.text);
  const size_t space = reply.text.find(' ');
  const std::string first = reply.text.substr(0, space);
  if (first.size() >= 5 && first.find_first_not_of("0123456789.") == std::string::npos) {
    reply.enhanced = first;
    reply.text = space == std::string::npos ? "" : reply.text.substr(space + 1);
  }
  return reply;
}

}  // namespace

SilentHost::SilentHost(const net::Endpoint& at) : at_(at) {
  const sockaddr_in address = address_of(at);
  const auto* where = reinterpret_cast<const sockaddr*>(&address);
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  filler_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  // A queue of none holds one; whoever comes then is not answered.
  if (::bind(listener_, where, sizeof address) != 0 || ::listen(listener_, 0) != 0 ||
      ::connect(filler_, where, sizeof address) != 0) {
    ::abort();
  }
}

SilentHost::~SilentHost() {
  ::close(filler_);
  ::close(listener_);
}

bool SilentHost::is_asked() const {
  uint32_t raw = 0;
  std::memcpy(&raw, at_.bytes().data(), sizeof raw);
  const std::string to = fmt::format("{:08X}:{:04X}", raw, at_.port());
  std::ifstream table("/proc/net/tcp");
  for (std::string line; std::getline(table, line);) {
    std::istringstream in(line);
    std::string number, local, remote, state;
    in >> number >> local >> remote >> state;
    if (remote == to && state == kSynSent) return true;
  }
  return false;
}

ScriptedHosts::ScriptedHosts(net::Loop& loop)
    : loop_(loop),
      tls_(std::move(*net::TlsContext::self_signed_server("mx.example.com"))),
      keeper_(std::make_unique<Peer>(loop, PeerScript{}, *net::Endpoint::from_ip(kKeeper, 0))) {}

std::string ScriptedHosts::say(const std::vector<std::string>& words, const std::string& line) {
  if (words.size() < 2) return "host ADDRESS ...";
  const auto at = net::Endpoint::from_ip(words[0], port());
  if (!at) return "no address: " + words[0];
  const std::string& what = words[1];
  if (what == "silent") {
    silent_.push_back(std::make_unique<SilentHost>(*at));
    return {};
  }
  auto& peer = peers_[words[0]];
  if (!peer) {
    PeerScript script;
    script.server.dsn = true;
    script.server.starttls = what == "tls";
    script.server.pipelining = what != "slow";  // so that each reply is awaited by itself
    script.tls = tls_.get();
    peer = std::make_unique<Peer>(loop_, std::move(script), *at);
  }
  if (what == "takes" || what == "tls") return {};
  const size_t rest = line.find(what, line.find(words[0]) + words[0].size()) + what.size();
  const std::string said = rest < line.size() ? line.substr(rest + 1) : "";
  const std::optional<PeerReply> reply = said == "ok" ? std::nullopt : reply_of(said);
  if (!reply && said != "ok") return "no reply: " + said;
  const auto always = [reply](const std::string&) { return std::optional<PeerReply>(reply); };
  if (what == "greeting") {
    peer->script.greeting = reply;
  } else if (what == "rcpt") {
    peer->script.on_rcpt = always;
  } else if (what == "data") {
    peer->script.on_data_end = always;
  } else if (what == "slow") {
    peer->script.rcpt_takes = std::chrono::seconds(reply ? reply->code : 0);
  } else {
    return "no such thing: " + what;
  }
  return {};
}

const Peer* ScriptedHosts::find(const std::string& address) const {
  const auto found = peers_.find(address);
  return found == peers_.end() ? nullptr : found->second.get();
}

bool ScriptedHosts::silence() const {
  return std::any_of(silent_.begin(), silent_.end(), [](const auto& h) { return h->is_asked(); });
}

bool ScriptedHosts::all_closed() const {
  return std::all_of(peers_.begin(), peers_.end(),
                     [](const auto& p) { return p.second->open == 0; });
}

}  // namespace volley::delivery
