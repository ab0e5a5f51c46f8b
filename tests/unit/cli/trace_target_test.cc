#include "engine/cli/trace_target.h"

#include <gtest/gtest.h>

namespace volley::cli {
namespace {

const std::vector<std::string> kCampaigns = {"november", "black.friday"};
const char kSingle[] = "fedcba987654321003f";

TraceTarget target(const std::string& text) {
  auto parsed = parse_trace_target(text, kCampaigns);
  EXPECT_TRUE(parsed.ok()) << text << (parsed ? "" : ": " + parsed.error().message);
  return parsed ? *parsed : TraceTarget();
}

TEST(TraceTarget, Ids) {
  EXPECT_EQ(target("november.17").id(), "november.17");
  EXPECT_EQ(target("black.friday.3").campaign, "black.friday");
  EXPECT_EQ(target(kSingle).single, kSingle);
}

TEST(TraceTarget, MessageIds) {
  EXPECT_EQ(target("<november.17.3f2a9c01@mail.example.com>").id(), "november.17");
  EXPECT_EQ(target("november.17.3f2a9c01@mail.example.com").id(), "november.17");
  EXPECT_EQ(target("black-friday.3.3f2a9c01@example.com").id(), "black.friday.3");
  EXPECT_EQ(target(std::string(kSingle) + ".0.3f2a9c01@example.com").id(), kSingle);
  EXPECT_EQ(parse_trace_target("<november.0.3f2a9c01@example.com>", kCampaigns).error().code, Errc::kData);
}

TEST(TraceTarget, Addresses) {
  const TraceTarget ann = target("Ann@Example.com");
  ASSERT_TRUE(ann.address.has_value());
  EXPECT_TRUE((*ann.address)("ann@example.COM"));
  EXPECT_FALSE((*ann.address)("anna@example.com"));
  EXPECT_FALSE((*ann.address)("ann@example.org"));
  EXPECT_FALSE((*ann.address)("ann"));
  EXPECT_EQ(ann.id(), "");
  EXPECT_TRUE(target("december.17.3f2a9c01@example.com").address.has_value());  // of no campaign
  EXPECT_TRUE((*target("x@b\xc3\xbc" "cher.example").address)("X@xn--bcher-kva.example"));
}

TEST(TraceTarget, NothingOfTheKind) {
  for (const char* text : {"", "nonsense", ".17", "november.", "november.x", "@example.com", "a b@example.com"}) {
    EXPECT_EQ(parse_trace_target(text, kCampaigns).error().code, Errc::kUsage) << text;
  }
}

}  // namespace
}  // namespace volley::cli
