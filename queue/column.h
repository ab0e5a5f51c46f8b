// Columns: a run of integers or strings, packed by what they have in common.
//
// Purpose  A chunk keeps all values of one field together: that packs smaller and decodes faster than row by row. A column
//          where every value is zero or empty, or all are equal, is stored once.
// Errors   Reading marks the Reader as failed; nothing is allocated beyond the count the caller gives.
// Thread   Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "queue/varint.h"

namespace volley::queue {

void put_integers(std::string& out, std::span<const uint64_t> values);
void get_integers(Reader& reader, std::span<uint64_t> values);

void put_strings(std::string& out, std::span<const std::string_view> values);
void get_strings(Reader& reader, std::span<std::string_view> values);

// Addresses: an `@domain` that all share is stored once. `buffer` receives what must be put together again.
void put_addresses(std::string& out, std::span<const std::string_view> addresses);
void get_addresses(Reader& reader, std::span<std::string_view> addresses, std::string& buffer);

}  // namespace volley::queue
