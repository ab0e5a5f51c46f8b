#include "bench/ceiling_plan.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string_view>

namespace volley::bench {
namespace {

constexpr char kUsage[] =
    "usage: ceiling --to HOST:PORT --message FILE --recipients FILE --messages N [--connections N] "
    "[--per-connection N] [--bdat [--in-flight N]]";

sockaddr_in parse_loopback(const std::string& text) {
  const size_t colon = text.rfind(':');
  sockaddr_in address{};
  address.sin_family = AF_INET;
  if (colon == std::string::npos ||
      inet_pton(AF_INET, text.substr(0, colon).c_str(), &address.sin_addr) != 1) {
    fail(text + ": HOST:PORT, an IPv4 address");
  }
  if (ntohl(address.sin_addr.s_addr) >> 24 != 127) fail(text + ": not loopback");
  address.sin_port =
      htons(static_cast<uint16_t>(std::strtoul(text.c_str() + colon + 1, nullptr, 10)));
  return address;
}

std::string read_whole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) fail(path + ": cannot be read");
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

}  // namespace

[[noreturn]] void fail(const std::string& why) {
  std::fprintf(stderr, "ceiling: %s\n", why.c_str());
  std::exit(1);
}

Options parse(int argc, char** argv) {
  Options out;
  bool to = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--bdat") {
      out.bdat = true;
      continue;
    }
    if (i + 1 == argc) fail(kUsage);
    const std::string value = argv[++i];
    const size_t number = std::strtoul(value.c_str(), nullptr, 10);
    if (name == "--to") {
      out.to = parse_loopback(value);
      to = true;
    } else if (name == "--message") {
      out.message_file = value;
    } else if (name == "--recipients") {
      out.recipients_file = value;
    } else if (name == "--messages") {
      out.messages = number;
    } else if (name == "--connections") {
      out.connections = number;
    } else if (name == "--per-connection") {
      out.per_connection = number;
    } else if (name == "--in-flight") {
      out.in_flight = number;
    } else {
      fail(std::string(name) + ": no such option");
    }
  }
  if (!to || out.messages == 0 || out.connections == 0 || out.in_flight == 0) fail(kUsage);
  if (out.in_flight > 1 && !out.bdat) fail("--in-flight is for --bdat");
  return out;
}

Plan prepare(const Options& options) {
  Plan plan;
  std::string verbatim;
  const std::string message = read_whole(options.message_file);
  for (size_t at = 0; at < message.size();) {
    const size_t end = std::min(message.find('\n', at), message.size());
    std::string_view line(message.data() + at, end - at);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (!line.empty() && line.front() == '.') plan.text += '.';
    plan.text.append(line).append("\r\n");
    verbatim.append(line).append("\r\n");
    at = end + 1;
  }
  plan.text += ".\r\n";
  plan.bdat = ">\r\nBDAT " + std::to_string(verbatim.size()) + " LAST\r\n" + verbatim;
  std::ifstream in(options.recipients_file);
  for (std::string line; std::getline(in, line);) plan.recipients.push_back(line);
  if (plan.recipients.empty()) fail(options.recipients_file + ": no recipients");
  return plan;
}

}  // namespace volley::bench
