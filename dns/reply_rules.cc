#include "dns/reply_rules.h"

#include "dns/cache.h"

namespace volley::dns {

namespace {

constexpr unsigned kNxDomain = 3;
constexpr const char* kNxDomainText = "NXDOMAIN";
constexpr const char* kTooLarge = "more than 16 KiB of records";

// What TXT and TLSA have in common, once out.failed and out.detail tell of a reply that is none.
template <typename Out>
void take_reply(const Reply& reply, bool any, size_t payload, Out& out) {
  out.failed = reply.failed || payload > kMaxPayload;
  if (out.failed) {
    out.detail = reply.failed ? reply.detail : kTooLarge;
    out.ttl = failure_ttl();
  } else if (any) {
    out.ttl = clamp_positive_ttl(reply.answer.ttl);
  } else {
    out.detail = reply.answer.rcode == kNxDomain ? kNxDomainText : "no such record";
    out.ttl = clamp_negative_ttl(reply.answer.negative_ttl);
  }
}

}  // namespace

RawMx to_raw_mx(const Reply& reply) {
  RawMx raw;
  raw.detail = reply.detail;
  if (reply.failed) {
    raw.temporary = true;
    raw.ttl = failure_ttl();
    return raw;
  }
  raw.authenticated = reply.answer.authenticated;
  if (reply.answer.rcode == kNxDomain) {
    raw.nxdomain = true;
    raw.ttl = clamp_negative_ttl(reply.answer.negative_ttl);
    raw.detail = kNxDomainText;
  } else if (reply.answer.mx.empty()) {
    raw.ttl = clamp_negative_ttl(reply.answer.negative_ttl);
  } else {
    raw.records = reply.answer.mx;
    raw.ttl = clamp_positive_ttl(reply.answer.ttl);
  }
  return raw;
}

TlsaAnswer to_tlsa_answer(const Reply& reply) {
  size_t payload = 0;
  for (const TlsaRecord& r : reply.answer.tlsa) payload += r.data.size();
  TlsaAnswer out;
  take_reply(reply, !reply.answer.tlsa.empty(), payload, out);
  if (out.failed) return out;
  out.authenticated = reply.answer.authenticated;
  out.records = reply.answer.tlsa;
  return out;
}

TxtAnswer to_txt_answer(const Reply& reply) {
  size_t payload = 0;
  for (const std::string& text : reply.answer.txt) payload += text.size();
  TxtAnswer out;
  take_reply(reply, !reply.answer.txt.empty(), payload, out);
  if (!out.failed) out.strings = reply.answer.txt;
  return out;
}

}  // namespace volley::dns
