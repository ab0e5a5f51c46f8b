#include "engine/intake/stream_entry.h"

#include <fmt/format.h>

#include <utility>

#include "base/hash.h"
#include "base/log.h"
#include "engine/intake/api_json.h"
#include "engine/intake/single_check.h"

namespace volley::intake {
namespace {

using Text = std::optional<std::string_view>;

struct Fields {
  Text message, batch, key;
};

Error bad(std::string why) { return Error{Errc::kData, std::move(why)}; }

Result<Fields> named(std::span<const queue::StreamField> fields) {
  Fields out;
  for (const auto& [name, value] : fields) {
    Text* place = name == "message" ? &out.message
                  : name == "batch" ? &out.batch
                  : name == "key"   ? &out.key
                                    : nullptr;
    if (place == nullptr) {
      return bad("unknown field \"" + sanitize(name, 100) + "\"; there are message, key, batch");
    }
    if (*place) return bad(fmt::format("field {} stands twice", name));
    *place = value;
  }
  if (out.message && out.batch) return bad("fields message and batch: one of them, not both");
  if (!out.message && !out.batch) return bad("field message (or batch): missing");
  if (out.batch && out.key) return bad("key: belongs into each message of the batch");
  if (const Text& body = out.message ? out.message : out.batch; body->size() > kMaxSingleBytes) {
    return bad(fmt::format("field {}: larger than {} bytes", out.message ? "message" : "batch",
                           kMaxSingleBytes));
  }
  return out;
}

Error unusable_key() { return bad(std::string("key: ") + kUsableKey); }
std::string fingerprint_of(std::string_view body) { return to_hex(Sha256::of(body)); }

Result<std::vector<StreamItem>> read_batch(std::string_view text) {
  auto batch = parse_batch(text);
  if (!batch) return batch.error();
  std::vector<StreamItem> out;
  out.reserve(batch->size());
  for (BatchItem& item : *batch) {
    std::string fingerprint = fingerprint_of(item.body);
    const bool usable = is_usable_key(item.key);
    out.push_back({out.size(), std::move(item.body), std::move(item.key), std::move(fingerprint),
                   std::move(item.message)});
    if (!usable) out.back().message = unusable_key();
  }
  return out;
}

}  // namespace

Result<std::vector<StreamItem>> read_entry(std::span<const queue::StreamField> fields) {
  auto all = named(fields);
  if (!all) return all.error();
  if (all->batch) return read_batch(*all->batch);
  if (all->key && !is_usable_key(*all->key)) return unusable_key();
  auto message = parse_single(*all->message);
  if (!message) return message.error();
  std::vector<StreamItem> out;
  out.push_back({std::nullopt,
                 {},
                 std::string(all->key.value_or("")),
                 fingerprint_of(*all->message),
                 std::move(message)});
  return out;
}

std::string entry_key(std::string_view entry_id, const std::optional<size_t>& index) {
  return index ? fmt::format("intake {} {}", entry_id, *index) : fmt::format("intake {}", entry_id);
}

}  // namespace volley::intake
