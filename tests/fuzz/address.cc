// Addresses: what is accepted can be sent, and reads back as the same. And nothing in a DSN parameter leaves its place.
#include "base/address.h"

#include <algorithm>
#include <cstdlib>
#include <string>

#include "engine/smtp/command.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

// One line, its words separated by single spaces.
void require_line(const std::string& line, std::ptrdiff_t spaces_at_most) {
  require(line.ends_with("\r\n"));
  const std::string_view text(line.data(), line.size() - 2);
  require(std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < 0x7f; }));
  require(std::count(text.begin(), text.end(), ' ') <= spaces_at_most);
}

void check_dsn(std::string_view text) {
  using namespace volley::smtp;
  MailParameters mail;
  mail.envid = text;
  std::string line;
  append_mail(line, "a@example.com", mail);
  require_line(line, 2);
  RcptParameters rcpt;
  rcpt.orcpt = text;
  line.clear();
  append_rcpt(line, "a@example.net", rcpt);
  require_line(line, 2);
  require(to_orcpt(text).size() <= 500);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace volley;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_dsn(text);
  const auto address = parse_address(text);
  if (address.ok()) {
    const std::string spelled = address->str();
    require(smtp::is_safe_path(spelled));
    const auto again = parse_address(spelled);
    require(again.ok() && again->str() == spelled);
    const std::string command = "TO:<" + spelled + ">";
    const auto argument = smtp::parse_path_argument(command, "TO:");
    require(argument.status == smtp::PathArgument::Status::kOk && argument.address == spelled);
    fold_address(spelled);
  } else {
    require(!address.error().message.empty());
  }
  const auto mailbox = parse_mailbox(text);
  if (mailbox.ok()) require(smtp::is_safe_path(mailbox->address.str()));
  return 0;
}
