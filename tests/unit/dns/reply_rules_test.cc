#include "dns/reply_rules.h"

#include <gtest/gtest.h>

#include "dns/cache.h"

namespace volley::dns {
namespace {

using std::chrono::seconds;

Reply failed() {
  Reply reply;
  reply.failed = true;
  reply.detail = "SERVFAIL from 192.0.2.53:53";
  // What a server may put into a SERVFAIL.
  reply.answer.authenticated = true;
  reply.answer.mx = {{10, "mx.example.com"}};
  reply.answer.tlsa = {{3, 1, 1, "a"}};
  reply.answer.txt = {"v=STSv1; id=1;"};
  return reply;
}

TEST(ReplyRules, NothingOfAFailureIsUsed) {
  RawMx mx = to_raw_mx(failed());
  EXPECT_TRUE(mx.temporary && mx.records.empty() && !mx.authenticated);
  TlsaAnswer tlsa = to_tlsa_answer(failed());
  EXPECT_TRUE(tlsa.failed && tlsa.records.empty() && !tlsa.authenticated);
  TxtAnswer txt = to_txt_answer(failed());
  EXPECT_TRUE(txt.failed && txt.strings.empty());
  for (Duration ttl : {mx.ttl, tlsa.ttl, txt.ttl}) EXPECT_EQ(ttl, failure_ttl());
  for (const std::string& detail : {mx.detail, tlsa.detail, txt.detail}) {
    EXPECT_EQ(detail, "SERVFAIL from 192.0.2.53:53");
  }
}

TEST(ReplyRules, RecordsAndWhatVouchesForThem) {
  Reply reply;
  reply.answer.authenticated = true;
  reply.answer.ttl = 300;
  reply.answer.mx = {{10, "mx.example.com"}};
  reply.answer.tlsa = {{3, 1, 1, "a"}, {2, 0, 1, "b"}};
  reply.answer.txt = {"a", "b"};
  RawMx mx = to_raw_mx(reply);
  EXPECT_TRUE(mx.authenticated && !mx.temporary && !mx.nxdomain);
  EXPECT_EQ(mx.records.size(), 1u);
  TlsaAnswer tlsa = to_tlsa_answer(reply);
  EXPECT_TRUE(tlsa.authenticated && !tlsa.failed);
  EXPECT_EQ(tlsa.records, reply.answer.tlsa);
  TxtAnswer txt = to_txt_answer(reply);
  EXPECT_FALSE(txt.failed);
  EXPECT_EQ(txt.strings, reply.answer.txt);
  for (Duration ttl : {mx.ttl, tlsa.ttl, txt.ttl}) EXPECT_EQ(ttl, seconds(300));
}

TEST(ReplyRules, NoneIsAnAnswerOfItsOwn) {
  Reply reply;
  reply.answer.negative_ttl = 90;
  EXPECT_EQ(to_tlsa_answer(reply).detail, "no such record");
  reply.answer.rcode = 3;
  EXPECT_TRUE(to_raw_mx(reply).nxdomain);
  EXPECT_EQ(to_txt_answer(reply).detail, "NXDOMAIN");
  EXPECT_FALSE(to_tlsa_answer(reply).failed);
  EXPECT_FALSE(to_tlsa_answer(reply).authenticated);
  EXPECT_EQ(to_tlsa_answer(reply).ttl, seconds(90));
}

TEST(ReplyRules, MoreThanAnybodyNeedsIsAFailure) {
  Reply reply;
  reply.answer.tlsa = {{3, 0, 0, std::string(kMaxPayload / 2, 'x')},
                       {3, 0, 0, std::string(kMaxPayload / 2, 'x')}};
  reply.answer.txt = {std::string(kMaxPayload, 'x')};
  EXPECT_FALSE(to_tlsa_answer(reply).failed);
  EXPECT_FALSE(to_txt_answer(reply).failed);
  reply.answer.tlsa.push_back({3, 0, 0, "y"});
  reply.answer.txt.emplace_back("y");
  TlsaAnswer tlsa = to_tlsa_answer(reply);
  EXPECT_TRUE(tlsa.failed && tlsa.records.empty());
  EXPECT_FALSE(tlsa.detail.empty());
  EXPECT_TRUE(to_txt_answer(reply).failed);
}

}  // namespace
}  // namespace volley::dns
