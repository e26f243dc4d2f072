#include "api/rate_limits.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace lyceum::api {
namespace {

hub::Caller user(int64_t id) {
  hub::Caller out;
  out.user.emplace().id = id;
  return out;
}

TEST(RateLimits, EachCallerHasItsOwnWindow) {
  FakeClock clock;
  RateLimits limits(clock, {.api_requests = 2, .file_requests = 1, .sign_in_failures = 0});
  EXPECT_EQ(limits.count(user(1), "a", RateLimits::kApi).remaining, 1);
  EXPECT_FALSE(limits.count(user(1), "a", RateLimits::kApi).exceeded);
  const auto third = limits.count(user(1), "b", RateLimits::kApi);
  EXPECT_TRUE(third.exceeded);
  EXPECT_EQ(third.reset_s, RateLimits::kWindowS);
  EXPECT_FALSE(limits.count(user(1), "a", RateLimits::kFiles).exceeded) << "another budget";
  EXPECT_FALSE(limits.count(user(2), "a", RateLimits::kApi).exceeded) << "another user";
  EXPECT_FALSE(limits.count({}, "a", RateLimits::kApi).exceeded) << "an address";
  clock.advance_ms(RateLimits::kWindowS * 1000);
  EXPECT_FALSE(limits.count(user(1), "a", RateLimits::kApi).exceeded) << "a new window";
}

TEST(RateLimits, ZeroIsNoLimit) {
  FakeClock clock;
  RateLimits limits(clock, {.api_requests = 0, .file_requests = 0, .sign_in_failures = 0});
  for (int i = 0; i < 1000; ++i) ASSERT_FALSE(limits.count(user(1), "a", RateLimits::kApi).exceeded);
  EXPECT_EQ(limits.count(user(1), "a", RateLimits::kApi).quota, 0);
}

TEST(RateLimits, GuessingPasswordsStops) {
  FakeClock clock;
  RateLimits limits(clock, {.api_requests = 0, .file_requests = 0, .sign_in_failures = 3});
  for (int i = 0; i < 3; ++i) {
    EXPECT_NO_THROW(limits.require_attempt("alice", "1.1.1.1"));
    limits.count_failure("alice", "1.1.1.1");
  }
  EXPECT_THROW(limits.require_attempt("ALICE", "2.2.2.2"), Error) << "one account from many addresses";
  EXPECT_NO_THROW(limits.require_attempt("bob", "1.1.1.1"));
  for (int i = 0; i < 12; ++i) limits.count_failure("user" + std::to_string(i), "1.1.1.1");
  EXPECT_THROW(limits.require_attempt("carol", "1.1.1.1"), Error) << "many accounts from one address";
  clock.advance_ms(RateLimits::kWindowS * 1000);
  EXPECT_NO_THROW(limits.require_attempt("alice", "1.1.1.1"));
}

}  // namespace
}  // namespace lyceum::api
