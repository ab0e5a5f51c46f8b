volley_test(delivery_security_test
  SOURCES mta_sts_test.cc sts_cache_test.cc tlsa_test.cc
  BOXES delivery dns base)
