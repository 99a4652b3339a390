#include "base/bounded_queue.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(BoundedQueue, RefusesWhatPassesTheBytes) {
  BoundedQueue<int> queue(100);
  int item = 1;
  EXPECT_TRUE(queue.push(item, 60, 0));
  EXPECT_FALSE(queue.push(item, 41, 0));
  EXPECT_TRUE(queue.push(item, 40, 0));
  EXPECT_EQ(queue.bytes(), 100U);
}

TEST(BoundedQueue, RefusesWhatPassesTheItemsHoweverSmall) {
  BoundedQueue<int> queue(100, 2);
  int item = 1;
  EXPECT_TRUE(queue.push(item, 1, 0));
  EXPECT_TRUE(queue.push(item, 1, 0));
  EXPECT_FALSE(queue.push(item, 1, 0));
  ASSERT_TRUE(queue.pop(0).has_value());
  EXPECT_TRUE(queue.push(item, 1, 0));
}

TEST(BoundedQueue, LetsOneTooLargeThroughWhenEmpty) {
  BoundedQueue<int> queue(100);
  int item = 1;
  EXPECT_TRUE(queue.push(item, 1000, 0));
  EXPECT_FALSE(queue.push(item, 1, 0));
  ASSERT_TRUE(queue.pop(0).has_value());
  EXPECT_EQ(queue.bytes(), 0U);
}

TEST(BoundedQueue, ClosedTakesNothingAndGivesWhatIsLeft) {
  BoundedQueue<int> queue(100);
  int item = 7;
  ASSERT_TRUE(queue.push(item, 1, 0));
  queue.close();
  EXPECT_FALSE(queue.push(item, 1, 0));
  EXPECT_EQ(queue.pop(0), 7);
  EXPECT_FALSE(queue.pop(0).has_value());
}

}  // namespace
}  // namespace millrace
