// What the Store's files share.
//
// Thread  As Store. Not for anyone else.
#pragma once

#include <unordered_map>

#include "queue/keys.h"
#include "queue/store.h"
#include "queue/store_link.h"

namespace volley::queue {

struct Store::Impl {
  Impl(QueueUrl url, bool memory_durability) : link(std::move(url), memory_durability) {}

  StoreLink link;
  uint32_t partitions = 0;
  std::string dedupe_key;
  std::string tool_name;  // of this Store among those that change what is queued
  int64_t changes = 0;    // sequence of its changes

  const std::string& tool();
  Result<Campaign> get(std::string_view id);  // kData when absent
  // In the first `blocks` of its outcomes.
  Result<std::unordered_map<uint64_t, uint32_t>> retried(uint32_t partition, std::string_view id,
                                                         uint64_t blocks);
  // What is removed of a marked campaign. kGone: another one has ended that meanwhile.
  enum class Emptied : uint8_t { kEmpty, kGone };
  Result<Emptied> empty(const Campaign& campaign, bool keep_counts);
  Status empty_partition(uint32_t partition, const Campaign& campaign, bool keep_counts);
  // Reads, changes, compares and sets, until nobody was faster. `change` returns false when there is nothing to do.
  Status update(std::string_view id,
                const std::function<Result<bool>(Campaign&, int64_t now_ms)>& change);
  // The same, with a value that goes with the record in one call of `function`.
  Status update_with(std::string_view function, std::string_view id, std::string_view value,
                     const std::function<Result<bool>(Campaign&)>& change);
  Result<int64_t> now_ms();
};

// A place as functions are told it.
char letter_of(Where where);
std::string which_of(const Place& place);

// From the fields of a partition's campaign hash, in kCountFields' order.
extern const std::vector<std::string_view> kCountFields;
Counts counts_of(const ReplyView& fields, bool cancelled);
Command counts_command(uint32_t partition, std::string_view id);

}  // namespace volley::queue
