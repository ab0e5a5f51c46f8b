// Tools: what every part of the lower half works with; made once per SiteTable.
//
// Ownership  References outlive the SiteTable; the rest is its own. Thread: the loop's.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/net/loop.h"
#include "base/net/tls.h"
#include "base/random.h"
#include "engine/delivery/commons.h"
#include "engine/delivery/hosts.h"
#include "engine/delivery/ledger.h"
#include "engine/delivery/preparer.h"
#include "engine/delivery/settings.h"
#include "engine/delivery/system_names.h"
#include "engine/smtp/classify.h"
#include "metrics/registry.h"

namespace volley::delivery {

class SiteRunner;

struct Tools {
  // Work for the end of this turn: nothing that may call the Listener or destroy a session happens before it.
  class Foreman {
   public:
    virtual ~Foreman() = default;
    virtual void wake(SiteRunner& site) = 0;
    virtual void wake_next() = 0;  // the site whose turn it is to open a connection
    virtual void pause_campaign(std::string_view campaign, std::string_view reason) = 0;
    // The site's other loops should hear what a receiver said here.
    virtual void tell(SiteNews news) = 0;
  };

  Tools(net::Loop& l, const Settings& s, dns::Resolver& r, Commons& c, metrics::Shard& m,
        SiteTable::Listener& listener, Preparer::Receiver& prepared, Foreman& f, uint64_t seed,
        unsigned index)
      : loop(l),
        settings(s),
        resolver(r),
        brakes(c.brakes),
        turns(c.connections),
        memory(c.memory),
        pace(c.pace),
        tls_report(*c.tls),
        classifier(c.classifier),
        shard(m),
        foreman(f),
        loop_index(index),
        random(seed),
        system_names(l),
        ledger(m, listener),
        preparer(l, m, s.hostname, prepared) {}

  net::Loop& loop;
  const Settings& settings;
  dns::Resolver& resolver;
  Brakes& brakes;
  ConnectionTurns turns;
  Memory& memory;
  CampaignPace& pace;  // of everything this engine sends
  TlsReport& tls_report;
  const smtp::Classifier& classifier;
  metrics::Shard& shard;
  Foreman& foreman;
  unsigned loop_index;
  Random random;
  net::TlsContext* tls = nullptr;  // null: everything goes in the clear
  Hosts hosts;
  SystemNames system_names;
  Ledger ledger;
  Preparer preparer;
  bool draining = false;
};

}  // namespace volley::delivery
