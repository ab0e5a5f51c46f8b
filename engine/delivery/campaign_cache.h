// CampaignCache: the campaigns a loop is sending, ready to use.
//
// Purpose    find() gives a campaign's context, loading record, content and suppressions through the Door, once for
//            all who ask. Polls the queue's global revision twice a second (poll(): now) and announces every new or
//            changed record. Contents that do not compile pause their campaign, with the reason. single() makes the
//            context of one transactional message.
// Ownership  Contexts are shared; Door, key ring and ControlTable outlive the cache. Destroy the Door first: its
//            callbacks stop.
// Thread     The loop's.
// Errors     kData to whoever asked: the campaign is gone, or its content is unusable.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/net/timer.h"
#include "engine/delivery/campaign_context.h"
#include "queue/door.h"

namespace volley::delivery {

using ContextResult = Result<std::shared_ptr<const CampaignContext>>;

class CampaignCache {
 public:
  class Listener {
   public:
    virtual void on_context(uint64_t ticket, const ContextResult& context) = 0;
    // A record that is new or has changed; `resumed`: it was paused before.
    virtual void on_campaign(const queue::Campaign& record, bool resumed) = 0;

   protected:
    ~Listener() = default;
  };

  CampaignCache(net::Loop& loop, queue::Door& door, const message::DkimKeyRing& keys,
                std::string dedupe_key, queue::RetryPolicy singles_retry, ControlTable& controls,
                Listener& listener);
  ~CampaignCache();

  // At once when it is known; otherwise by on_context(ticket), never from inside the call.
  std::optional<ContextResult> find(const std::string& campaign, uint64_t ticket);
  // `inline_content`: of the message's chunk. accepted_ms: its Date, in the queue's time. revoked: see CampaignContext.
  std::optional<ContextResult> single(uint32_t partition, std::string_view inline_content,
                                      int64_t accepted_ms, Revoked revoked, uint64_t ticket);
  void poll();
  // All campaigns of the queue, as last seen.
  const std::map<std::string, queue::Campaign>& records() const { return records_; }
  void pause(const std::string& campaign, const std::string& reason);
  std::shared_ptr<CampaignControl> control(const std::string& campaign) {
    return controls_.find(campaign);
  }

 private:
  struct Loading {
    std::vector<uint64_t> tickets;
    std::optional<queue::Campaign> record;
  };

  void load_record(const std::string& id);
  void load_content(const std::string& id);
  void load_suppressions(const std::string& id, std::shared_ptr<const message::Renderer> renderer);
  void loaded(const std::string& id, std::shared_ptr<const message::Renderer> renderer,
              SuppressionSet suppressed);
  void failed(const std::string& id, const Error& error);
  void answer(const std::string& id, const ContextResult& result);
  void look_at_clock();
  void on_revision(const Result<uint64_t>& revision);
  void on_records(Result<std::vector<queue::Campaign>> records, uint64_t revision);
  void changed(const queue::Campaign& record);
  ContextResult make_single(std::string_view bytes, int64_t accepted_ms, Revoked revoked);
  std::shared_ptr<CampaignContext> assemble(const queue::Campaign& record,
                                            std::shared_ptr<const message::Renderer> renderer,
                                            SuppressionSet suppressed);

  net::Loop& loop_;
  queue::Door& door_;
  const message::DkimKeyRing& keys_;
  std::string dedupe_key_;
  const queue::RetryPolicy singles_retry_;
  ControlTable& controls_;
  Listener& listener_;
  net::Timer timer_;
  std::map<std::string, queue::Campaign> records_;
  std::map<std::string, std::shared_ptr<const CampaignContext>> contexts_;
  std::map<std::string, Loading> loading_;
  std::optional<uint64_t> revision_;
  uint64_t restarts_ = 0;  // of the server, that we have seen
  bool polling_ = false;
  bool poll_again_ = false;
};

}  // namespace volley::delivery
