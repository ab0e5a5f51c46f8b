// Builds DNS replies byte by byte, for tests.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace volley::dns {

class Packet {
 public:
  // The flags of a recursive server's reply; add rcode, AA (0x0400), AD (0x0020).
  static constexpr uint16_t kReply = 0x8180;

  explicit Packet(std::string_view question, uint16_t type, uint16_t flags = kReply) {
    u16(0x1234).u16(flags).u16(1).u16(0).u16(0).u16(0);
    name(question).u16(type).u16(1);
  }
  Packet& u8(unsigned v) {
    bytes.push_back(static_cast<uint8_t>(v));
    return *this;
  }
  Packet& u16(unsigned v) { return u8(v >> 8 & 255).u8(v & 255); }
  Packet& u32(uint32_t v) { return u16(v >> 16).u16(v & 0xffff); }
  Packet& name(std::string_view text) {
    while (!text.empty()) {
      size_t dot = text.find('.');
      std::string_view label = text.substr(0, dot);
      u8(static_cast<unsigned>(label.size()));
      for (char c : label) u8(static_cast<unsigned char>(c));
      text = dot == text.npos ? "" : text.substr(dot + 1);
    }
    return u8(0);
  }
  static std::string encoded(std::string_view text) {
    Packet p("", 1);
    p.bytes.clear();
    p.name(text);
    return {p.bytes.begin(), p.bytes.end()};
  }
  enum Section { kAnswer = 6, kAuthority = 8, kAdditional = 10 };  // offsets of the counts
  Packet& record(Section section, std::string_view owner, unsigned type, uint32_t ttl,
                 std::string_view data) {
    unsigned count = bytes[section] << 8 | bytes[section + 1];
    bytes[section] = static_cast<uint8_t>((count + 1) >> 8);
    bytes[section + 1] = static_cast<uint8_t>(count + 1);
    name(owner).u16(type).u16(1).u32(ttl).u16(static_cast<unsigned>(data.size()));
    for (char c : data) u8(static_cast<unsigned char>(c));
    return *this;
  }
  Packet& mx(std::string_view owner, uint32_t ttl, unsigned preference, std::string_view host) {
    std::string data{static_cast<char>(preference >> 8), static_cast<char>(preference)};
    return record(kAnswer, owner, 15, ttl, data + encoded(host));
  }
  Packet& cname(std::string_view owner, uint32_t ttl, std::string_view target) {
    return record(kAnswer, owner, 5, ttl, encoded(target));
  }
  Packet& txt(std::string_view owner, uint32_t ttl, std::initializer_list<std::string> strings) {
    std::string data;
    for (const std::string& s : strings) data += static_cast<char>(s.size()) + s;
    return record(kAnswer, owner, 16, ttl, data);
  }
  Packet& tlsa(std::string_view owner, uint32_t ttl, std::string_view data) {
    return record(kAnswer, owner, 52, ttl, data);
  }
  Packet& soa(std::string_view owner, uint32_t ttl, uint32_t minimum) {
    Packet tail("", 1);
    tail.bytes.clear();
    tail.name("ns.example").name("root.example").u32(1).u32(2).u32(3).u32(4).u32(minimum);
    return record(kAuthority, owner, 6, ttl,
                  {reinterpret_cast<char*>(tail.bytes.data()), tail.bytes.size()});
  }
  Packet& opt() { return record(kAdditional, "", 41, 0, ""); }

  std::vector<uint8_t> bytes;
};

}  // namespace volley::dns
