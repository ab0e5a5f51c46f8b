// What the system knows about this process, for the exposition.
//
// Thread  Any.
// Errors  What cannot be read is left out.
#pragma once

#include <optional>

#include "metrics/names.h"

namespace volley::metrics {

std::optional<double> read_process_metric(ProcessMetric m);

}  // namespace volley::metrics
