#include "engine/cli/queue_row.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/time.h"
#include "base/units.h"
#include "queue/store.h"

namespace volley::cli {
namespace {

using nlohmann::ordered_json;

ordered_json time_json(int64_t ms) { return ms == 0 ? ordered_json() : ordered_json(time_text(ms)); }

std::string since(int64_t ms, int64_t now_ms) {
  if (ms == 0) return "";
  return format_duration(std::chrono::seconds(std::max<int64_t>(0, now_ms - ms) / 1000));
}

}  // namespace

std::string message_id_of(const queue::Place& place, uint64_t number) {
  if (place.destination.campaign == queue::kSingleMessages) return queue::single_message_id(number, place.partition);
  return fmt::format("{}.{}", place.destination.campaign, number);
}

std::string_view state_of(const queue::Place& place) {
  if (place.over && place.where != queue::Where::kInFlight) return "cancelled";
  return to_string(place.where);
}

int64_t next_try_ms(const queue::Place& place, const queue::Recipient& recipient) {
  if (place.where == queue::Where::kWaiting) return place.due_ms;
  return place.where == queue::Where::kHeld ? recipient.not_before_ms : 0;
}

std::string time_text(int64_t ms) {
  if (ms == 0) return {};
  const auto seconds = static_cast<std::time_t>(ms / 1000);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(seconds), ms % 1000);
}

std::string json_row(const queue::Place& place, const queue::Recipient& r) {
  ordered_json row;
  row["id"] = message_id_of(place, r.number);
  row["campaign"] = place.destination.campaign;
  row["lane"] = to_string(place.destination.lane);
  row["domain"] = queue::domain_of(place.destination.domain);
  row["recipient"] = r.address;
  row["number"] = r.number;
  row["attempts"] = r.attempts;
  row["enqueued"] = time_json(r.enqueued_ms);
  row["first_attempt"] = time_json(r.first_attempt_ms);
  row["not_before"] = time_json(next_try_ms(place, r));
  row["last_code"] = r.last_code == 0 ? ordered_json() : ordered_json(r.last_code);
  row["where"] = state_of(place);
  return row.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

const char kTableHead[] = "WHERE       TRIES  CODE        AGE   NEXT TRY  CAMPAIGN                  RECIPIENT\n";

std::string table_row(const queue::Place& place, const queue::Recipient& r, int64_t now_ms) {
  const int64_t next = next_try_ms(place, r);
  return fmt::format("{:<10} {:>6}  {:>4} {:>10} {:>10}  {:<24}  {}\n", state_of(place), r.attempts,
                     r.last_code == 0 ? "" : std::to_string(r.last_code), since(r.enqueued_ms, now_ms),
                     next == 0     ? ""
                     : next > now_ms ? since(now_ms, next)
                                     : "due",
                     place.destination.campaign, r.address);
}

}  // namespace volley::cli
