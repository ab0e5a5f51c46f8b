// Commons: what the lower halves of all loops share.
//
// Ownership  The Engine's (EngineShared); outlives every SiteTable. Thread: any, each member guards itself.
#pragma once

#include <memory>
#include <string>

#include "base/net/tls.h"
#include "engine/delivery/brakes.h"
#include "engine/delivery/campaign_pace.h"
#include "engine/delivery/connection_budget.h"
#include "engine/delivery/memory.h"
#include "engine/delivery/sts_desk.h"
#include "engine/delivery/tls_report.h"
#include "engine/smtp/classify.h"

namespace volley::delivery {

struct Commons {
  explicit Commons(uint32_t max_connections) : connections(max_connections) {}
  Status set_up_tls(const std::string& ca_file);

  Brakes brakes;
  ConnectionBudget connections;
  Memory memory;
  CampaignPace pace;  // of everything this engine sends
  const smtp::Classifier classifier;
  std::unique_ptr<net::TlsContext>
      tls_context;  // null: OpenSSL refused, or nobody set it up: no TLS
  StsService sts{memory.policies};
  // Shared with the metrics, whose counters stay when the engine is gone.
  std::shared_ptr<TlsReport> tls = std::make_shared<TlsReport>();
};

}  // namespace volley::delivery
