// Retention: what is older than `[privacy] retain` is dropped, at the start and once an hour.
//
// Purpose  Of campaigns that are over for that long nothing but record and counts stays (Store::blot), and the rejects file goes; lines
//          of the event log older than that go, wherever they stand; journals are sealed. Steps are small for queue and engine.
// Ownership Owns a thread and a Store; the Workplace outlives it. Destroyed: stops between two steps.
// Errors   open(): the store's. Later ones are logged, and tried again an hour later.
#pragma once

#include <memory>
#include <string>

#include "engine/cli/workplace.h"

namespace volley::cli {

class Retention {
 public:
  // Null when nothing is to be dropped ever.
  static Result<std::unique_ptr<Retention>> open(const Settings& settings, const Workplace& place, std::string events);
  ~Retention();

 private:
  struct Impl;
  explicit Retention(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace volley::cli
