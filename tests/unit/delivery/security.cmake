pkg_check_modules(openssl REQUIRED IMPORTED_TARGET GLOBAL openssl)
volley_test(delivery_security_test
  SOURCES mta_sts_test.cc sts_cache_test.cc sts_fetcher_queue_test.cc sts_fetcher_test.cc tls_plan_test.cc tls_report_test.cc
    tlsa_test.cc https_site.cc test_ca.cc
    ../dns/fake_server.cc
  BOXES delivery dns net base
  LIBS PkgConfig::openssl)
