// The From mailbox of a campaign: an address that never changes, and a display name that may.
//
// Purpose  The address is fixed because it chooses the DKIM key and the default envelope sender. Thread: const once made.
// Errors   compile: kData with the remedy. append: kData when a rendered name cannot be written.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/address.h"
#include "engine/message/content_compiler.h"

namespace volley::message {

class Sender {
 public:
  static Result<Sender> compile(const Content& content, const ContentCompiler& compiler);

  Status append(std::span<const std::string_view> values, std::string& out) const;
  bool constant() const { return display_.constant(); }
  const std::string& address() const { return address_; }
  const std::string& domain() const { return domain_; }

 private:
  std::string address_, domain_;
  RowTemplate display_;
};

// The template of a display name in `Name <address>`: the part before '<', quotes removed. Empty without '<'.
std::string display_template(std::string_view mailbox);

}  // namespace volley::message
