#include "engine/intake/single_check.h"

#include <string>
#include <utility>

#include "base/address.h"

namespace volley::intake {
namespace {

constexpr size_t kMaxKey = 255;

// Positive, and in practice unique among all that a queue remembers: 63 bits of chance. A time in it would leave
// too few for what comes within one millisecond.
uint64_t new_number(Random& random) { return 1 + random.below((uint64_t{1} << 63) - 1); }

}  // namespace

bool is_usable_key(std::string_view key) {
  if (key.size() > kMaxKey) return false;
  for (char c : key) {
    if (c < 0x21 || c > 0x7E) return false;
  }
  return true;
}

Result<queue::SingleMessage> to_submit(message::SingleMessage parsed, const SenderList& senders,
                                       uint32_t partitions, Random& random) {
  Result<Mailbox> from = parse_mailbox(parsed.from);
  if (!from) return Error{Errc::kData, "from: " + from.error().message};
  if (!senders.allows(from->address)) {
    return Error{Errc::kNoPermission,
                 "from: " + from->address.str() + " is not one of the configured senders"};
  }
  Result<Mailbox> to = parse_mailbox(parsed.to);
  if (!to) return Error{Errc::kData, "to: " + to.error().message};

  queue::SingleMessage single;
  single.number = new_number(random);
  const std::string domain = queue::queue_domain(to->address.domain, single.number);
  parsed.id = queue::single_message_id(single.number, queue::partition_of(domain, partitions));
  Result<message::SingleContent> made = message::make_single(parsed);
  if (!made) return made.error();
  single.address = made->recipient.str();
  single.return_path = made->from.str();
  single.content = made->content.to_bytes();
  return single;
}

}  // namespace volley::intake
