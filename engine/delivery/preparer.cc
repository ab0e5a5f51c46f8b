#include "engine/delivery/preparer.h"

#include "base/net/loop.h"
#include "base/net/work_pool.h"
#include "engine/message/dkim.h"
#include "engine/message/renderer.h"

namespace volley::delivery {
namespace {

constexpr size_t kBuffers = 1024;
constexpr size_t kLook = 8;                        // buffers looked at before a new one is made
constexpr size_t kKeepBuffer = size_t{256} << 10;  // a larger one is not kept

// A single message's number belongs to the queue; its Message-ID comes from its own id.
bool is_single(const CampaignContext& campaign) {
  return campaign.record.id == queue::kSingleMessages;
}

message::Stamp stamp_of(const CampaignContext& campaign, int64_t enqueued_ms,
                        std::string_view hostname) {
  const int64_t date = is_single(campaign) ? enqueued_ms : campaign.record.created_ms;
  const std::string& domain = campaign.record.from_domain;
  return {from_ms(date), domain.empty() ? hostname : std::string_view(domain)};
}

message::RecipientView view_of(const ActiveWork& work, uint32_t index) {
  const queue::Recipient& r = work.recipient(index);
  return {is_single(*work.work->campaign) ? 0 : r.number, r.address, r.values};
}

}  // namespace

struct Preparer::Batch {
  struct Input {
    uint32_t index = 0;
    uint64_t number = 0;
    int64_t enqueued_ms = 0;
    std::string address;
    std::vector<std::string> values;
  };
  uint64_t work = 0;
  std::shared_ptr<const CampaignContext> campaign;
  std::string hostname;
  std::vector<Input> inputs;
  std::vector<Item> items;
  Duration took{};

  std::string unsigned_bytes;  // of the message at hand

  Item make(const Input& input) {
    Item item;
    item.index = input.index;
    std::vector<std::string_view> values(input.values.begin(), input.values.end());
    const message::RecipientView view{input.number, input.address, values};
    const message::Stamp stamp = stamp_of(*campaign, input.enqueued_ms, hostname);
    if (Status status = campaign->renderer->render(view, stamp, unsigned_bytes); !status) {
      item.error = status.error().message;
      return item;
    }
    const auto signatures = message::dkim_signatures(unsigned_bytes, campaign->signers, stamp.date);
    if (!signatures.ok()) {
      item.error = signatures.error().message;
      return item;
    }
    auto bytes = std::make_shared<std::string>();
    bytes->reserve(signatures->size() + unsigned_bytes.size());  // what the sessions hold has no slack
    *bytes += *signatures;
    *bytes += unsigned_bytes;
    item.body = std::move(bytes);
    return item;
  }

  void run() {
    const TimePoint start = monotonic_now();
    items.reserve(inputs.size());
    for (const Input& input : inputs) {
      const bool again = !items.empty() && campaign->renderer->same_for_all();
      items.push_back(again ? Item{input.index, items.front().body, items.front().error}
                            : make(input));
    }
    took = monotonic_now() - start;
  }
};

Preparer::Preparer(net::Loop& loop, metrics::Shard& shard, std::string_view hostname,
                   Receiver& receiver)
    : loop_(loop),
      shard_(shard),
      hostname_(hostname),
      receiver_(receiver),
      self_(std::make_shared<Preparer*>(this)) {}

Preparer::~Preparer() { *self_ = nullptr; }

std::shared_ptr<std::string> Preparer::buffer() {
  for (size_t i = 0; i < std::min(kLook, buffers_.size()); ++i) {
    next_buffer_ = (next_buffer_ + 1) % buffers_.size();
    auto& candidate = buffers_[next_buffer_];
    if (candidate.use_count() != 1) continue;
    if (candidate->capacity() > kKeepBuffer) candidate = std::make_shared<std::string>();
    return candidate;
  }
  auto made = std::make_shared<std::string>();
  if (buffers_.size() < kBuffers) buffers_.push_back(made);
  return made;
}

Result<smtp::Body> Preparer::render(const ActiveWork& work, uint32_t index) {
  const CampaignContext& campaign = *work.work->campaign;
  const message::Stamp stamp = stamp_of(campaign, work.recipient(index).enqueued_ms, hostname_);
  auto bytes = buffer();
  const Status status = campaign.renderer->render(view_of(work, index), stamp, *bytes);
  if (!status) return status.error();
  return smtp::Body(std::move(bytes));
}

Status Preparer::return_path(const ActiveWork& work, uint32_t index, std::string& out) const {
  const queue::Recipient& recipient = work.recipient(index);
  if (!recipient.return_path.empty()) {
    out = recipient.return_path;
    return {};
  }
  return work.work->campaign->renderer->return_path(view_of(work, index), out);
}

void Preparer::sign(const ActiveWork& work, std::span<const uint32_t> indexes) {
  auto batch = std::make_shared<Batch>();
  batch->work = work.id;
  batch->campaign = work.work->campaign;
  batch->hostname = hostname_;
  batch->inputs.reserve(indexes.size());
  for (const uint32_t index : indexes) {
    const message::RecipientView view = view_of(work, index);
    batch->inputs.push_back({index, view.number, work.recipient(index).enqueued_ms,
                             std::string(view.address),
                             std::vector<std::string>(view.values.begin(), view.values.end())});
  }
  net::WorkPool::submit(
      loop_, [batch] { batch->run(); },
      [batch, self = self_] {
        if (*self != nullptr) (*self)->done(*batch);
      });
}

void Preparer::done(const Batch& batch) {
  shard_[metrics::Histogram::kRender].observe(batch.took);
  receiver_.on_prepared(batch.work, batch.items);
}

}  // namespace volley::delivery
