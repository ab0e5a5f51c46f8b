#include "engine/delivery/connection_budget.h"

#include <gtest/gtest.h>

namespace volley::delivery {
namespace {

TEST(ConnectionBudget, KeepsSomeDescriptorsForEverythingElse) {
  EXPECT_EQ(connections_for_open_files(1024), 768u);
  EXPECT_EQ(connections_for_open_files(1'000'000), 999'744u);
  EXPECT_EQ(connections_for_open_files(20), 15u);
  EXPECT_EQ(connections_for_open_files(0), 1u);
}

TEST(ConnectionBudget, GivesNoMoreThanThereAre) {
  ConnectionBudget budget(2);
  EXPECT_TRUE(budget.take());
  EXPECT_FALSE(budget.exhausted());
  EXPECT_TRUE(budget.take());
  EXPECT_TRUE(budget.exhausted());
  EXPECT_FALSE(budget.take());
  budget.give_back();
  EXPECT_TRUE(budget.take());
}

struct ConnectionTurnsTest : ::testing::Test {
  ConnectionBudget budget{1};
  ConnectionTurns turns{budget};
  TurnTaker a, b, c;
};

TEST_F(ConnectionTurnsTest, InTheOrderTheyAsked) {
  EXPECT_TRUE(turns.may_open(a));
  ASSERT_TRUE(turns.take());
  EXPECT_FALSE(turns.may_open(b));
  EXPECT_FALSE(turns.may_open(c));
  EXPECT_FALSE(turns.may_open(b));  // its place stays the same
  EXPECT_EQ(turns.next(), nullptr);
  turns.give_back();
  EXPECT_EQ(turns.next(), &b);
  EXPECT_FALSE(turns.may_open(a));  // it had one: behind those who wait
  EXPECT_TRUE(turns.may_open(b));
  EXPECT_EQ(turns.next(), &c);
  turns.leave(c);
  EXPECT_EQ(turns.next(), &a);
  turns.leave(a);
  EXPECT_FALSE(turns.crowded());
}

TEST_F(ConnectionTurnsTest, AsManyMakeRoomAsWait) {
  EXPECT_FALSE(turns.make_room(a));
  ASSERT_TRUE(turns.take());
  EXPECT_FALSE(turns.may_open(b));
  EXPECT_TRUE(turns.make_room(a));
  EXPECT_FALSE(turns.make_room(a));  // one is on its way out already
  turns.give_back();
  EXPECT_TRUE(turns.make_room(a));
  turns.leave(b);
}

TEST_F(ConnectionTurnsTest, NobodyMakesRoomForItself) {
  ASSERT_TRUE(turns.take());
  EXPECT_FALSE(turns.may_open(b));
  EXPECT_FALSE(turns.make_room(b));
  EXPECT_TRUE(turns.make_room(a));
  turns.leave(b);
}

}  // namespace
}  // namespace volley::delivery
