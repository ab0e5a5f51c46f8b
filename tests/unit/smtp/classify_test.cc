#include "engine/smtp/classify.h"

#include <gtest/gtest.h>
#include <re2/re2.h>

#include <chrono>
#include <set>
#include <string>
#include <vector>

#include "tests/unit/smtp/classify_fixture.h"

namespace volley::smtp {
namespace {

using namespace std::chrono_literals;

struct Sample {
  const char* provider;
  const char* reply;
  const char* rule;
  char action;  // B bounce, D defer, N retry now
};

// Replies as receivers send them, and what must come of them.
const Sample kSamples[] = {
    // Google
    {"google",
     "421 4.7.28 Gmail has detected an unusual rate of unsolicited mail originating from your IP "
     "address.",
     "G1", 'D'},
    {"google",
     "421 4.7.0 [192.0.2.1 15] Our system has detected an unusual rate of unsolicited mail", "G2",
     'D'},
    {"google", "421 4.7.28 Gmail has detected this message has the same Message-ID as others", "G3",
     'D'},
    {"google",
     "421 4.7.0 This message is suspicious due to the very low reputation of the sending domain",
     "G4", 'D'},
    {"google", "421 4.7.0 This message is suspicious due to the nature of the content", "G5", 'D'},
    {"google", "421 4.7.26 This mail has been rate limited because it is unauthenticated", "G6",
     'D'},
    {"google", "421 4.7.23 The sending IP address does not have a PTR record", "G7", 'D'},
    {"google", "421 4.7.29 TLS required for this domain", "G8", 'D'},
    {"google", "421 4.4.5 Server busy, try again later.", "G9", 'D'},
    {"google", "421 4.7.0 Try again later, closing connection.", "G10", 'D'},
    {"google", "450 4.2.1 The user you are trying to contact is receiving mail too quickly.", "G11",
     'D'},
    {"google",
     "550 5.2.1 The user you are trying to contact is receiving mail at a rate that prevents "
     "delivery",
     "G12", 'D'},
    {"google", "452 4.2.2 The recipient's inbox is out of storage space.", "G13", 'D'},
    {"google", "552 5.2.2 The email account that you tried to reach is over quota and inactive.",
     "G14", 'B'},
    {"", "550 5.7.1 [192.0.2.1] rejected: IP reputation", "N8b", 'D'},
    {"", "554 5.7.1 Your IP address 192.0.2.1 has been blocked", "N8b", 'D'},
    {"", "550 5.7.1 Client host rejected: Access denied", "N8b", 'D'},
    {"google", "550 5.1.1 The email account that you tried to reach does not exist. Please try",
     "G15", 'B'},
    {"google", "550 5.2.1 The email account that you tried to reach is disabled.", "G16", 'B'},
    {"google", "550 5.7.26 Your email has been blocked because the sender is unauthenticated.",
     "G17", 'B'},
    {"google", "550 5.7.25 The IP address sending this message does not have a PTR record", "G18",
     'D'},
    {"google",
     "550 5.7.1 Our system has detected an unusual rate of unsolicited mail originating from your "
     "IP",
     "G19", 'D'},
    {"google", "550 5.7.1 Our system has detected that this message is likely unsolicited mail.",
     "G19c", 'B'},
    {"google", "452 4.5.3 Your message has too many recipients.", "G20", 'N'},
    {"google", "451 4.3.0 Multiple destination domains per transaction is unsupported.", "G21",
     'N'},
    {"google", "550 5.7.1 Messages missing a valid Message-ID header are not accepted.", "G22",
     'B'},
    {"google", "552 5.3.4 Your message exceeded Google's message size limits.", "G23", 'B'},
    {"google",
     "552 5.7.0 This message was blocked because its content presents a potential security issue.",
     "G24", 'B'},
    {"google",
     "550 5.7.1 The IP you're using to send mail is not authorized to send email directly to our "
     "servers.",
     "G25", 'D'},
    {"google", "554 5.4.6 Message exceeded 50 hops, this may indicate a mail loop.", "G26", 'B'},
    {"google", "553 5.1.2 We weren't able to find the recipient domain.", "G27", 'B'},
    // Microsoft
    {"outlook", "421 RP-001 (mx) Unfortunately, some messages from 192.0.2.1 weren't sent.", "M1",
     'D'},
    {"outlook",
     "451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP "
     "reputation.",
     "M2", 'D'},
    {"o365",
     "451 4.7.652 The mail server [192.0.2.1] has exceeded the maximum number of connections.",
     "M3", 'D'},
    {"o365", "451 4.7.0 The maximum number of messages per connection was reached", "M4", 'N'},
    {"o365", "451 4.7.500 Server busy. Please try again later from [192.0.2.1]. (S77719)", "M5",
     'D'},
    {"o365", "451 4.7.850 Access denied, please try again later", "M6", 'D'},
    {"o365", "451 4.4.62 Mail sent to the wrong Office 365 region. ATTR35", "M7", 'D'},
    {"outlook",
     "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Part of their network is on "
     "our block list (S3140).",
     "M8", 'D'},
    {"o365", "550 5.7.606 Access denied, banned sending IP [192.0.2.1].", "M9", 'D'},
    {"outlook",
     "550 5.7.515 Access denied, sending domain example.com does not meet the required "
     "authentication level",
     "M10", 'B'},
    {"o365",
     "550 5.7.509 Access denied, sending domain example.com does not pass DMARC verification",
     "M11", 'B'},
    {"o365", "550 5.7.1 Client host [192.0.2.1] listed in Spamhaus. (S8002)", "M12", 'D'},
    {"outlook", "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302).", "M13",
     'B'},
    {"o365",
     "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup", "M14",
     'B'},
    {"o365", "550 5.4.1 Recipient address rejected: Access denied. AS(201806281)", "M14", 'B'},
    {"o365", "550 5.4.1 Relay Access Denied", "M15", 'B'},
    {"o365", "550 5.2.121 Recipient's per-hour message receive limit from this sender exceeded",
     "M16", 'D'},
    {"o365", "554 5.2.2 mailbox full", "M17", 'B'},
    {"o365", "550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup", "M18", 'B'},
    {"o365", "550 5.7.508 Access denied, [2001:db8::1] has exceeded permitted limits", "M19", 'D'},
    {"outlook", "550 SC-001 (mx) Unfortunately, messages from 192.0.2.1 weren't sent.", "M21", 'D'},
    {"o365", "421 4.3.2 The maximum number of concurrent connections has exceeded a limit", "M22",
     'D'},
    {"o365", "450 4.7.3 Organization queue quota exceeded.", "M23", 'D'},
    // Yahoo
    {"yahoo",
     "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume",
     "Y1", 'D'},
    {"yahoo", "421 4.7.0 [TSS05] temporarily deferred", "Y2", 'D'},
    {"yahoo", "421 4.7.1 [TS01] temporarily deferred due to user complaints", "Y3", 'D'},
    {"yahoo", "421 4.7.1 [TS02] temporarily deferred", "Y4", 'D'},
    {"yahoo", "421 4.7.1 [TS03] All messages from 192.0.2.1 will be permanently deferred", "Y5",
     'D'},
    {"yahoo", "553 5.7.2 [TSS09] All messages from 192.0.2.1 will be permanently deferred", "Y6",
     'D'},
    {"yahoo", "421 Max message per connection reached, closing transmission channel", "Y7", 'N'},
    {"yahoo", "451 Resources temporarily unavailable. Please try again later [#4.16.5].", "Y8",
     'D'},
    {"yahoo", "553 Mail from 192.0.2.1 not allowed - 5.7.1 [BL21] Connections not accepted", "Y9",
     'D'},
    {"yahoo", "554 5.7.9 Message not accepted for policy reasons.", "Y10", 'B'},
    {"yahoo", "550 5.7.9 This mail has been blocked because the sender is unauthenticated.", "Y11",
     'B'},
    {"yahoo",
     "554 30 Sorry, your message to a@example.net cannot be delivered. This mailbox is disabled "
     "(554.30).",
     "Y12", 'B'},
    {"yahoo", "554 delivery error: dd This user doesn't have a yahoo.example account", "Y13", 'B'},
    {"yahoo", "452 temporary domain failure, try later", "Y16", 'D'},
    {"yahoo", "554 5.0.0 Message not accepted: headers are not RFC compliant", "Y17", 'B'},
    // Apple
    {"icloud", "421 4.7.1 Message could not be delivered due to excessive volume", "A1", 'D'},
    {"icloud", "451 4.7.1 Service unavailable - try again later", "A2", 'D'},
    {"icloud", "421 4.7.0 Blocked [HCM1]", "A3", 'D'},
    {"icloud", "554 5.7.1 [CS01] Message rejected due to local policy.", "A4", 'B'},
    {"icloud",
     "550 5.7.0 Blocked - see https://support.proofpoint.com/dnsbl-lookup.cgi?ip=192.0.2.1", "A6",
     'D'},
    {"icloud", "550 5.1.1 a@example.net: user does not exist", "A8", 'B'},
    {"icloud", "550 5.1.1 inactive email address", "A9", 'B'},
    {"icloud", "552 5.2.2 a@example.net: user is over quota", "A11", 'B'},
    {"icloud", "554 mx01 not accepting connections", "A12", 'D'},
    // French
    {"orange",
     "421 smtp-in.orange.fr Trop de connexions, veuillez verifier votre configuration. OFR004_104 "
     "[104]",
     "F1", 'D'},
    {"orange", "550 5.2.0 OFR_108 [108] refused", "F2", 'D'},
    {"orange", "421 4.7.1 OFR_999", "F3", 'D'},
    {"orange", "550 5.7.1 Service refuse. Veuillez essayer plus tard. OFR_102", "F4", 'D'},
    {"orange", "550 5.7.1 OFR_517 authentification", "F5", 'B'},
    {"orange", "550 5.1.8 Emetteur invalide. OFR_405 [405]", "F6", 'B'},
    {"orange", "550 5.1.1 Adresse d au moins un destinataire invalide. OFR_416 [416]", "F7", 'B'},
    {"laposte", "552 5.1.1 Boite du destinataire pleine. LPN105_417", "F8", 'B'},
    {"orange", "550 5.7.1 Mail rejete. OFR_506 [506]", "F10", 'B'},
    {"sfr", "421 4.7.1 SFR_IN_105 blocked", "F17", 'D'},
    {"sfr", "550 5.7.1 SFR_IN_104", "F16", 'D'},
    {"free", "550 Too many spams from your IP (192.0.2.1), please visit http://example.net", "F19",
     'D'},
    {"free", "550 spam detected", "F21", 'B'},
    {"free", "550 5.2.1 This mailbox has been blocked due to inactivity", "F23", 'B'},
    // German, Comcast, gateways
    {"gmx", "421 Service not available. Too many messages from your IP", "D1", 'D'},
    {"gmx", "554 Transaction failed. Reject due to policy restrictions.", "D2", 'D'},
    {"gmx", "554 mx.example.net No SMTP service. Bad DNS PTR resource record.", "D2", 'D'},
    {"gmx", "550 Requested action not taken: mailbox unavailable", "D22", 'B'},
    {"gmx", "550 Invalid DNS MX or A/AAAA resource record", "D21", 'B'},
    {"comcast", "550 5.1.1 Not our Customer", "D23", 'B'},
    {"t-online",
     "554 IP=192.0.2.1 - A problem occurred. (Ask your postmaster for help or to contact "
     "tobr@rx.example.net to clarify.) (NOWL)",
     "D5", 'D'},
    {"comcast", "421 Too many messages RL000003", "D6", 'D'},
    {"", "554 mx.example.net 192.0.2.1 blocked. BL000010", "D7", 'D'},
    {"", "554 5.7.1 AUP#CXBL", "D13", 'D'},
    {"mimecast", "451 Internal resources are temporarily unavailable", "D14", 'D'},
    {"mimecast", "550 Envelope blocked - User Entry", "D15", 'B'},
    {"proofpoint", "554 Blocked - see https://ipcheck.proofpoint.com/?ip=192.0.2.1", "D17", 'D'},
    {"barracuda", "550 permanent failure for one or more recipients (a@example.net:blocked)", "D18",
     'D'},
    {"qq", "550 Ip frequency limited", "D9", 'D'},
    {"netease", "554 DT:SPM 163 mx1", "D11", 'D'},
    // anywhere
    {"",
     "450 4.2.0 <a@example.net>: Recipient address rejected: Greylisted, see http://example.net",
     "N1", 'D'},
    {"", "451 4.7.1 Please try again later", "N2", 'D'},
    {"", "451 Please try again later, rate limit reached", "N7", 'D'},
    {"", "421 Too many concurrent SMTP connections from this IP", "N3", 'D'},
    {"", "421 too many messages in this connection", "N4", 'N'},
    {"", "550 5.7.1 You are sending too fast, slow down", "N7", 'D'},
    {"", "452 4.5.3 rate limit exceeded", "N7", 'D'},
    {"", "550 5.4.5 Daily user sending limit exceeded", "N7a", 'D'},
    {"", "550 5.7.1 Your sending rate exceeds our limits", "N7a", 'D'},
    {"", "550 5.7.1 You have exceeded your hourly sending limit", "N7a", 'D'},
    {"", "550 5.7.1 Hourly limit for your network exceeded", "N7b", 'D'},
    {"", "554 5.7.1 You've reached the number of messages we take from you today", "N7b", 'D'},
    {"", "550 Outbound mail quota reached", "N7b", 'D'},
    {"", "550 5.2.1 The user you are trying to contact exceeds the rate of mail it may get", "N29",
     'B'},
    {"", "552 5.2.2 The recipient has exceeded the daily limit", "N30", 'B'},
    {"", "552 5.3.4 You have exceeded the maximum size", "N16", 'B'},
    {"", "452 4.5.3 Error: too many recipients", "N5", 'D'},
    {"", "550 Too many invalid recipients", "N6", 'D'},
    {"", "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
     "N8", 'D'},
    {"", "554 5.7.1 Your URL is listed on SURBL", "N9", 'B'},
    {"", "550 5.7.25 Cannot find your reverse hostname, [192.0.2.1]", "N10", 'D'},
    {"", "550 5.7.1 Rejected by DMARC policy of example.com", "N11", 'B'},
    {"", "550 5.1.8 Sender address rejected: Domain not found", "N19", 'B'},
    {"", "450 4.1.8 <a@example.com>: Sender address rejected: Domain not found", "N19", 'D'},
    {"",
     "550 5.1.1 <a@example.net>: Recipient address rejected: User unknown in virtual mailbox table",
     "N12", 'B'},
    {"", "550 No such user here", "N12", 'B'},
    {"", "550 5.2.1 Account has been suspended", "N13", 'B'},
    {"", "552 5.2.2 Over quota", "N14", 'B'},
    {"", "452 4.2.2 Mailbox full", "N14", 'D'},
    {"", "554 5.7.1 <a@example.net>: Relay access denied", "N15", 'B'},
    {"", "552 5.3.4 Message size exceeds fixed limit", "N16", 'B'},
    {"", "554 5.4.6 Too many hops", "N17", 'B'},
    {"", "530 5.7.0 Must issue a STARTTLS command first", "N18", 'N'},
    {"", "530 5.7.0 Authentication required", "N18b", 'D'},
    {"o365",
     "530 5.7.57 SMTP; Client was not authenticated to send anonymous mail during MAIL FROM",
     "N18b", 'D'},
    {"google", "530-5.7.0 Authentication Required. Learn more at\r\n530 5.7.0 http://example.net",
     "N18b", 'D'},
    {"", "554 5.7.1 Virus detected", "N20", 'B'},
    {"", "554 5.7.1 Message looks like SPAM to us", "N21", 'B'},
    {"", "550 5.7.1 not authorized", "N22", 'B'},
    {"", "556 5.1.10 no mail here", "N23", 'B'},
    {"", "521 5.3.2 host does not accept mail", "N24", 'B'},
    {"", "550 5.1.1 rejected", "N27", 'B'},
    {"", "550 (#5.1.1) rejected", "N27", 'B'},
    {"", "550 5.1.2 rejected", "N28", 'B'},
    {"", "550 5.2.1 rejected", "N29", 'B'},
    {"", "552 5.2.2 rejected", "N30", 'B'},
    {"", "550 5.1.7 rejected", "N31", 'B'},
    {"", "503 5.5.1 bad sequence of commands", "N25", 'D'},
    {"", "421 see you", "N26a", 'D'},
    {"", "451 hmm", "N26b", 'D'},
    {"", "550 no", "N26c", 'B'},
};

TEST(Classify, Corpus) {
  static_assert(std::size(kSamples) >= 100);
  for (const Sample& sample : kSamples) {
    const Verdict verdict =
        classifier().classify(reply_of(sample.reply), Stage::kRcpt, sample.provider);
    EXPECT_STREQ(verdict.rule, sample.rule) << sample.provider << ": " << sample.reply;
    const char action = verdict.action == Action::kBounce  ? 'B'
                        : verdict.action == Action::kDefer ? 'D'
                                                           : 'N';
    EXPECT_EQ(action, sample.action) << sample.provider << ": " << sample.reply;
  }
}

TEST(Classify, TableIsWellFormed) {
  std::set<std::string> ids;
  size_t n = 0;
  std::vector<Rule> all = site_rules();
  all.insert(all.end(), generic_rules().begin(), generic_rules().end());
  RE2::Options options;
  options.set_case_sensitive(false);
  options.set_log_errors(false);
  for (const Rule& rule : all) {
    EXPECT_TRUE(ids.insert(rule.id).second) << rule.id;
    EXPECT_TRUE(RE2(rule.pattern, options).ok()) << rule.id;
    if (rule.unless) {
      EXPECT_TRUE(RE2(rule.unless, options).ok()) << rule.id;
    }
    // Conditions of the path keep the mail, and only a recipient can be suppressed.
    if (rule.scope == Scope::kPath) {
      EXPECT_NE(rule.soft.action, Action::kBounce) << rule.id;
      EXPECT_NE(rule.hard.action, Action::kBounce) << rule.id;
    }
    EXPECT_NE(rule.soft.action, Action::kBounce) << rule.id;
    EXPECT_EQ(rule.soft.suppress_after, 0) << rule.id;
    if (rule.hard.suppress_after > 0) {
      EXPECT_EQ(rule.scope, Scope::kRecipient) << rule.id;
    }
    ++n;
  }
  EXPECT_GE(n, 158u);
}

TEST(Classify, NothingBouncesBeforeMail) {
  for (const Stage stage : {Stage::kConnect, Stage::kGreeting, Stage::kEhlo, Stage::kHelo,
                            Stage::kStartTls, Stage::kAuth, Stage::kRset}) {
    for (const Sample& sample : kSamples) {
      const Verdict verdict = classifier().classify(reply_of(sample.reply), stage, sample.provider);
      EXPECT_NE(verdict.action, Action::kBounce) << sample.reply;
      if (sample.action == 'B') {
        EXPECT_EQ(verdict.scope, Scope::kPath) << sample.reply;
        EXPECT_EQ(verdict.effect.suppress_after, 0) << sample.reply;
      }
    }
  }
}

TEST(Classify, AtMailNoRecipientIsBlamed) {
  Verdict v = classifier().classify(reply_of("550 5.7.1 access denied"), Stage::kMail);
  EXPECT_EQ(v.action, Action::kDefer);
  EXPECT_EQ(v.scope, Scope::kPath);
  v = classifier().classify(reply_of("550 address unknown"), Stage::kMail);
  EXPECT_EQ(v.scope, Scope::kSender);
  EXPECT_EQ(v.effect.suppress_after, 0);
  v = classifier().classify(reply_of("552 5.3.4 message too big"), Stage::kMail);
  EXPECT_EQ(v.action, Action::kBounce);
  EXPECT_EQ(v.scope, Scope::kMessage);
  v = classifier().classify(reply_of("553 5.1.8 sender domain not found"), Stage::kMail);
  EXPECT_EQ(v.action, Action::kBounce);
  EXPECT_EQ(v.scope, Scope::kSender);
}

TEST(Classify, AnotherProvidersWordsDoNotCount) {
  const Reply reply = reply_of("421 4.7.1 [TS03] whatever");
  EXPECT_STREQ(classifier().classify(reply, Stage::kMail, "yahoo").rule, "Y5");
  EXPECT_STREQ(classifier().classify(reply, Stage::kMail, "google").rule, "N26a");
}

TEST(Classify, HintsAreThere) {
  Verdict v = classifier().classify(
      reply_of("550 5.7.1 part of their network is on our block list (S3150)"), Stage::kMail,
      "outlook");
  EXPECT_EQ(v.pause_path, 12h);
  EXPECT_EQ(v.cls, ReplyClass::kRep);
  EXPECT_TRUE(v.has(Effect::kAlert));
  v = classifier().classify(reply_of("451 greylisted, try again in 900 seconds"), Stage::kRcpt);
  EXPECT_EQ(v.retry_after, 15min);
  EXPECT_TRUE(v.has(Effect::kSameSource));
  v = classifier().classify(reply_of("451 greylisted, try again in 99999 hours"), Stage::kRcpt);
  EXPECT_EQ(v.retry_after, 12h);
  v = classifier().classify(reply_of("421 4.7.1 [TS02] x"), Stage::kRcpt, "yahoo");
  EXPECT_EQ(v.effect.rate_per_hour, 60);
  EXPECT_EQ(v.effect.hold_minutes, 30);
}

TEST(Classify, OutcomesWithoutAVerdictOfTheReceiver) {
  Outcome o;
  EXPECT_EQ(classifier().classify(o).action, Action::kRetryNow);
  o.kind = Outcome::Kind::kInDoubt;
  o.reply = reply_of("250 ok");
  EXPECT_EQ(classifier().classify(o).action, Action::kDefer);
  EXPECT_EQ(classifier().classify(o).retry_after, 30min);
  o = {};
  o.kind = Outcome::Kind::kRetry;
  o.stage = Stage::kConnect;
  EXPECT_EQ(classifier().classify(o).scope, Scope::kPath);
  o.stage = Stage::kTls;
  EXPECT_EQ(classifier().classify(o).cls, ReplyClass::kTls);
  o.kind = Outcome::Kind::kFailed;
  o.local = EnhancedCode{5, 3, 4};
  EXPECT_EQ(classifier().classify(o).cls, ReplyClass::kSize);
  EXPECT_TRUE(classifier().classify(o).bounce());
  o = {};
  o.kind = Outcome::Kind::kRetry;
  o.retry_now = true;
  o.stage = Stage::kMail;
  o.reply = reply_of("421 4.4.2 idle too long");
  EXPECT_EQ(classifier().classify(o).action, Action::kRetryNow);
  o.reply = reply_of("421 4.7.1 [TS03] x");
  EXPECT_EQ(classifier().classify(o, "yahoo").action, Action::kDefer);
  // A 5xx that the core itself read as "not now" must not bounce.
  o.retry_now = false;
  o.stage = Stage::kRcpt;
  o.reply = reply_of("552 too many recipients");
  EXPECT_FALSE(classifier().classify(o).bounce());
}

}  // namespace
}  // namespace volley::smtp
