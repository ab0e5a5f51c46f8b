#include <fmt/format.h>

#include <algorithm>

#include "base/hash.h"
#include "queue/outcomes.h"
#include "queue/store_impl.h"

namespace volley::queue {

char letter_of(Where where) {
  switch (where) {
    case Where::kReady:
      return 'q';
    case Where::kWaiting:
      return 'r';
    case Where::kHeld:
      return 'h';
    case Where::kParked:
      return 'd';
    case Where::kBounced:
      return 'b';
    case Where::kExpired:
      return 'e';
    case Where::kInFlight:
      break;
  }
  return 'f';
}

std::string which_of(const Place& place) {
  if (place.where == Where::kWaiting) return fmt::format("{}", place.due_ms);
  if (place.where == Where::kParked || place.where == Where::kInFlight)
    return fmt::format("{}", place.lease);
  return {};
}

namespace {

Recipient untried(Recipient r) {
  r.attempts = 0;
  r.first_attempt_ms = r.not_before_ms = 0;
  r.last_code = 0;
  return r;
}

bool ends(Change what) { return what == Change::kDelete || what == Change::kForget; }

// The chunk without the picked ones, and those.
struct Parts {
  std::string rest, picked;
  std::vector<FinalOutcome> outcomes;
  int64_t due_ms = 0;  // the latest of the picked ones
};

Parts take_apart(Change what, const Found& found, std::span<const size_t> picked) {
  Parts parts;
  ChunkBuilder rest, taken;
  size_t next = 0;
  for (size_t i = 0; i < found.recipients.size(); ++i) {
    const Recipient& r = found.recipients[i];
    const bool is_picked = next < picked.size() && picked[next] == i;
    if (!is_picked) {
      rest.add(r);
      continue;
    }
    ++next;
    taken.add(what == Change::kAgain ? untried(r) : r);
    parts.due_ms = std::max(parts.due_ms, r.not_before_ms);
    if (ends(what) || what == Change::kAgain) {
      const Outcome outcome = ends(what) ? Outcome::kCancelled : Outcome::kRetried;
      const std::string_view address = what == Change::kForget ? std::string_view() : r.address;
      parts.outcomes.push_back({r.number, outcome, r.last_code, {}, std::string(address)});
    }
  }
  rest.set_inline_content(found.chunk.inline_content());
  taken.set_inline_content(found.chunk.inline_content());
  if (rest.size() > 0) parts.rest = rest.encode();
  // All of it: the functions know it already.
  const bool whole = picked.size() == found.chunk.recipients().size();
  if ((!whole || what == Change::kAgain) && !ends(what)) parts.picked = taken.encode();
  return parts;
}

}  // namespace

const std::string& Store::Impl::tool() {
  if (tool_name.empty()) {
    const std::string bytes = random_bytes(8);
    tool_name = to_hex(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  }
  return tool_name;
}

std::string_view to_string(Change change) {
  switch (change) {
    case Change::kHold:
      return "hold";
    case Change::kRelease:
      return "release";
    case Change::kDelete:
      return "delete";
    case Change::kRetry:
      return "retry";
    case Change::kAgain:
      return "again";
    case Change::kForget:
      return "forget";
  }
  return "unknown";
}

bool applies_to(Change change, Where where) {
  switch (change) {
    case Change::kHold:
      return where == Where::kReady || where == Where::kWaiting;
    case Change::kRelease:
      return where == Where::kHeld;
    case Change::kDelete:
      return where != Where::kInFlight && !is_final(where);
    case Change::kRetry:
      return where == Where::kWaiting;
    case Change::kAgain:
      return is_final(where);
    case Change::kForget:
      return where != Where::kInFlight;
  }
  return false;
}

Result<ChangeResult> Store::change(Change what, const Found& found,
                                   std::span<const size_t> picked, uint64_t revision) {
  const Place& place = found.place;
  const bool nobody = picked.empty() && (what != Change::kForget || place.where != Where::kParked);
  if (nobody || !applies_to(what, place.where)) {
    return Error{Errc::kInternal,
                 fmt::format("cannot {} what is {}", to_string(what), to_string(place.where))};
  }
  const Parts parts = take_apart(what, found, picked);
  const bool single = place.destination.campaign == kSingleMessages;
  Command command = Command::function("volley1_change", partition_key(place.partition));
  command.arg(impl_->tool()).number(++impl_->changes).arg(to_string(what));
  command.arg(std::string(1, letter_of(place.where)));
  command.arg(lane_tenant(place.destination.lane, place.destination.tenant));
  command.arg(place.destination.campaign).arg(place.destination.domain);
  command.arg(which_of(place));
  command.number(found.index).arg(found.bytes).arg(parts.rest).arg(parts.picked);
  command.arg(single ? std::string() : encode_outcomes(parts.outcomes));
  command.number(what == Change::kAgain ? static_cast<int64_t>(revision) : parts.due_ms);
  if (single) {
    for (const FinalOutcome& outcome : parts.outcomes)
      command.arg(fmt::format("{}", outcome.number));
  }
  auto answer = impl_->link.run(command);
  if (!answer) return answer.error();
  const int64_t changed = answer->view().number();
  return changed > 0    ? ChangeResult::kChanged
         : changed == 0 ? ChangeResult::kMoved
                        : ChangeResult::kOver;
}

Result<uint64_t> Store::wake(const Destination& destination, uint32_t partition) {
  Command command = Command::function("volley1_wake", partition_key(partition));
  command.arg(lane_tenant(destination.lane, destination.tenant)).arg(destination.domain);
  auto answer = impl_->link.run(command);
  if (!answer) return answer.error();
  return answer->view().unsigned_number();
}

}  // namespace volley::queue
