set(SITES_SOURCES
  brakes.cc campaign_guard.cc campaign_pace.cc commons.cc connection_budget.cc daily_quota.cc host_memory.cc hosts.cc lanes.cc ledger.cc limits.cc memory.cc outcome_policy.cc path_connect.cc
  path_messages.cc path_pool.cc path_results.cc preparer.cc relay_login.cc retry.cc router.cc session.cc settings.cc site.cc site_breaker.cc site_runner.cc site_table.cc
  system_names.cc)
