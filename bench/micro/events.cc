// A line of the event log, beside nlohmann-json writing the same fields; a record of the journal.
#include <nlohmann/json.hpp>

#include "bench/micro/sized.h"
#include "bench/replay/recorded.h"
#include "engine/delivery/journal_format.h"
#include "metrics/event_log.h"

namespace volley::bench {
namespace {

metrics::Event event() {
  metrics::Event e;
  e.time = from_ms(1'700'000'000'000);
  e.id = "november-2026.1234567";
  e.campaign = "november-2026";
  e.recipient = person(1).email();
  e.site = e.host = "mx1.example.net";
  e.source = "192.0.2.1";
  e.code = 250;
  e.enhanced = "2.0.0";
  e.text = "Ok: queued as 4Pz2Kx1Jq8z9rxN";
  e.attempt = 1;
  return e;
}

void EventLine(benchmark::State& state) {
  const metrics::Event e = event();
  size_t bytes = 0;
  for (auto _ : state) bytes = metrics::to_json_line(e).size();
  did(state, 1, bytes);
}
BENCHMARK(EventLine);

void EventLineLibNlohmann(benchmark::State& state) {
  const metrics::Event e = event();
  size_t bytes = 0;
  for (auto _ : state) {
    const nlohmann::ordered_json line = {{"time", "2023-11-14T22:13:20.000Z"},
                                         {"event", metrics::to_string(e.kind)},
                                         {"id", e.id},
                                         {"campaign", e.campaign},
                                         {"lane", e.lane},
                                         {"recipient", e.recipient},
                                         {"site", e.site},
                                         {"host", e.host},
                                         {"source", e.source},
                                         {"code", e.code},
                                         {"enhanced", e.enhanced},
                                         {"text", e.text},
                                         {"attempt", e.attempt},
                                         {"generation", e.generation},
                                         {"revision", e.revision}};
    bytes = line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace).size();
  }
  did(state, 1, bytes);
}
BENCHMARK(EventLineLibNlohmann);

void JournalRecord(benchmark::State& state) {
  const metrics::Event e = event();
  delivery::Record record;
  record.campaign = e.campaign;
  record.number = 1234567;
  record.recipient = e.recipient;
  record.site = record.host = e.host;
  record.source = e.source;
  record.code = e.code;
  record.enhanced = e.enhanced;
  record.text = e.text;
  std::string out;
  for (auto _ : state) {
    out.clear();
    delivery::put_outcome(out, record, 1);
    benchmark::DoNotOptimize(out.data());
  }
  did(state, 1, out.size());
}
BENCHMARK(JournalRecord);

}  // namespace
}  // namespace volley::bench
