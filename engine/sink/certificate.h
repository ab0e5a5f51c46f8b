// What the sink presents in TLS: its own self-signed certificate, one with a fault, or the user's.
//
// Purpose  A TlsContext for the options; `save_certificate` is written here, so that a client can be made to trust what it
//          will see and find nothing wrong but the fault. Thread: any.
// Errors   kNoInput (files), kConfig (unusable, or a key that does not belong), kCantCreate, kInternal.
#pragma once

#include <memory>

#include "base/net/tls.h"
#include "base/result.h"
#include "engine/sink/sink.h"

namespace volley::sink {

Result<std::unique_ptr<net::TlsContext>> make_tls(const Options& options);

}  // namespace volley::sink
