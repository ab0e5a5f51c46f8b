// SIGINT, SIGTERM, SIGHUP for a command: the first asks it to wind up, the second ends the process at once.
//
// Purpose  Commands poll interrupted(); the second signal calls _exit(75) from the handler: everything durable is on disk.
// Thread   Install once, on the main thread, before other threads start.
#pragma once

#include <atomic>

namespace volley::cli {

void watch_interrupts();
bool interrupted();
const std::atomic<bool>& interrupt_flag();

}  // namespace volley::cli
