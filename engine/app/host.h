// AppHost: hands the commands an engine; the only place that knows both engine/cli and engine/delivery.
#pragma once

#include "engine/cli/host.h"

namespace volley::app {

class AppHost final : public cli::Host {
 public:
  Result<std::unique_ptr<cli::RunningEngine>> start_engine(const cli::EngineRequest& request) override;
  Status log_journal(const std::string& data_directory, const std::string& dedupe_key, metrics::EventLog& events) override;
  Status retire_journal(const std::string& data_directory, const std::string& dedupe_key) override;
  Status check_routes(const std::vector<std::string>& routes, bool* covers_all) override;
};

}  // namespace volley::app
