// The names of things in Redis. Every key starts with `volley:` and has exactly one hash tag, but for the intake stream's
// (queue/stream.h), whose names producers write by hand.
//
// Purpose  The prefixes that functions get as their only key, and the few keys that plain commands read. What lies below
//          a partition's prefix is described in functions/00_common.lua.
// Thread   Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "queue/types.h"

namespace volley::queue {

inline constexpr int kSchema = 1;

std::string global_key(std::string_view name = {});                         // volley:{g}:name
std::string campaign_key(std::string_view id, std::string_view name = {});  // volley:{c:id}:name
std::string partition_key(uint32_t partition, std::string_view name = {});  // volley:{p07}:name
std::string idempotency_key(std::string_view key);                          // volley:{i42}:hash

// "t:default": the part of a key that says lane and tenant.
std::string lane_tenant(Lane lane, std::string_view tenant);
bool parse_lane_tenant(std::string_view text, Lane& lane, std::string& tenant);

// What may be part of a key: no separators, no control characters.
Status check_key_part(std::string_view what, std::string_view text);

// A single message's id carries its number and partition, so that its status is found without an index.
bool parse_single_message_id(std::string_view id, uint64_t& number, uint32_t& partition);

// From the kernel: for what nobody may guess, and for nonces.
std::string random_bytes(size_t count);

}  // namespace volley::queue
