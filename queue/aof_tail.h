// The end of an append-only file, after power went while a call was being written.
//
// Purpose    What a function writes lies in the file as one transaction, MULTI to EXEC. A file that ends in the middle of one is loaded
//            without it; but Redis (7.0 and later; Valkey mended it in 2026, valkey#4342) takes only the last, broken command off
//            the file and leaves the others there. The next EXEC that is appended ends that transaction, too: at the start after,
//            its part is carried out although the whole call was repeated long ago. A chunk that is pushed twice is sent twice.
//            So the embedded queue cuts the whole of it off before its server starts, and somebody else's server is asked to rewrite
//            its file (renewal_commands(), by each connection that meets it), which leaves the part behind.
// Limits     Of somebody else's server: a restart before that rewrite is over, or where it refuses to rewrite.
// Thread     Any; cut_torn_transaction() blocks, while no server has the file.
// Errors     kIo, with the path. A file that is damaged in another way is left as it is: the server refuses it, and people look.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "queue/command.h"
#include "queue/server_check.h"

namespace volley::queue {

// Where the transaction begins that the file ends within. Pure.
std::optional<size_t> torn_transaction(std::string_view file);

// In the last file that the manifest in `directory` ("appendonlydir") names. Bytes cut off; no such directory: none.
Result<uint64_t> cut_torn_transaction(const std::string& directory);

// It has not rewritten its file since it was started, or could not, and is not about to. True of a new server, too, whose file is small.
bool wants_rewrite(const ServerFacts& facts);
// What is torn is ended first: a file that is not the last one any more must not end within a transaction, or the server would not
// start again if it died before the new file is whole. Errors (a user who may not, a full disk, a rewrite that has begun) are no
// reason to stop; as long as it wants a rewrite, it is asked again.
std::array<Command, 2> renewal_commands();
std::string renewal_refused(
    std::string_view
        error);  // of the last of them: for people, with the remedy; empty: it is under way

}  // namespace volley::queue
