// Whose data directory is it? The embedded server's lock, and what to do about a server that outlived its engine.
//
// Purpose    redis.lock is inherited by the server, so a server without an engine still holds it: it is told to shut down
//            through its remembered socket, and waited for. Redis itself does not lock its directory.
// Ownership  The lock is held until destruction (and by the child). Thread: any; blocks up to 30 s.
// Errors     kUnavailable: a living engine (pid named) or a server that does not stop.
#pragma once

#include <string>

#include "base/files.h"
#include "base/result.h"

namespace volley::queue {

Result<FileLock> take_server_lock(const std::string& data_directory);

// <data>/redis.sock-path: the socket, and the pid of the engine that made it.
Status remember_socket(const std::string& data_directory, const std::string& socket_path);
// Removes the socket and its directory that a dead engine left.
void forget_socket(const std::string& data_directory);

}  // namespace volley::queue
