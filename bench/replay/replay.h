// The hot paths as functions that do the same work for the same input, every time: what bench/instructions counts.
//
// Purpose    Each path runs `count` units (messages, recipients, rows, records) over recorded input, on one thread: no socket,
//            no Redis, no TLS, no DKIM, no clock and no randomness. So the instructions of a unit are a number, not a measurement.
// Counting   A path prepares its input before its loop, the same for every count; bench/instructions runs two counts and takes
//            the difference, in which preparation drops out.
// Thread     One.
// Errors     A path that does not do what it should (a message not delivered, a row not read) ends the program: a path that
//            fails is cheap, and would look like progress.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace volley::bench {

struct Path {
  const char* name;
  const char* unit;
  uint64_t count;  // units in the shorter of two runs; the longer one has twice as many
  const char* what;
  uint64_t (*run)(
      uint64_t
          count);  // returns bytes made, read or written: something that must not change either
};

std::span<const Path> paths();

uint64_t message_data(uint64_t count);
uint64_t message_bdat(uint64_t count);
uint64_t refusal(uint64_t count);
uint64_t chunk_decode(uint64_t count);
uint64_t chunk_encode(uint64_t count);
uint64_t import_row(uint64_t count);
uint64_t record(uint64_t count);
uint64_t settlement(uint64_t count);

}  // namespace volley::bench
