#include "engine/delivery/status.h"

#include <gtest/gtest.h>

namespace volley::delivery {
namespace {

SiteSnapshot part(uint32_t connections, uint32_t limit, uint64_t waiting, std::string limited_by) {
  SiteSnapshot s;
  s.site = "relay";
  s.connections = connections;
  s.connection_limit = limit;
  s.connections_from = "[relay]";
  s.waiting = waiting;
  s.limited_by = std::move(limited_by);
  return s;
}

SiteSnapshot merged(const SiteSnapshot& one, const SiteSnapshot& two) {
  std::vector<LoopStatus> loops(2);
  loops[0].sites = {one};
  loops[1].sites = {two};
  return merge_sites(loops).at(0);
}

TEST(MergeSites, TheLimitIsTheSumInWordsToo) {
  const SiteSnapshot site = merged(part(8, 8, 10, connections_bind(8, "[relay]")),
                                   part(7, 8, 1, connections_bind(8, "[relay]")));
  EXPECT_EQ(site.connections, 15u);
  EXPECT_EQ(site.connection_limit, 16u);
  EXPECT_EQ(site.limited_by, "connections (16, [relay])");
}

TEST(MergeSites, OtherWordsAreThoseOfTheLoopWithMostWaiting) {
  EXPECT_EQ(
      merged(part(8, 8, 1, connections_bind(8, "[relay]")), part(2, 8, 5, "rate (5/s, [relay])"))
          .limited_by,
      "rate (5/s, [relay])");
}

}  // namespace
}  // namespace volley::delivery
