set(SECURITY_SOURCES
  mta_sts.cc sts_cache.cc sts_desk.cc sts_fetch.cc sts_fetcher.cc tls_plan.cc tls_report.cc tlsa.cc)
