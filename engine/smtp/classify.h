// From how an attempt ended to what to do about it.
//
// Purpose  Classifier::classify() applies the rules of rules.h to a reply, and fixed sense to everything that is no reply
//          (lost connections, timeouts, doubt). `rule` names what decided, for `volley explain` and the logs.
// Key      A 5xx bounces only where it concerns the recipient or the message. At connect, greeting, EHLO, STARTTLS and
//          AUTH, and where it speaks of our address, its name, rate or reputation, it is a condition of the path: the
//          mail is kept. At MAIL no recipient has been named: only sender, size and content policy can bounce there.
// Ownership  Build one and share it. The rules of a family are compiled for its first reply (3 ms, some MiB), so that an
//          engine that hears nothing but 250 starts without.
// Thread   Any, const; whoever comes while a family is being compiled waits for it.
// Not for  counting: "after 3", "5 in an hour" are numbers in the verdict; the driver counts.
#pragma once

#include <memory>
#include <string_view>

#include "base/time.h"
#include "engine/smtp/outcome.h"
#include "engine/smtp/providers.h"
#include "engine/smtp/rules.h"

namespace volley::smtp {

struct Verdict {
  Action action = Action::kDefer;
  Scope scope = Scope::kPath;
  ReplyClass cls = ReplyClass::kNone;
  const char* rule = "";   // "G1", "N26"; "local" and the like when no reply decided
  Duration retry_after{};  // zero: the usual back-off
  Duration pause_path{};   // zero: no pause
  Effect effect;           // everything else: limits, counts, flags

  bool bounce() const { return action == Action::kBounce; }
  bool has(Effect::Flag flag) const { return (effect.flags & flag) != 0; }
};

class Classifier {
 public:
  Classifier();
  ~Classifier();
  Classifier(const Classifier&) = delete;
  Classifier& operator=(const Classifier&) = delete;

  // For outcomes that are not Delivered. `provider` as provider_of() named it, or empty.
  Verdict classify(const Outcome& outcome, std::string_view provider = {}) const;
  Verdict classify(const Reply& reply, Stage stage, std::string_view provider = {}) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace volley::smtp
