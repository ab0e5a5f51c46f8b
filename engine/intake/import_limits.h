// ImportLimits: how much an import holds and writes at a time.
//
// Purpose    One place for the numbers; tests make them small.
// Units      Bytes of rows as RowBatch packs them, but for call_chunks.
#pragma once

#include <cstddef>

namespace volley::intake {

struct ImportLimits {
  size_t buffers =
      size_t{40} << 20;  // of rows waiting to be packed; what they are packed into comes on top
  size_t slice = size_t{32} << 20;  // of one partition's spilled rows, grouped at once
  size_t round = size_t{4} << 20;   // in calls that are sent together
  size_t call_chunks = 1500;        // in one call: it blocks Redis meanwhile
  size_t call_bytes =
      size_t{2} << 20;  // of chunks in one call, if they are of more than one domain
  size_t domain_bytes = size_t{8} << 20;  // of one domain in a slice, as these go in one call
};

}  // namespace volley::intake
