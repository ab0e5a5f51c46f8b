set(SECURITY_SOURCES mta_sts.cc sts_cache.cc tlsa.cc)
