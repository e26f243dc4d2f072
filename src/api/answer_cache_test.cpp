#include "api/answer_cache.h"

#include <gtest/gtest.h>

#include "api/rate_limits.h"
#include "api/test_world.h"
#include "hub/catalogue.h"
#include "hub/downloads.h"
#include "hub/tokens.h"

namespace lyceum::api {
namespace {

// A world that keeps answers; kept() says whether the same request would be answered without asking the hub.
class Answers : public ::testing::Test {
 protected:
  Answers() {
    world_.services().answers = &cache_;
    caller_ = *world_.hub().authenticate(world_.owner);
    write("open", "config.json", "{}");
    write("secret", "config.json", "{}");
  }

  void write(const std::string& repo, const std::string& path, const std::string& content) {
    hub::CommitRequest request;
    request.summary = "write " + path + content;
    request.actions = {hub::AddFile{path, content}};
    world_.hub().commit(caller_, {hub::RepoType::model, "team", repo}, request);
    world_.hub().catalogue().settle();  // what the files say is derived, and written, a moment after the commit: that ends kept answers, too
  }

  static Call get(const std::string& target, const std::string& token = "") { return {.target = target, .body = {}, .token = token, .headers = {}}; }
  bool kept(const Call& call) {
    http::Request request;
    request.method = call.method;
    request.target = request.path = call.target;
    if (!call.token.empty()) request.headers.set("Authorization", "Bearer " + call.token);
    for (const auto& [name, value] : call.headers) request.headers.set(name, value);
    request.base_url = "http://hub.test";
    request.remote = "127.0.0.1";
    return find_kept_answer(request, world_.services()).has_value();
  }

  World world_;
  AnswerCache cache_;
  hub::Caller caller_;
};

constexpr const char* kOpen = "/team/open/resolve/main/config.json";
constexpr const char* kSecret = "/team/secret/resolve/main/config.json";

TEST_F(Answers, AreTheSameAsTheFirst) {
  const http::Response first = world_.send(get(kOpen));
  ASSERT_EQ(first.status, 200);
  ASSERT_TRUE(kept(get(kOpen)));
  const http::Response second = world_.send(get(kOpen));
  EXPECT_EQ(second.body, first.body);
  EXPECT_EQ(second.headers.all(), first.headers.all());
}

TEST_F(Answers, AreOfOneCredentialOnly) {
  ASSERT_EQ(world_.send(get(kSecret, world_.owner)).status, 200);
  EXPECT_TRUE(kept(get(kSecret, world_.owner)));
  EXPECT_FALSE(kept(get(kSecret)));
  EXPECT_FALSE(kept(get(kSecret, world_.stranger)));
  EXPECT_EQ(world_.send(get(kSecret)).status, 401);
  EXPECT_EQ(world_.send(get(kSecret, world_.stranger)).status, 404);
  EXPECT_EQ(world_.send(get(kSecret, world_.reader)).status, 200);
}

TEST_F(Answers, EndWithEveryChangeThatMatters) {
  const hub::RepoId open{hub::RepoType::model, "team", "open"};
  const auto ask = [&] { return world_.send(get(kOpen)); };
  ASSERT_EQ(ask().body, "{}");
  write("open", "config.json", "{1}");
  EXPECT_EQ(ask().body, "{1}");
  world_.hub().update_repo(caller_, open, true, std::nullopt);
  EXPECT_EQ(ask().status, 401);
  world_.hub().update_repo(caller_, open, false, std::nullopt);
  EXPECT_EQ(ask().status, 200);
  world_.hub().update_repo(caller_, open, std::nullopt, "manual");
  EXPECT_EQ(ask().status, 401);
  world_.hub().update_repo(caller_, open, std::nullopt, "");
  EXPECT_EQ(ask().status, 200);
  world_.hub().delete_repo(caller_, open);
  EXPECT_EQ(ask().status, 401);
}

TEST_F(Answers, EndWithTheTokenAndTheMembership) {
  ASSERT_EQ(world_.send(get(kSecret, world_.reader)).status, 200);
  ASSERT_TRUE(kept(get(kSecret, world_.reader)));
  world_.hub().set_member(caller_, "team", "rita", "");
  EXPECT_EQ(world_.send(get(kSecret, world_.reader)).status, 404);
  ASSERT_EQ(world_.send(get(kSecret, world_.owner_read_only)).status, 200);
  ASSERT_TRUE(kept(get(kSecret, world_.owner_read_only)));
  const auto token = world_.hub().authenticate(world_.owner_read_only);
  world_.hub().tokens().revoke(caller_, token->token->id);
  EXPECT_EQ(world_.send(get(kSecret, world_.owner_read_only)).status, 401);
}

TEST_F(Answers, EndAfterHalfAMinute) {
  world_.send(get(kOpen));
  world_.clock().advance_ms(AnswerCache::kLifeMs - 1);
  EXPECT_TRUE(kept(get(kOpen)));
  world_.clock().advance_ms(1);
  EXPECT_FALSE(kept(get(kOpen)));
}

TEST_F(Answers, AreNotForRequestsThatSayMore) {
  world_.send(get(kOpen));
  ASSERT_TRUE(kept(get(kOpen)));
  for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{
           {"Range", "bytes=0-0"}, {"If-None-Match", "\"x\""}, {"Cookie", "session=1"}, {"Authorization", "Basic eDp5"}, {"Accept", "application/vnd.xet-fileinfo+json"}}) {
    Call call = get(kOpen);
    call.headers = {{name, value}};
    EXPECT_FALSE(kept(call)) << name;
  }
  Call post = get(kOpen);
  post.method = "POST";
  EXPECT_FALSE(kept(post));
  EXPECT_FALSE(kept(get(std::string(kOpen) + "?download=true")));
}

TEST_F(Answers, CountAsDownloadsAndAgainstTheLimits) {
  RateLimits limits(world_.clock(), {.api_requests = 0, .file_requests = 3, .sign_in_failures = 0});
  world_.services().limits = &limits;
  const auto repo = world_.hub().get_repo(caller_, {hub::RepoType::model, "team", "open"});
  const uint64_t before = world_.hub().downloads().pending(repo.id);
  EXPECT_EQ(world_.send(get(kOpen)).headers.find("RateLimit"), "\"resolvers\";r=2;t=300");
  EXPECT_EQ(world_.send(get(kOpen)).headers.find("RateLimit"), "\"resolvers\";r=1;t=300");
  EXPECT_EQ(world_.send(get(kOpen)).status, 200);
  EXPECT_EQ(world_.send(get(kOpen)).status, 429);
  EXPECT_EQ(world_.hub().downloads().pending(repo.id) - before, 3u);
}

TEST(AnswerCache, HoldsNoMoreThanItMay) {
  AnswerCache cache(100'000);
  http::Request request;
  request.method = "GET";
  for (int i = 0; i < 100; ++i) {
    request.target = "/" + std::to_string(i);
    AnswerCache::Answer answer{.version = 1, .until_ms = 10, .caller = {}, .repo = {}, .path = "x", .route = "", .response = http::Response::text(std::string(8000, 'x'))};
    cache.put(request, std::move(answer));
  }
  int held = 0;
  for (int i = 0; i < 100; ++i) {
    request.target = "/" + std::to_string(i);
    if (cache.find(request, 1, 0)) ++held;
  }
  EXPECT_GT(held, 5);
  EXPECT_LT(held, 13);
  EXPECT_TRUE(cache.find(request, 1, 0));  // the newest
  EXPECT_FALSE(cache.find(request, 2, 0));
}

}  // namespace
}  // namespace lyceum::api
