// How the session misbehaves, and how it takes its time.
#include <charconv>
#include <chrono>

#include "engine/sink/noise.h"
#include "engine/sink/session.h"
#include "engine/sink/worker.h"

namespace volley::sink {
namespace {

constexpr Duration kSilence = std::chrono::seconds(1);   // counts as idle, unless told otherwise
constexpr Duration kShutFor = std::chrono::minutes(30);  // a peer that went away is not seen
constexpr std::string_view kTaken = "250 2.0.0 Ok";

int code_of(std::string_view reply) {
  int code = 0;
  std::from_chars(reply.data(), reply.data() + 3, code);
  return code;
}

// The step an event is; for the end of a message by BDAT, that of its last chunk as well.
struct Steps {
  bool any = true;
  Step step = Step::kConnect;
  bool bdat = false;
};

Steps steps_of(const smtp::Server::Event& event) {
  using Type = smtp::Server::Event::Type;
  switch (event.type) {
    case Type::kConnected:
      return {true, Step::kConnect};
    case Type::kEhlo:
      return {true, Step::kEhlo};
    case Type::kStartTls:
      return {true, Step::kStartTls};
    case Type::kAuth:
      return {true, Step::kAuth};
    case Type::kMail:
      return {true, Step::kMail};
    case Type::kRcpt:
      return {true, Step::kRcpt};
    case Type::kDataStart:
      return {!event.chunking, Step::kData};
    case Type::kChunkEnd:
      return {true, Step::kBdat};
    case Type::kDataEnd:
      return {true, Step::kEndOfData, event.chunking};
    case Type::kReset:
      return {true, Step::kReset};
    case Type::kQuit:
      return {true, Step::kQuit};
    default:
      return {false};
  }
}

}  // namespace

Session::Verdict Session::obey(Step step, std::string_view sender,
                               std::span<const std::string> recipients) {
  Shared& shared = worker_.shared();
  if (!shared.rules.wants(step)) return Verdict::kUsual;
  const Rule* rule = shared.rules.match(step, sender, recipients);
  return rule ? act(*rule) : Verdict::kUsual;
}

Session::Verdict Session::act(const Rule& rule) {
  send();  // what was said before keeps its shape
  Verdict verdict = Verdict::kTaken;
  switch (rule.action) {
    case Action::kReply:
      return answer_as(rule.reply);
    case Action::kClose:
      refuse_quietly(Mode::kClosing);
      return Verdict::kRefused;
    case Action::kAbort:
      refuse_quietly(Mode::kAborting);
      return Verdict::kRefused;
    case Action::kStall:
      refuse_quietly(Mode::kDeaf);
      return Verdict::kRefused;
    case Action::kTwice:
    case Action::kDrip: {
      if (rule.reply.empty()) {
        decide_as_usual();
      } else {
        verdict = answer_as(rule.reply);
      }
      const std::string reply = collect();
      if (rule.action == Action::kDrip) {
        say_slowly(reply, rule);
      } else {
        say(reply + reply);
      }
      return verdict;
    }
    case Action::kJunk:
      decide_as_usual();
      collect();
      say(noise(trouble().random, rule.bytes));
      return verdict;
    case Action::kRaw:
      decide_as_usual();
      collect();
      say(rule.reply);
      return verdict;
    case Action::kShutRead:
      decide_as_usual();
      send();
      mode_ = Mode::kShut;
      timer_.set_after(kShutFor);
      update_reading();
      return verdict;
    case Action::kLateClose:
      decide_as_usual();
      collect();
      mode_ = Mode::kClosing;
      return verdict;
    case Action::kEarly:
      return Verdict::kUsual;  // at kBody only
  }
  return verdict;
}

Session::Verdict Session::answer_as(std::string_view reply) {
  const int code = code_of(reply);
  server_.respond(code, "", reply.substr(std::min<size_t>(reply.size(), 4)));
  if (code < 400) return Verdict::kTaken;
  worker_.shared().refused.fetch_add(1, std::memory_order_relaxed);
  return Verdict::kRefused;
}

void Session::decide_as_usual() {
  if (event_->type == Event::Type::kAuth) {
    log_in(*event_);
  } else {
    server_.accept();
  }
}

void Session::refuse_quietly(Mode mode) {
  worker_.shared().refused.fetch_add(1, std::memory_order_relaxed);
  mode_ = mode;
}

// Content begins to arrive; nobody waits for an answer.
void Session::act_on_body() {
  const Rule* rule = worker_.shared().rules.match(Step::kBody, from_, recipients_);
  if (!rule) return;
  send();
  if (rule->action != Action::kEarly) {
    speak_out_of_turn(*rule);
    return;
  }
  const std::string_view reply = rule->reply.empty() ? kTaken : std::string_view(rule->reply);
  early_ = code_of(reply) < 400 ? Early::kTaken : Early::kRefused;
  say(std::string(reply) + "\r\n");
  if (code_of(reply) == 421) mode_ = Mode::kClosing;
}

void Session::act_on_idle() {
  const Rule* rule = worker_.shared().rules.match(Step::kIdle, ehlo_, {});
  if (rule) speak_out_of_turn(*rule);
  finish();
}

// Without a question, so there is nothing to accept or refuse.
bool Session::speak_out_of_turn(const Rule& rule) {
  switch (rule.action) {
    case Action::kReply:
      say(rule.reply + "\r\n");
      if (code_of(rule.reply) == 421) mode_ = Mode::kClosing;
      return true;
    case Action::kRaw:
      say(rule.reply);
      return true;
    case Action::kJunk:
      say(noise(trouble().random, rule.bytes));
      return true;
    case Action::kShutRead:
      mode_ = Mode::kShut;
      timer_.set_after(kShutFor);
      update_reading();
      return true;
    case Action::kClose:
      refuse_quietly(Mode::kClosing);
      return true;
    case Action::kAbort:
      refuse_quietly(Mode::kAborting);
      return true;
    case Action::kStall:
      refuse_quietly(Mode::kDeaf);
      return true;
    default:
      return false;
  }
}

// A command that takes its time is decided when that is over, and nothing behind it is looked at until then.
bool Session::postpone(const Event& event) {
  const Shared& shared = worker_.shared();
  if (!shared.works_slowly) return false;
  const Delays& delays = shared.options.delays;
  if (event.type == Event::Type::kDataChunk && !delays.at(Step::kBody).none()) {
    Trouble& t = trouble();
    if (t.waits == Waits::kNothing) {
      t.waits = Waits::kReading;
      t.work_timer.set_after(delays.at(Step::kBody).draw(t.random));
    }
    return false;
  }
  const Steps steps = steps_of(event);
  if (!steps.any) return false;
  Trouble& t = trouble();
  Duration wait = delays.at(steps.step).draw(t.random);
  if (steps.bdat) wait += delays.at(Step::kBdat).draw(t.random);
  if (wait == Duration::zero()) return false;
  server_.hold();
  t.held_text = event.text;
  t.held = event;
  t.held.text = t.held_text;
  t.waits = Waits::kDecision;
  t.work_timer.set_after(wait);
  return true;
}

// Nothing is under way and nothing is left to read: from now on it counts.
void Session::wait_for_silence() {
  const Shared& shared = worker_.shared();
  if (!shared.rules.wants(Step::kIdle) || open_ || ehlo_.empty() || closing_ || need_tls_) return;
  Trouble& t = trouble();
  if (t.waits != Waits::kNothing || t.login) return;
  const DelayRange& range = shared.options.delays.at(Step::kIdle);
  t.waits = Waits::kIdle;
  t.work_timer.set_after(range.none() ? kSilence : range.draw(t.random));
}

void Session::on_work_timer() {
  const Waits waits = std::exchange(trouble_->waits, Waits::kNothing);
  if (mode_ != Mode::kLive) return;
  if (waits == Waits::kIdle) return act_on_idle();
  if (waits == Waits::kDecision) {
    handle(trouble_->held);
    if (mode_ == Mode::kLive && server_.held()) server_.accept();
  }
  update_reading();
  pump();
}

}  // namespace volley::sink
