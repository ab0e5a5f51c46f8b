#include "tests/unit/delivery/scripted_zone.h"

#include <algorithm>

namespace volley::delivery {
namespace {

constexpr uint16_t kA = 1, kCname = 5, kMx = 15, kTxt = 16, kAaaa = 28, kTlsa = 52, kAnything = 0;
constexpr uint16_t kAuthenticated = 0x0020;

uint16_t type_called(const std::string& name) {
  static const std::map<std::string, uint16_t> kTypes{
      {"a", kA}, {"aaaa", kAaaa}, {"mx", kMx}, {"cname", kCname}, {"txt", kTxt}, {"tlsa", kTlsa}};
  const auto found = kTypes.find(name);
  return found == kTypes.end() ? kAnything : found->second;
}

// _25._tcp.mx.example.net: scripts speak of the host.
std::string host_of(std::string name, uint16_t type) {
  if (type != kTlsa) return name;
  const size_t host = name.find("._tcp.");
  return host == std::string::npos ? name : name.substr(host + 6);
}

std::string rdata_of(uint16_t type, const std::string& text) {
  if (type != kA && type != kAaaa) return dns::Packet::encoded(text == "." ? "" : text);
  const auto address = net::Endpoint::from_ip(text, 0);
  if (!address) return {};
  const size_t size = address->family() == net::Endpoint::Family::kV4 ? 4 : 16;
  return {reinterpret_cast<const char*>(address->bytes().data()), size};
}

}  // namespace

std::vector<std::string> expand_range(const std::string& text) {
  const size_t open = text.find('{'), dots = text.find("..", open), close = text.find('}', open);
  if (open == std::string::npos || dots == std::string::npos || close == std::string::npos) {
    return {text};
  }
  const int first = std::stoi(text.substr(open + 1)), last = std::stoi(text.substr(dots + 2));
  std::vector<std::string> out;
  for (int i = first; i <= last; ++i) {
    for (std::string& rest : expand_range(text.substr(close + 1))) {
      out.push_back(text.substr(0, open) + std::to_string(i) + rest);
    }
  }
  return out;
}

unsigned ScriptedZone::code_of(Fault fault) {
  switch (fault) {
    case Fault::kServFail:
      return 2;
    case Fault::kNxDomain:
      return 3;
    case Fault::kRefused:
      return 5;
    case Fault::kNone:
    case Fault::kSilent:
      break;
  }
  return 0;
}

std::string ScriptedZone::say(const std::vector<std::string>& words) {
  if (words.size() < 2) return "dns NAME TYPE ...";
  Entry entry;
  const std::string& name = words[0];
  uint16_t type = type_called(words[1]);
  static const std::map<std::string, Fault> kFaults{{"servfail", Fault::kServFail},
                                                    {"bogus", Fault::kServFail},
                                                    {"refused", Fault::kRefused},
                                                    {"silent", Fault::kSilent},
                                                    {"nxdomain", Fault::kNxDomain}};
  const bool whole_name = words[1] == "nxdomain";
  if (type == kAnything && !whole_name) return "no such type: " + words[1];
  uint16_t preference = 0;
  for (size_t i = whole_name ? 1 : 2; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (const auto fault = kFaults.find(word); fault != kFaults.end()) {
      entry.fault = fault->second;
    } else if (word.starts_with("ttl=")) {
      entry.ttl = static_cast<uint32_t>(std::stoul(word.substr(4)));
    } else if (word == "secure") {
      entry.secure = true;
    } else if (word == "nodata") {
      continue;
    } else if (type == kMx && word.find_first_not_of("0123456789") == std::string::npos) {
      preference = static_cast<uint16_t>(std::stoul(word));
    } else {
      if (type == kCname) entry.target = word;
      for (const std::string& one : expand_range(word)) {
        entry.data.emplace_back(preference, rdata_of(type, one));
        if (entry.data.back().second.empty()) return "no address: " + one;
      }
    }
  }
  const std::lock_guard lock(mutex_);
  if (whole_name) {
    std::erase_if(entries_, [&](const auto& known) { return known.first.first == name; });
  } else {
    entries_.erase({name, kAnything});
  }
  entries_[{name, type}] = std::move(entry);
  return {};
}

const ScriptedZone::Entry* ScriptedZone::find(const std::string& name, uint16_t type) const {
  const auto found = entries_.find({name, type});
  return found == entries_.end() ? nullptr : &found->second;
}

bool ScriptedZone::exists(const std::string& name) const {
  const auto first = entries_.lower_bound({name, kA});
  return first != entries_.end() && first->first.first == name;
}

std::optional<dns::Packet> ScriptedZone::answer(const dns::FakeQuestion& question) {
  const std::lock_guard lock(mutex_);
  const std::string name = host_of(question.name, question.type);
  ++asked_[{name, question.type}];
  const Entry* alias = find(name, kCname);
  const std::string& owner = alias == nullptr ? name : alias->target;
  const Entry* entry = find(owner, question.type);
  if (entry == nullptr) entry = find(owner, kAnything);
  static const Entry kNobody{.fault = Fault::kNxDomain}, kNothing{};
  const Entry& found = entry != nullptr ? *entry : exists(owner) ? kNothing : kNobody;
  if (found.fault == Fault::kSilent) {
    on_silence();
    return std::nullopt;
  }
  const bool secure = found.secure && (alias == nullptr || alias->secure);
  const auto flags = static_cast<uint16_t>(dns::Packet::kReply | code_of(found.fault) |
                                           (secure ? kAuthenticated : 0));
  dns::Packet reply(question.name, question.type, flags);
  if (alias != nullptr) reply.cname(name, alias->ttl, alias->target);
  const bool answers = found.fault == Fault::kNone || found.fault == Fault::kNxDomain;
  if (answers && found.data.empty()) reply.soa("example", found.ttl, found.ttl);
  for (const auto& [preference, data] : found.data) {
    std::string rdata = data;
    if (question.type == kMx) {
      rdata.insert(0, {static_cast<char>(preference >> 8), static_cast<char>(preference)});
    }
    reply.record(dns::Packet::kAnswer, question.type == kTlsa ? question.name : owner,
                 question.type, found.ttl, rdata);
  }
  return std::move(reply.opt());
}

int ScriptedZone::asked(const std::string& type, const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto found = asked_.find({name, type_called(type)});
  return found == asked_.end() ? 0 : found->second;
}

}  // namespace volley::delivery
