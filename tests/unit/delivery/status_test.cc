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

TEST(StatusBoard, SaysWhyMailWithoutARouteOrInDoubtWaits) {
  TlsReport tls;
  StatusBoard board("engine-1", "mail.example.com", 2, tls);
  LoopStatus one, two;
  one.owner.unrouted = 3;
  one.owner.unrouted_reply = "451 4.4.3 MX look-up failed";
  two.owner.unrouted = 4;
  two.owner.unrouted_reply = "451 4.4.3 MX look-up failed";
  SiteSnapshot site = part(1, 1, 0, "nothing");
  site.in_doubt = 2;
  one.sites = two.sites = {site};
  board.put(0, std::move(one));
  board.put(1, std::move(two));
  const std::string json = board.json();
  EXPECT_NE(json.find(R"("unrouted":{"deferred":7,"last_reply":"451 4.4.3 MX look-up failed"})"),
            std::string::npos)
      << json;
  EXPECT_NE(json.find(R"("in_doubt":4)"), std::string::npos) << json;
}

}  // namespace
}  // namespace volley::delivery
