// volley dkim keygen: a private key file and the DNS record that goes with it.
#include <sys/stat.h>

#include <cstdio>

#include "base/address.h"
#include "base/files.h"
#include "engine/cli/context.h"
#include "engine/cli/exit_code.h"
#include "engine/message/dkim.h"

namespace volley::cli {
namespace {

struct Options {
  std::string domain, selector = "volley", file, algorithm = "rsa";
  uint32_t bits = 0;  // 0: not given
};

int keygen(const Options& options) {
  if (!is_fqdn(options.domain)) return report({Errc::kUsage, "--domain " + options.domain + ": is no domain"});
  if (options.bits > 0 && options.algorithm != "rsa") return report({Errc::kUsage, "--bits goes with --algorithm rsa"});
  const std::string file = options.file.empty() ? options.domain + "." + options.selector + ".pem" : options.file;
  struct stat info {};
  if (stat(file.c_str(), &info) == 0) {
    return report({Errc::kCantCreate, file + ": exists; a key in use is never overwritten: name another with --out"});
  }
  auto key = message::DkimKey::generate(
      options.algorithm == "rsa" ? message::DkimAlgorithm::kRsaSha256 : message::DkimAlgorithm::kEd25519Sha256,
      options.bits > 0 ? options.bits : 2048);
  if (!key) return report(key.error());
  if (Status status = write_file_atomically(file, key->pem()); !status) return report(status.error());
  std::printf("%s\n", message::dkim_zone_line(options.selector, options.domain, key->dns_record()).c_str());
  std::fprintf(stderr, "private key: %s. Publish the record above, then add to volley.toml:\n\n[dkim.\"%s\"]\nselector = \"%s\"\n"
               "key_file = \"%s\"\n", file.c_str(), options.domain.c_str(), options.selector.c_str(), file.c_str());
  return kExitFinished;
}

}  // namespace

void add_dkim(Command& root, Context& context) {
  Command dkim = root.subcommand("dkim", "DKIM keys");
  dkim.needs_subcommand();
  auto options = std::make_shared<Options>();
  Command command = dkim.subcommand("keygen", "make a key, print its DNS record");
  command.text("--domain", options->domain, "the From domain", "DOMAIN");
  command.required("--domain");
  command.text("--selector", options->selector, "name before ._domainkey (default volley)");
  command.text("--out", options->file, "key file (default DOMAIN.SELECTOR.pem)", "FILE");
  command.choice("--algorithm", options->algorithm, "default rsa", {"rsa", "ed25519"});
  command.number("--bits", options->bits, "of an RSA key (default 2048)", 2048, 4096);
  command.action([options, &context] { context.exit_code = keygen(*options); });
}

}  // namespace volley::cli
