#include "engine/smtp/classify.h"

#include <re2/re2.h>
#include <re2/set.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

namespace volley::smtp {
namespace {

constexpr int64_t kRegexMemory = 32 << 20;

RE2::Options options() {
  RE2::Options o;
  o.set_case_sensitive(false);
  o.set_log_errors(false);
  o.set_max_mem(kRegexMemory);
  return o;
}

// One expression, compiled when it is first needed: most never are.
class Expression {
 public:
  explicit Expression(const char* pattern) : pattern_(pattern) {}
  bool matches(const std::string& text) const {
    std::call_once(once_, [this] { compiled_ = std::make_unique<RE2>(pattern_, options()); });
    return RE2::PartialMatch(text, *compiled_);
  }

 private:
  const char* pattern_;
  mutable std::once_flag once_;
  mutable std::unique_ptr<RE2> compiled_;
};

// The rules that apply at the sites of one family, in order.
class Table {
 public:
  void add(const Rule& rule) {
    rules_.push_back(&rule);
    singles_.emplace_back(rule.pattern);
    exceptions_.push_back(rule.unless ? std::make_unique<Expression>(rule.unless) : nullptr);
  }

  // The first rule that matches; null: none.
  const Rule* match(const std::string& text, Stage stage) const {
    for (const int hit : hits(text)) {
      const auto i = static_cast<size_t>(hit);
      if (rules_[i]->at_mail && stage != Stage::kMail) continue;
      if (!exceptions_[i] || !exceptions_[i]->matches(text)) return rules_[i];
    }
    return nullptr;
  }

 private:
  void compile() const {
    set_ = std::make_unique<RE2::Set>(options(), RE2::UNANCHORED);
    std::string error;
    for (const Rule* rule : rules_) set_->Add(rule->pattern, &error);
    set_->Compile();
  }

  // In the order of the rules.
  std::vector<int> hits(const std::string& text) const {
    std::call_once(once_, [this] { compile(); });
    std::vector<int> found;
    RE2::Set::ErrorInfo info{};
    if (!set_->Match(text, &found, &info) && info.kind != RE2::Set::kNoError) {
      found.clear();
      for (size_t i = 0; i < singles_.size(); ++i) {
        if (singles_[i].matches(text)) found.push_back(static_cast<int>(i));
      }
    }
    std::sort(found.begin(), found.end());
    return found;
  }

  std::vector<const Rule*> rules_;
  std::vector<std::unique_ptr<Expression>> exceptions_;
  std::deque<Expression> singles_;  // for the rare reply that the set gives up on
  mutable std::once_flag once_;
  mutable std::unique_ptr<RE2::Set> set_;
};

// Where nothing has been said about a recipient or a message yet.
bool before_mail(Stage stage) { return stage <= Stage::kRset || stage == Stage::kQuit; }

// "(#5.1.1)", "5.7.1:" and the like, for matching only.
std::string matchable(const Reply& reply) {
  if (reply.enhanced) return reply.str();
  static const RE2 kLoose(R"(^[^0-9]{0,8}\(?#?([245]\.\d{1,3}\.\d{1,3})[):,]*\s*(.*)$)");
  std::string code, rest;
  if (RE2::FullMatch(reply.text, kLoose, &code, &rest) && code[0] - '0' == reply.first_digit()) {
    return std::to_string(reply.code) + ' ' + code + ' ' + rest;
  }
  return reply.str();
}

// "try again in 300 seconds", "in 5 minutes"; zero if it does not say.
Duration asked_delay(const std::string& text) {
  static const RE2 kAsked(R"((?i)(?:again|retry) (?:in|after) (\d{1,5}) ?(s|m|h))");
  int n = 0;
  std::string unit;
  if (!RE2::PartialMatch(text, kAsked, &n, &unit)) return {};
  const char u = static_cast<char>(unit[0] | 0x20);
  const std::chrono::seconds each(u == 's' ? 1 : u == 'm' ? 60 : 3600);
  return std::min<Duration>(n * each, std::chrono::hours(12));
}

Verdict local(Action action, Scope scope, ReplyClass cls, const char* rule) {
  Verdict verdict;
  verdict.action = action;
  verdict.scope = scope;
  verdict.cls = cls;
  verdict.rule = rule;
  return verdict;
}

// The relay knows us and does not let us in, or cannot be trusted with a password. Whatever it says, this is for a person
// to mend; asking again soon locks accounts.
bool is_login_refused(const Outcome& outcome) {
  if (outcome.stage != Stage::kAuth) return false;
  return outcome.reply.code ? outcome.reply.first_digit() == 5
                            : outcome.local && outcome.local->subject == 7;
}

Verdict login_refused() {
  Verdict verdict;
  verdict.scope = Scope::kPath;
  verdict.cls = ReplyClass::kAuth;
  verdict.rule = "login";
  verdict.pause_path = std::chrono::minutes(30);
  verdict.effect.pause_minutes = 30;
  verdict.effect.flags = Effect::kAlert | Effect::kPauseCampaign;
  return verdict;
}

// Without a reply that decides: lost connections, broken protocol, messages that do not fit this server.
Verdict classify_local(const Outcome& outcome) {
  if (outcome.kind == Outcome::Kind::kUntried) {
    return local(Action::kRetryNow, Scope::kPath, ReplyClass::kNone, "untried");
  }
  if (outcome.retry_now) {
    return local(Action::kRetryNow, Scope::kPath, ReplyClass::kProto, "again");
  }
  if (outcome.kind == Outcome::Kind::kInDoubt) {
    Verdict verdict = local(Action::kDefer, Scope::kPath, ReplyClass::kSys, "doubt");
    verdict.retry_after = std::chrono::minutes(30);
    return verdict;
  }
  if (outcome.kind == Outcome::Kind::kFailed) {
    const bool size = outcome.local == EnhancedCode{5, 3, 4};
    const bool rcpt = outcome.local == EnhancedCode{5, 1, 3};
    return local(Action::kBounce, rcpt ? Scope::kRecipient : Scope::kMessage,
                 size   ? ReplyClass::kSize
                 : rcpt ? ReplyClass::kInv
                        : ReplyClass::kPol,
                 "unfit");
  }
  const bool tls = outcome.stage == Stage::kStartTls || outcome.stage == Stage::kTls;
  const bool protocol = outcome.local && outcome.local->subject == 5;
  return local(Action::kDefer, Scope::kPath,
               tls        ? ReplyClass::kTls
               : protocol ? ReplyClass::kProto
                          : ReplyClass::kSys,
               "local");
}

// A bounce where no recipient or message can be meant is a condition of the path.
void keep_the_mail(Verdict& verdict, Stage stage) {
  if (stage == Stage::kMail) {
    if (verdict.scope == Scope::kRecipient) {  // the only address named so far is the sender's
      verdict.scope = Scope::kSender;
      verdict.cls = ReplyClass::kSnd;
      verdict.effect.suppress_after = 0;
      return;
    }
    const bool about_it = verdict.cls == ReplyClass::kSize || verdict.cls == ReplyClass::kSnd ||
                          verdict.cls == ReplyClass::kAuth || verdict.cls == ReplyClass::kSpam;
    if (about_it) return;
  } else if (!before_mail(stage)) {
    return;
  }
  verdict.action = Action::kDefer;
  verdict.scope = Scope::kPath;
  verdict.effect.action = Action::kDefer;
  verdict.effect.suppress_after = 0;
  verdict.effect.flags = static_cast<uint16_t>(verdict.effect.flags & ~Effect::kBounceSecond);
}

}  // namespace

struct Classifier::Impl {
  std::vector<Rule> site;
  std::array<Table, static_cast<size_t>(Family::kCount)> tables;
};

Classifier::Classifier() : impl_(std::make_unique<Impl>()) {
  impl_->site = site_rules();
  for (size_t f = 0; f < impl_->tables.size(); ++f) {
    Table& table = impl_->tables[f];
    for (const Rule& rule : impl_->site) {
      if (rule.families == 0 || (rule.families & (1u << f))) table.add(rule);
    }
    for (const Rule& rule : generic_rules()) table.add(rule);
  }
}

Classifier::~Classifier() = default;

Verdict Classifier::classify(const Outcome& outcome, std::string_view provider) const {
  using Kind = Outcome::Kind;
  if (is_login_refused(outcome)) return login_refused();
  const bool replied = outcome.reply.code >= 400 && outcome.reply.code < 600;
  if (!replied || outcome.kind == Kind::kUntried || outcome.kind == Kind::kInDoubt) {
    return classify_local(outcome);
  }
  if (outcome.local && outcome.kind == Kind::kRetry) return classify_local(outcome);
  Verdict verdict = classify(outcome.reply, outcome.stage, provider);
  if (outcome.kind == Kind::kRetry && verdict.bounce()) verdict.action = Action::kDefer;
  // The core saw that only the connection or its command was at fault; what the reply says about the path stays.
  const bool path_quiet = verdict.pause_path == Duration{} && verdict.cls != ReplyClass::kRate &&
                          verdict.cls != ReplyClass::kRep;
  if (outcome.retry_now && path_quiet) verdict.action = Action::kRetryNow;
  return verdict;
}

Verdict Classifier::classify(const Reply& reply, Stage stage, std::string_view provider) const {
  const auto family = static_cast<size_t>(family_of(provider));
  const Rule* rule = impl_->tables[family].match(matchable(reply), stage);
  if (!rule) return local(Action::kDefer, Scope::kPath, ReplyClass::kProto, "none");
  Verdict verdict;
  verdict.effect = reply.first_digit() == 5 ? rule->hard : rule->soft;
  verdict.action = verdict.effect.action;
  verdict.scope = rule->scope;
  verdict.cls = rule->cls;
  verdict.rule = rule->id;
  if (verdict.bounce() || verdict.has(Effect::kBounceSecond)) keep_the_mail(verdict, stage);
  verdict.retry_after = std::chrono::minutes(verdict.effect.retry_minutes);
  verdict.pause_path = std::chrono::minutes(verdict.effect.pause_minutes);
  if (reply.first_digit() == 4) {
    verdict.retry_after = std::max(verdict.retry_after, asked_delay(reply.text));
  }
  return verdict;
}

}  // namespace volley::smtp
