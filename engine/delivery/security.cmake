set(SECURITY_SOURCES mta_sts.cc sts_cache.cc sts_fetch.cc sts_fetcher.cc tlsa.cc)
