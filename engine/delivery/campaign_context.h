// CampaignContext: what a loop needs at hand to send one campaign's messages.
//
// Purpose    Record, compiled content, DKIM signers, suppression set, together and immutable; a changed record or a new
//            suppression set makes a new context. `control` is the only thing that changes under it.
// Ownership  shared_ptr<const>, held by every piece of work of the campaign. Signers live in the Engine's key ring.
// Thread     Immutable; `control` is atomic: written by the campaign cache of any loop, read by all.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "engine/message/dkim.h"
#include "engine/message/renderer.h"
#include "queue/campaign.h"

namespace volley::delivery {

// Sorted 128-bit keyed hashes of folded addresses.
class SuppressionSet {
 public:
  static Result<SuppressionSet> unpack(std::string_view packed, std::string_view dedupe_key);
  bool contains(std::string_view address) const;
  bool empty() const { return hashes_.empty(); }

 private:
  std::vector<Hash128> hashes_;
  std::string key_;
};

// Follows the record within a second.
struct CampaignControl {
  std::atomic<queue::CampaignState> state{queue::CampaignState::kRunning};
};

struct CampaignContext {
  queue::Campaign record;
  std::unique_ptr<message::Renderer> renderer;
  std::vector<const message::DkimSigner*> signers;  // empty: unsigned
  SuppressionSet suppressed;
  std::shared_ptr<CampaignControl> control;
  bool sending() const {
    const auto s = control->state.load(std::memory_order_relaxed);
    return s == queue::CampaignState::kRunning || (s == queue::CampaignState::kImporting && record.stream);
  }
};

}  // namespace volley::delivery
