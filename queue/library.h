// The function library volley1, as built from functions/*.lua.
//
// Purpose  Its code (with the hash of itself as version) and the commands that put it into a server.
// Thread   Pure.
#pragma once

#include <string>
#include <string_view>

#include "queue/command.h"

namespace volley::queue {

std::string_view library_version();
Command library_version_command();  // answer: library_version() when it is there and current
Command load_library_command();

extern const char* const kLibrarySource;  // generated

}  // namespace volley::queue
