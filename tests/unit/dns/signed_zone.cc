#include "tests/unit/dns/signed_zone.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

namespace volley::dns {

namespace {

std::string contents(const std::string& path) {
  std::ifstream file(path);
  std::string text(std::istreambuf_iterator<char>(file), {});
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

}  // namespace

bool can_sign_zones() {
  return ::access("/usr/bin/ldns-keygen", X_OK) == 0 &&
         ::access("/usr/bin/ldns-signzone", X_OK) == 0;
}

std::string write_zone(const std::string& directory, const std::string& name,
                       const std::string& records) {
  std::string path = directory + "/" + name + ".zone";
  std::ofstream(path) << "$ORIGIN " << name << ".\n$TTL 300\n@ SOA ns root 1 3600 600 86400 120\n"
                      << "@ NS ns\nns A 192.0.2.53\n"
                      << records;
  return path;
}

std::optional<SignedZone> sign_zone(const std::string& directory, const std::string& name,
                                    const std::string& records) {
  SignedZone out;
  out.file = write_zone(directory, name, records) + ".signed";
  const std::string command = "cd '" + directory + "' && ldns-keygen -a ECDSAP256SHA256 -k " +
                              name + " > key && ldns-signzone -f '" + out.file + "' " + name +
                              ".zone \"$(cat key)\" && cp \"$(cat key).ds\" ds";
  if (std::system(command.c_str()) != 0) return std::nullopt;
  out.anchor = contents(directory + "/ds");
  return out;
}

}  // namespace volley::dns
