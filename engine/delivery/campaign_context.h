// CampaignContext: what a loop needs at hand to send one campaign's messages.
//
// Purpose    Record, compiled content, DKIM signers, suppression set, together and immutable; a changed record or a
//            new suppression set makes a new context, which shares what did not change. `control` is the only thing
//            that changes under it, and `revoked`: the partition this work came from is no longer ours.
// Ownership  shared_ptr<const>, held by every piece of work of the campaign. Signers live in the Engine's key ring.
// Thread     Immutable; `control` is shared by all loops of the engine and atomic: written by the campaign cache of
//            any loop.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "engine/delivery/campaign_guard.h"
#include "engine/delivery/campaign_pace.h"
#include "engine/message/dkim.h"
#include "engine/message/renderer.h"
#include "queue/campaign.h"

namespace volley::delivery {

// Sorted 128-bit keyed hashes of folded addresses. Copies share the hashes.
class SuppressionSet {
 public:
  // packed: 16 bytes a hash, big-endian, ascending. kData: not that.
  static Result<SuppressionSet> unpack(std::string_view packed, std::string_view dedupe_key);
  bool contains(std::string_view address) const;
  bool empty() const { return !hashes_ || hashes_->empty(); }

 private:
  std::shared_ptr<const std::vector<Hash128>> hashes_;
  std::shared_ptr<const KeyedHash> hash_;
};

// Follows the record within a second.
struct CampaignControl {
  std::atomic<queue::CampaignState> state{queue::CampaignState::kRunning};
  std::atomic<uint64_t> revision{0};
  std::atomic<int64_t> in_memory{0};  // recipients claimed and not settled, over all loops
  std::atomic<bool> shut{false};      // by its schedule, before the record says so
  CampaignPace pace;                  // this engine's share of the record's rate
  CampaignGuard guard;
};

// The controls of all campaigns of an engine. Any thread.
class ControlTable {
 public:
  std::shared_ptr<CampaignControl> find(const std::string& campaign);
  // True when the state changed. An older revision than the one known changes nothing.
  bool update(const queue::Campaign& record, TimePoint now);
  void forget(const std::string& campaign);
  void forget_revisions();  // the next record counts, however old
  // How many engines share the queue: each gets an equal part of every campaign's rate.
  void set_engines(uint64_t engines, TimePoint now);
  // Several loops find out the same at once; one of them says it.
  bool first_to_say(const std::string& campaign, const std::string& reason, TimePoint now);

 private:
  struct Said {
    std::string reason;
    TimePoint at{};
  };
  struct Entry {
    std::shared_ptr<CampaignControl> control = std::make_shared<CampaignControl>();
    double rate = 0;  // of all engines together
  };
  void share_rate(Entry& entry, TimePoint now) const;

  std::mutex mutex_;
  std::map<std::string, Entry> controls_;
  std::map<std::string, Said> said_;
  uint64_t engines_ = 1;
};

// Set once the partition that the work came from is no longer ours.
using Revoked = std::shared_ptr<const std::atomic<bool>>;

struct CampaignContext {
  queue::Campaign record;
  std::shared_ptr<const message::Renderer> renderer;
  std::vector<const message::DkimSigner*> signers;  // empty: unsigned
  SuppressionSet suppressed;
  uint64_t content_bytes = 0;  // of a single message
  std::shared_ptr<CampaignControl> control;
  Revoked revoked;  // null: in no tenure yet
  bool sending() const {
    if (revoked && revoked->load(std::memory_order_relaxed)) return false;
    if (control->shut.load(std::memory_order_relaxed)) return false;
    const auto s = control->state.load(std::memory_order_relaxed);
    return s == queue::CampaignState::kRunning ||
           (s == queue::CampaignState::kImporting && record.stream);
  }
};

}  // namespace volley::delivery
