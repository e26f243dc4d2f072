// Who is asking, and how: credentials, hidden repositories, signed links, revisions in addresses, paging. The rows: matrix_test.cpp.
#include <gtest/gtest.h>

#include "api/answer.h"
#include "api/signing.h"
#include "api/test_world.h"
#include "base/bytes.h"

namespace lyceum::api {
namespace {

std::string error_code(const http::Response& response) { return std::string(response.headers.find("X-Error-Code").value_or("")); }

class Asking : public testing::Test {
 protected:
  static void SetUpTestSuite() { shared = std::make_unique<World>(); }
  static void TearDownTestSuite() { shared.reset(); }
  static inline std::unique_ptr<World> shared;
  World& world = *shared;
};

TEST_F(Asking, BadTokenIsRefusedWithTheTextThatClientsKnow) {
  const http::Response response = world.send({.method = "GET", .target = "/api/models", .body = {}, .token = "hf_wrong", .headers = {}});
  EXPECT_EQ(response.status, 401);
  EXPECT_EQ(response.headers.find("X-Error-Message"), "Invalid credentials in Authorization header");
}

TEST_F(Asking, BasicTakesATokenInEitherHalfOrThePassword) {
  for (const std::string& pair : {"anything:" + world.reader, world.reader + ":", std::string("rita:rita's password")}) {
    const auto response = world.send({.method = "GET", .target = "/api/models/team/secret", .body = {}, .token = {}, .headers = {{"Authorization", "Basic " + to_base64(as_bytes(pair))}}});
    EXPECT_EQ(response.status, 200) << pair;
  }
  const auto wrong = world.send({.method = "GET", .target = "/api/models/team/open", .body = {}, .token = {}, .headers = {{"Authorization", "Basic " + to_base64(as_bytes("rita:x"))}}});
  EXPECT_EQ(wrong.status, 401);
}

TEST_F(Asking, GitIsAskedForAPassword) {
  const auto response = world.send({.method = "GET", .target = "/team/secret.git/info/refs?service=git-upload-pack", .body = {}, .token = {}, .headers = {}});
  EXPECT_EQ(response.status, 401);
  EXPECT_TRUE(response.headers.find("WWW-Authenticate").value_or("").starts_with("Basic"));
}

TEST_F(Asking, PushToAPublicRepositoryIsRefusedBeforeItStarts) {
  const Call call{.method = "GET", .target = "/team/open.git/info/refs?service=git-receive-pack", .body = {}, .token = {}, .headers = {}};
  EXPECT_EQ(world.send(call).status, 401);
  Call stranger = call;
  stranger.token = world.stranger;
  EXPECT_EQ(world.send(stranger).status, 403);
}

TEST_F(Asking, UnknownTypeIsNoRepository) {
  const auto response = world.send({.method = "GET", .target = "/api/gadgets/team/open", .body = {}, .token = {}, .headers = {}});
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(error_code(response), "");
}

TEST_F(Asking, MissingFileAnswersWithTheCommit) {
  const auto response = world.send({.method = "HEAD", .target = "/team/open/resolve/main/none.json", .body = {}, .token = {}, .headers = {}});
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(error_code(response), "EntryNotFound");
  EXPECT_EQ(response.headers.find("X-Repo-Commit").value_or("").size(), 40u);
}

TEST_F(Asking, OpenapiNamesEveryRow) {
  const auto response = world.send({.method = "GET", .target = "/api/lyceum/openapi.json", .body = {}, .token = {}, .headers = {}});
  const json::value parsed = parse_json(response.body, "openapi");
  size_t operations = 0, rows = 0;
  for (const auto& [path, methods] : parsed.as_object().at("paths").as_object()) operations += methods.as_object().size();
  for (const RouteGroup& group : route_groups()) rows += group.rows.size();
  EXPECT_EQ(operations, rows);
}

http::Request request_for(std::string method, const std::string& url) {
  http::Request request;
  request.method = std::move(method);
  request.base_url = "http://hub.test";
  request.target = url.substr(request.base_url.size());
  request.path = request.target.substr(0, request.target.find('?'));
  request.query = http::parse_query(request.target.substr(request.target.find('?') + 1));
  return request;
}

TEST_F(Asking, SignedUrlIsGoodForItsMethodPathAndTimeOnly) {
  hub::Hub& hub = world.hub();
  const std::string url = sign_url(hub, "http://hub.test", "PUT", "/a/b.git/x", 10'000, "size=5");
  EXPECT_NO_THROW(require_signed_url(request_for("PUT", url), hub, 9'000));
  EXPECT_THROW(require_signed_url(request_for("GET", url), hub, 9'000), Error);
  EXPECT_THROW(require_signed_url(request_for("PUT", url), hub, 11'000), Error);
  std::string other = url;
  other.replace(other.find("size=5"), 6, "size=6");
  EXPECT_THROW(require_signed_url(request_for("PUT", other), hub, 9'000), Error);
  other = url;
  other.replace(other.find("/x?"), 3, "/y?");
  EXPECT_THROW(require_signed_url(request_for("PUT", other), hub, 9'000), Error);
  EXPECT_THROW(require_signed_url(request_for("PUT", "http://hub.test/a/b.git/x"), hub, 9'000), Error);
}

TEST_F(Asking, SignedTokenIsGoodForItsPurposeAndTimeOnly) {
  hub::Hub& hub = world.hub();
  const std::string token = make_signed_token(hub, "xet", {{"repo", 7}}, 10'000);
  ASSERT_TRUE(find_signed_claims(hub, "xet", token, 9'000));
  EXPECT_FALSE(find_signed_claims(hub, "other", token, 9'000));
  EXPECT_FALSE(find_signed_claims(hub, "xet", token, 11'000));
  EXPECT_FALSE(find_signed_claims(hub, "xet", token + "0", 9'000));
  EXPECT_FALSE(find_signed_claims(hub, "xet", "", 9'000));
}

TEST(RevisionPath, TakesEscapedAndRawRefs) {
  const auto split = [](const std::string& path) {
    http::Request request;
    request.path = path;
    return split_revision_path(request, 5);
  };
  EXPECT_EQ(split("/api/models/a/b/tree/main").revision, "main");
  EXPECT_EQ(split("/api/models/a/b/tree/main").path, "");
  EXPECT_EQ(split("/api/models/a/b/tree/refs%2Fpr%2F1/dir%2Fsub").revision, "refs/pr/1");
  EXPECT_EQ(split("/api/models/a/b/tree/refs%2Fpr%2F1/dir%2Fsub").path, "dir/sub");
  EXPECT_EQ(split("/api/models/a/b/tree/refs/pr/1/dir").revision, "refs/pr/1");
  EXPECT_EQ(split("/api/models/a/b/tree/refs/pr/1/dir").path, "dir");
  EXPECT_EQ(split("/api/models/a/b/tree/refs/pr/1").revision, "refs/pr/1");
  EXPECT_EQ(split("/api/models/a/b/tree/feature%2Fx/a%20b/").path, "a b");
}

TEST(Paging, NextLinkIsAbsoluteAndKeepsTheQuestion) {
  http::Request request;
  request.base_url = "http://hub.test/prefix";
  request.path = "/api/models";
  request.query = {{"search", "a b"}, {"cursor", "10"}, {"limit", "5"}};
  http::Response response;
  add_next_link(response, request, 15);
  EXPECT_EQ(response.headers.find("Link"), "<http://hub.test/prefix/api/models?search=a%20b&limit=5&cursor=15>; rel=\"next\"");
}

}  // namespace
}  // namespace lyceum::api
