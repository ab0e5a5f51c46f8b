#include "engine/delivery/tls_plan.h"

namespace volley::delivery {
namespace {

using net::TlsDemand;

void require_pkix(TlsPlan& plan, std::string_view name, bool enforce) {
  plan.start.demand.kind = TlsDemand::Kind::kPkix;
  plan.start.demand.names = {std::string(name)};
  plan.start.demand.enforce = enforce;
}

void require_tlsa(TlsPlan& plan, const Path& path, std::string_view name,
                  const DaneDecision& dane) {
  plan.mode = smtp::TlsMode::kRequired;
  plan.policy = PolicyType::kTlsa;
  plan.start.server_name = dane.base;
  if (dane.verdict != DaneVerdict::kAuthenticate) {
    plan.start.demand.min_version = net::TlsVersion::kTls12;
    return;
  }
  TlsDemand& demand = plan.start.demand;
  demand.kind = TlsDemand::Kind::kDane;
  demand.names = {dane.base};
  if (dane.base != name && !path.routed) demand.names.emplace_back(name);
  demand.tlsa = dane.records;
}

}  // namespace

std::string_view to_string(PolicyType type) {
  switch (type) {
    case PolicyType::kNone:
      return "no-policy-found";
    case PolicyType::kOperator:
      return "operator";
    case PolicyType::kSts:
      return "sts";
    case PolicyType::kTlsa:
      return "tlsa";
  }
  return "?";
}

TlsPlan plan_tls(const Path& path, std::string_view host_name, const DaneDecision& dane,
                 const HostFacts& facts, bool force_tls) {
  TlsPlan plan;
  plan.start.server_name = host_name;
  const TlsPolicy wanted = path.limits.tls;
  if (wanted == TlsPolicy::kNever) {
    plan.mode = smtp::TlsMode::kNever;
    plan.policy = PolicyType::kOperator;
    return plan;
  }
  const bool daned =
      dane.verdict == DaneVerdict::kAuthenticate || dane.verdict == DaneVerdict::kEncrypt;
  if (daned) require_tlsa(plan, path, host_name, dane);
  // Records that authenticate nobody do not stand in for a policy that does.
  if (path.sts == StsVerdict::kEnforce && dane.verdict != DaneVerdict::kAuthenticate) {
    plan.mode = smtp::TlsMode::kRequired;
    plan.policy = PolicyType::kSts;
    require_pkix(plan, host_name, true);
  } else if (path.sts == StsVerdict::kTesting && !daned) {
    plan.policy = PolicyType::kSts;
    require_pkix(plan, host_name, false);
  }
  const bool authenticated =
      plan.start.demand.kind != TlsDemand::Kind::kNone && plan.start.demand.enforce;
  if (wanted == TlsPolicy::kVerified && !authenticated) {
    plan.mode = smtp::TlsMode::kRequired;
    plan.policy = PolicyType::kOperator;
    require_pkix(plan, host_name, true);
  }
  if (plan.mode != smtp::TlsMode::kRequired) {
    if (wanted == TlsPolicy::kRequired || force_tls) {
      plan.mode = smtp::TlsMode::kRequired;
      if (plan.policy == PolicyType::kNone) plan.policy = PolicyType::kOperator;
      if (!plan.start.demand.min_version) plan.start.demand.min_version = net::TlsVersion::kTls12;
    } else if (facts.quirks & smtp::kNoTls) {
      plan.mode = smtp::TlsMode::kNever;
    }
  }
  if (path.implicit_tls) plan.mode = smtp::TlsMode::kImplicit;
  return plan;
}

}  // namespace volley::delivery
