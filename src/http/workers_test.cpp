#include "http/workers.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <thread>
#include <vector>

namespace lyceum::http {
namespace {

using std::chrono::milliseconds;

template <typename Condition>
bool eventually(const Condition& condition) {
  for (int i = 0; i < 5000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(milliseconds(1));
  }
  return false;
}

TEST(Workers, RunEverythingThatManyThreadsPost) {
  std::atomic<int> done{0};
  Workers workers(8, 16, 2);
  std::vector<std::thread> posters;
  for (int t = 0; t < 4; ++t) {
    posters.emplace_back([&] {
      for (int i = 0; i < 5000; ++i) workers.post([&done] { ++done; });
    });
  }
  for (std::thread& poster : posters) poster.join();
  EXPECT_TRUE(eventually([&] { return done == 20'000; })) << done;
  EXPECT_TRUE(eventually([&] { return workers.figures().running == 0; }));
  EXPECT_EQ(workers.figures().queued, 0u);
}

// Each waits for all the others: they end only if those that wait let others begin.
TEST(Workers, ThatWaitLetOthersBegin) {
  Workers workers(20, 20, 2);
  std::latch all(20);
  std::atomic<int> done{0};
  for (int i = 0; i < 20; ++i) {
    workers.post([&] {
      all.arrive_and_wait();
      ++done;
    });
  }
  EXPECT_TRUE(eventually([&] { return done == 20; })) << done;
}

TEST(Workers, AreNoMoreThanTheyMayBe) {
  Workers workers(4, 16, 2);
  std::latch go(1);
  std::atomic<int> begun{0};
  for (int i = 0; i < 10; ++i) {
    workers.post([&] {
      ++begun;
      go.wait();
    });
  }
  EXPECT_TRUE(eventually([&] { return begun == 4; }));
  std::this_thread::sleep_for(milliseconds(30));
  EXPECT_EQ(begun, 4);
  EXPECT_EQ(workers.figures().queued, 6u);
  go.count_down();
  EXPECT_TRUE(eventually([&] { return begun == 10; }));
}

TEST(Workers, ThatWaitForTheNetworkTakeNobodysTurn) {
  Workers workers(2, 16, 2);
  std::latch go(1);
  std::atomic<int> waiting{0}, done{0};
  for (int i = 0; i < 6; ++i) {
    workers.post([&] {
      workers.begin_wait();
      ++waiting;
      go.wait();
      workers.end_wait();
      ++done;
    });
  }
  EXPECT_TRUE(eventually([&] { return waiting == 6; })) << waiting;
  EXPECT_EQ(workers.figures().waiting_for_network, 6u);
  go.count_down();
  EXPECT_TRUE(eventually([&] { return done == 6; }));
  EXPECT_TRUE(eventually([&] { return workers.figures().running == 0; }));
}

TEST(Workers, DropWhatWaitsWhenTheyStop) {
  std::atomic<int> begun{0};
  std::latch go(1);
  Workers workers(1, 1, 1);
  for (int i = 0; i < 5; ++i) {
    workers.post([&] {
      ++begun;
      go.wait();
    });
  }
  EXPECT_TRUE(eventually([&] { return begun == 1; }));
  std::thread stopper([&] { workers.stop(); });
  EXPECT_TRUE(eventually([&] { return workers.figures().queued == 0; }));
  go.count_down();
  stopper.join();
  EXPECT_EQ(begun, 1);
  workers.post([&] { ++begun; });
  EXPECT_EQ(begun, 1);
}

}  // namespace
}  // namespace lyceum::http
