// Addresses: what is accepted can be sent, and reads back as the same.
#include "base/address.h"

#include <cstdlib>
#include <string>

#include "engine/smtp/command.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace volley;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
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
