// Is this Redis one that mail can be trusted to?
//
// Purpose  Refuses a server that is too old, would evict, is a replica, or keeps nothing on disk (unless the caller said
//          durability = "memory"); warns where a server may be meant so (everysec) or would not tell (CONFIG blocked).
// Errors   kUnavailable, with the remedy. Thread: pure but for the one connection it asks.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace volley::queue {

class SyncConnection;

struct ServerFacts {
  std::string version, role, run_id;
  bool loading = false;
  bool aof = false;
  unsigned databases = 0;                                        // that have keys
  std::string aof_last_write;                                    // "ok"
  bool aof_never_rewritten = false, aof_rewriting = false,
       aof_rewrite_failed = false;                               // since it was started
  std::string eviction, appendfsync, no_appendfsync_on_rewrite;  // empty: not told
};

ServerFacts parse_info(std::string_view info);
Status judge_server(const ServerFacts& facts, bool memory_durability,
                    std::vector<std::string>& warnings);

// What lies there: refuses a queue of another schema, before our functions touch it; warns where others keep things, too.
Status check_contents(SyncConnection& connection, std::vector<std::string>& warnings);

// Asks and judges. kUnavailable "loading" while it loads.
Status check_server(SyncConnection& connection, bool memory_durability,
                    std::vector<std::string>& warnings);

}  // namespace volley::queue
