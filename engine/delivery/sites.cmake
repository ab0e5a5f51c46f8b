set(SITES_SOURCES brakes.cc)
