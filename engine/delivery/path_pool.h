// PathPool: one path's works and its connections.
//
// Purpose  Opens sessions when the SiteRunner says so: host by preference, equal ones in turns, hosts that failed left alone
//          for a while, several addresses tried in order. Gives each session its next message, judges what comes back,
//          and defers what waits when no host can be reached at all.
// Ownership Owns its sessions; works are the SiteTable's. Sessions are destroyed in reap(), at the end of a turn.
// Thread   The loop's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/delivery/lanes.h"
#include "engine/delivery/outcome_policy.h"
#include "engine/delivery/session.h"
#include "engine/delivery/site_breaker.h"
#include "engine/delivery/tlsa.h"
#include "engine/delivery/tools.h"

namespace volley::delivery {

struct SessionTally {
  size_t ready = 0;  // connected, greeted; idle of them without a message
  size_t idle = 0;
  size_t opening = 0;
};

// Whether one more session pays for so many recipients that wait. What people wait for does not wait for a session that is
// busy; four of bulk justify a session. Gently: never more attempts at once than there are sessions that work.
bool one_more_pays(const SessionTally& have, int64_t transactional, int64_t bulk);

class PathPool final : public Session::Owner, public dns::Resolver::Receiver {
 public:
  PathPool(Tools& tools, SiteRunner& runner, Site& site, std::shared_ptr<const Path> path);
  ~PathPool() override;

  Lanes& lanes() { return lanes_; }
  const Lanes& lanes() const { return lanes_; }
  Site& site() { return site_; }
  const Path& path() const { return *path_; }
  void wake();

  void add(ActiveWork& work);
  void prepared(ActiveWork& work, std::vector<Preparer::Item> items);

  // For the runner.
  size_t slots() const { return sessions_.size() + openings_.size(); }  // connections, in any state
  bool resting(TimePoint now) const { return now < rest_until_; }
  TimePoint rest_until() const { return rest_until_; }
  bool starving(TimePoint now) const {
    return slots() == 0 && lanes_.waiting() > 0 && !resting(now);
  }
  bool wants_session(TimePoint now) const;
  void open_one(TimePoint now);
  void kick();             // idle sessions look for messages
  size_t closing() const;  // sessions on their way out
  // One session says goodbye to make room: an idle one, or any that is ready. False: there is none.
  bool spare(bool idle_only);
  void quit_all();
  bool fail_some(
      TimePoint now);  // defers what waits while no host can be reached; true: there is more
  void sign_ahead();
  void reap();
  std::string connecting(TimePoint now) const;  // "" or why nothing is connected
  void forget_failures();                       // hosts that failed are tried again at once

  // Session::Owner
  void on_session_connected(Session& session) override;
  void on_session_ready(Session& session) override;
  bool next_message(Session& session, Message& message) override;
  void on_result(Session& session, InFlight sent, const smtp::TxnResult& result) override;
  void on_session_ended(Session& session, const SessionEnd& end) override;
  void on_session_gone(Session& session) override;
  // dns::Resolver::Receiver
  void on_mx(dns::QueryId id, const dns::MxAnswer& answer) override;
  void on_addresses(dns::QueryId id, const dns::AddressAnswer& answer) override;
  void on_tlsa(dns::QueryId id, const dns::TlsaAnswer& answer) override;

 private:
  struct Opening {
    dns::QueryId query = 0;
    size_t host = 0;
    std::vector<net::Endpoint> addresses{};
    std::vector<std::string> bases{};  // whose TLSA records are asked for, the next one last
  };
  SessionTally tally() const;
  dns::Resolver& resolver() const;
  bool is_full_tarpit(const std::shared_ptr<Host>& host) const;
  const std::string* only_tarpits(TimePoint now) const;
  std::optional<size_t> choose_host(TimePoint now);
  int64_t sign_target() const;
  // Further addresses of a host whose first one failed: tried once the failed connection has given its slot back.
  struct Next {
    size_t host = 0;
    std::vector<net::Endpoint> addresses;
    TlsPlan plan;
  };
  std::optional<Opening> opening_of(dns::QueryId query);  // and it is one no more
  void ask_tlsa_or_connect(Opening opening, TimePoint now);
  void connect(size_t host, std::vector<net::Endpoint> addresses, const DaneDecision& dane,
               TimePoint now);
  void start_session(size_t host, std::vector<net::Endpoint> addresses, TlsPlan plan,
                     TimePoint now);
  smtp::ClientOptions client_options(const HostFacts& facts, const TlsPlan& plan);
  smtp::Chunking chunking(const HostFacts& facts) const;
  bool outgrown(const Session& session) const;
  void report_tls(const Session& session, const SessionEnd* end);
  bool learn(Host& host, smtp::Quirks shown);
  void host_failed(Host& host, const smtp::Outcome& outcome, TimePoint now);
  void lacking(std::string why, TimePoint now);
  void opening_failed(Session& session, const SessionEnd& end, TimePoint now);
  void working_session_ended(Session& session, const SessionEnd& end, TimePoint now);
  void report(const PathAction& action, std::string_view campaign, TimePoint now);
  // What a reply means for the site, here and on its other loops.
  void act(const PathAction& action, const smtp::Outcome& outcome, std::string_view campaign,
           TimePoint now, net::TlsFailure tls_failure = net::TlsFailure::kNone);
  void brake(const Braking& braking, std::string_view campaign, TimePoint now);
  void doubt_bounces(const PathAction& action, const smtp::Outcome& outcome, const ActiveWork& work,
                     uint32_t index, TimePoint now);
  void breaker_tripped(SiteBreaker::Trip trip, const std::string& reply, std::string_view campaign,
                       TimePoint now);
  void pause_site(SiteNews news, TimePoint now);
  void tell_bounces(SiteNews::Bounces bounces);
  void watch_for_tarpit(const Session& session, const smtp::TxnResult& result);
  std::string_view some_campaign() const;
  bool is_paced(const ActiveWork& work) const;
  TimePoint take_pace(const ActiveWork& work, TimePoint now);
  void give_back_pace(const ActiveWork& work);
  bool keeps_pace(ActiveWork& work, TimePoint now);
  bool pick(ActiveWork& work, Message& message, TimePoint now);
  std::optional<uint32_t> pick_recipient(ActiveWork& work, smtp::Body* body, TimePoint now);
  void add_recipients(const Session& session, ActiveWork& work, Message& message, TimePoint now);
  bool may_send(TimePoint now);
  // told: rules whose effect on host and site this transaction has had already.
  void count_result(Session& session, const InFlight& sent, uint32_t index,
                    const smtp::Outcome& outcome, std::vector<const char*>& told, TimePoint now);
  bool may_fit_elsewhere(const Host& here, const smtp::Outcome& outcome) const;
  void others_first(Host& host, TimePoint now);
  bool admit(ActiveWork& work, uint32_t index, TimePoint now);
  void refuse(ActiveWork& work, uint32_t index, std::string_view error, TimePoint now);
  Attempt attempt(const ActiveWork& work, uint32_t index, TimePoint now) const;
  void fail_work(ActiveWork& work, const smtp::Outcome& outcome, size_t& budget, TimePoint now);
  void again(ActiveWork& work, uint32_t index, const smtp::Body& body, TimePoint now);
  void put_aside(ActiveWork& work, uint32_t index, smtp::Body body);

  Tools& tools_;
  SiteRunner& runner_;
  Site& site_;
  const std::shared_ptr<const Path> path_;
  Lanes lanes_;
  std::vector<std::shared_ptr<Host>> hosts_;  // as path_->hosts
  std::vector<bool> given_up_;                // of hosts_: failed since a session was last ready
  std::vector<std::unique_ptr<Session>> sessions_;
  std::vector<Opening> openings_;
  std::optional<Next> next_;
  size_t turn_ = 0;  // among equal hosts
  TimePoint rest_until_{};
  std::optional<smtp::Outcome> last_failure_;  // why no host could be reached
  bool failing_ = false;
};

}  // namespace volley::delivery
