// SendPlan: all that `volley send` must know before it touches the queue, checked.
//
// Purpose    Campaign file, content, list facts, routes, keys: whatever is fatal (65, 66, 78) is found here, so that nothing is
//            ever half-queued. Also used by render and check.
// Thread     The main thread; reads the whole list once (unless streaming).
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/cli/host.h"
#include "engine/cli/settings.h"
#include "engine/intake/importer.h"
#include "engine/message/campaign_file.h"
#include "engine/message/content.h"
#include "engine/message/dkim.h"
#include "engine/message/renderer.h"
#include "queue/campaign.h"

namespace volley::cli {

struct SendOptions {
  std::string campaign_file;
  std::string recipients;              // --recipients, else the campaign's
  std::vector<std::string> routes;
  uint32_t connections = 0;
  bool stream = false, yes = false, dry_run = false, hold = false;
  std::string http, events, rejects, proof;
  uint64_t row = 0;                    // --row; 0: not given, the first
  bool json = false;
};

struct SendPlan {
  message::CampaignSpec spec;
  message::Content content;
  intake::ListOptions list;
  intake::ListFacts facts;
  message::DkimKeyRing keys;
  std::string from_domain;
  std::string rejects_path;
  bool routed = false;                 // every domain has a static route, or goes through the relay
  std::string way;                     // how the mail leaves, for people: "sent through the relay smtp.example.com:587"
  bool sign = false;

  queue::Campaign campaign(const SendOptions& options) const;   // the record as it is created
};

// kUsage: options that only a mistake puts side by side, instead of one that silently does nothing.
Status check_options(const SendOptions& options);
std::string rejects_path(const SendOptions& options, const Settings& settings, const message::CampaignSpec& spec);
Result<SendPlan> make_plan(const SendOptions& options, const Settings& settings, Host& host,
                           const std::atomic<bool>& stop);
// Direct delivery needs a name and a key that receivers can check; a test or a relay behind a route does not, nor what only looks.
Status check_sendable(const SendPlan& plan, const Settings& settings);
// A message as it would leave, signed when the plan signs.
Result<std::string> render_one(const SendPlan& plan, uint64_t number, std::string_view email,
                               std::span<const std::string> values);

}  // namespace volley::cli
