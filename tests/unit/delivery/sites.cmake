volley_test(delivery_sites_test
  SOURCES brakes_test.cc campaign_guard_test.cc campaign_pace_test.cc connection_budget_test.cc connections_test.cc limits_test.cc memory_test.cc outcome_policy_test.cc relay_login_test.cc relay_trouble_test.cc router_test.cc
    site_breaker_test.cc site_doubt_test.cc site_test.cc smtputf8_test.cc shared_message_test.cc site_table_test.cc site_table_trouble_test.cc peer.cc
  BOXES delivery smtp message queue metrics dns net base)
