#include "http/message.h"

#include <gtest/gtest.h>

#include "base/files.h"
#include "http/gzip_body.h"
#include "http/path_pattern.h"
#include "http/range.h"
#include "http/request_head.h"
#include "http/server.h"

namespace lyceum::http {
namespace {

TEST(Percent, DecodesOnceAndRefusesBadEscapes) {
  EXPECT_EQ(percent_decode("refs%2Fpr%2F1"), "refs/pr/1");
  EXPECT_EQ(percent_decode("%2525"), "%25");
  EXPECT_EQ(percent_decode("a+b"), "a+b");
  EXPECT_EQ(percent_decode("a+b", true), "a b");
  for (const char* bad : {"%", "%2", "a%", "%zz", "%2g"}) EXPECT_THROW(percent_decode(bad), Error) << bad;
}

TEST(Percent, EncodesSoThatDecodingReturnsEveryByte) {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(percent_decode(percent_encode(all)), all);
  EXPECT_EQ(percent_encode("a/b ~c"), "a%2Fb%20~c");
}

TEST(Query, KeepsOrderAndRepeats) {
  const Query expected{{"a", "1"}, {"b", ""}, {"a", "x y"}, {"c", "=&"}};
  EXPECT_EQ(parse_query("a=1&b&&a=x+y&c=%3D%26"), expected);
  EXPECT_EQ(parse_form("a=1&b&&a=x+y&c=%3D%26"), expected);
  EXPECT_TRUE(parse_query("").empty());
}

TEST(Headers, CompareWithoutCase) {
  Headers headers;
  headers.add("Set-Cookie", "a");
  headers.add("set-cookie", "b");
  headers.set("X-One", "1");
  EXPECT_EQ(headers.find("SET-COOKIE"), "a");
  headers.set("Set-cookie", "c");
  EXPECT_EQ(headers.all().size(), 2u);
  headers.remove("x-one");
  EXPECT_EQ(headers.find("X-One"), std::nullopt);
  EXPECT_TRUE(has_token("keep-alive, Upgrade", "upgrade"));
  EXPECT_FALSE(has_token("keep-alive", "keep"));
}

TEST(Range, ParsesWhatRfc9110Allows) {
  const auto one = [](std::string_view header) {
    const auto ranges = find_ranges(header, 1000);
    return ranges && ranges->size() == 1 ? std::pair(ranges->front().offset, ranges->front().length) : std::pair<uint64_t, uint64_t>(0, 0);
  };
  using Pair = std::pair<uint64_t, uint64_t>;
  EXPECT_EQ(one("bytes=0-0"), Pair(0, 1));
  EXPECT_EQ(one("bytes=10-"), Pair(10, 990));
  EXPECT_EQ(one("bytes=-5"), Pair(995, 5));
  EXPECT_EQ(one("Bytes = 0-100000"), Pair(0, 1000));
  EXPECT_EQ(one("bytes=-5000"), Pair(0, 1000));
  EXPECT_EQ(find_ranges("bytes=0-1, 5-6 ,-1", 1000)->size(), 3u);
  EXPECT_TRUE(find_ranges("bytes=1000-", 1000)->empty());
  EXPECT_TRUE(find_ranges("bytes=-0", 1000)->empty());
  for (const char* bad : {"", "bytes", "bytes=", "bytes=5-4", "bytes=a-b", "items=0-1", "bytes=--1", "bytes=-", "bytes=0-99999999999999999999", "bytes=1-2-3"}) {
    EXPECT_EQ(find_ranges(bad, 1000), std::nullopt) << bad;
  }
}

Request get_with_range(const char* range) {
  Request request;
  request.method = "GET";
  if (range != nullptr) request.headers.set("Range", range);
  return request;
}

TEST(RangedBytes, AnswersWholeOneManyAndNone) {
  const std::string text = "0123456789";
  EXPECT_EQ(ranged_bytes(get_with_range(nullptr), text, "text/plain").status, 200);
  const Response one = ranged_bytes(get_with_range("bytes=2-4"), text, "text/plain");
  EXPECT_EQ(one.status, 206);
  EXPECT_EQ(one.body, "234");
  EXPECT_EQ(one.headers.find("Content-Range"), "bytes 2-4/10");
  const Response many = ranged_bytes(get_with_range("bytes=0-1,8-"), text, "text/plain");
  EXPECT_EQ(many.status, 206);
  EXPECT_NE(many.body.find("Content-Range: bytes 8-9/10\r\n\r\n89\r\n--"), std::string::npos) << many.body;
  const Response none = ranged_bytes(get_with_range("bytes=10-"), text, "text/plain");
  EXPECT_EQ(none.status, 416);
  EXPECT_EQ(none.headers.find("Content-Range"), "bytes */10");
  EXPECT_EQ(ranged_bytes(get_with_range("bytes=0-0"), "", "text/plain").status, 200);
  EXPECT_EQ(ranged_bytes(get_with_range("bytes=0-,0-,0-,0-"), text, "text/plain").status, 200);
}

std::string matched(std::string_view pattern, std::string_view path) {
  const auto captures = PathPattern(pattern).match(path);
  if (!captures) return "no";
  std::string text = "yes";
  for (const auto& [name, value] : *captures) text += " " + name + "=" + std::string(value);
  return text;
}

TEST(PathPattern, MatchesEscapedSegments) {
  EXPECT_EQ(matched("/", "/"), "yes");
  EXPECT_EQ(matched("/a/{b}", "/a/x%2Fy"), "yes b=x%2Fy");
  EXPECT_EQ(matched("/a/{b}", "/a/"), "no");
  EXPECT_EQ(matched("/a/{b}", "/a/x/y"), "no");
  EXPECT_EQ(matched("/{ns}/{name}.git/info/refs", "/me/x.git/info/refs"), "yes ns=me name=x");
  EXPECT_EQ(matched("/{ns}/{name}.git", "/me/.git"), "no");
  EXPECT_EQ(matched("/{name}.git", "/a.git.git"), "yes name=a.git");
  EXPECT_EQ(matched("/c/{base}...{head}", "/c/main...dev"), "yes base=main head=dev");
  EXPECT_EQ(matched("/r/{path*}", "/r/a/b%2Fc"), "yes path=a/b%2Fc");
  EXPECT_EQ(matched("/r/{path*}", "/r/"), "yes path=");
  EXPECT_EQ(matched("/r/{path*}", "/r"), "no");
  EXPECT_EQ(matched("/%61pi", "/api"), "no");
  EXPECT_EQ(matched("/api", "/%61pi"), "yes");
}

Router tagged_router() {
  Router router;
  const auto add = [&](const char* method, const char* pattern) {
    router.add({method, pattern, [text = std::string(method) + " " + pattern](Request& request) {
                  std::string out = text;
                  for (const auto& [name, value] : request.params) out += " " + name + "=" + value;
                  return Response::text(out);
                }});
  };
  add("GET", "/api/models/{ns}/{name}");
  add("GET", "/api/models/{ns}/search");
  add("POST", "/api/models/{ns}/{name}");
  add("HEAD", "/head/{x}");
  add("GET", "/head/{y}");
  add("*", "/any/{z}");
  add("GET", "/{ns}/{name}/resolve/{rev}/{path*}");
  add("GET", "/{page*}");
  return router;
}

std::string routed(const Router& router, const char* method, const char* target) {
  Request request;
  request.method = method;
  set_target(request, target);
  const Response response = router.dispatch(request);
  return response.status == 200 ? response.body : std::to_string(response.status);
}

TEST(Router, PrefersTheMoreParticularRoute) {
  const Router router = tagged_router();
  EXPECT_EQ(routed(router, "GET", "/api/models/a/search?x=1"), "GET /api/models/{ns}/search ns=a");
  EXPECT_EQ(routed(router, "GET", "/api/models/a/b"), "GET /api/models/{ns}/{name} name=b ns=a");
  EXPECT_EQ(routed(router, "POST", "/api/models/a/search"), "POST /api/models/{ns}/{name} name=search ns=a");
  EXPECT_EQ(routed(router, "HEAD", "/head/1"), "HEAD /head/{x} x=1");
  EXPECT_EQ(routed(router, "HEAD", "/api/models/a/b"), "GET /api/models/{ns}/{name} name=b ns=a");
  EXPECT_EQ(routed(router, "PATCH", "/any/1"), "* /any/{z} z=1");
  EXPECT_EQ(routed(router, "GET", "/me/m/resolve/refs%2Fpr%2F1/a%20b/c.txt"), "GET /{ns}/{name}/resolve/{rev}/{path*} name=m ns=me path=a b/c.txt rev=refs/pr/1");
  EXPECT_EQ(routed(router, "GET", "/api/models/a/b/"), "GET /{page*} page=api/models/a/b/");
}

TEST(Router, RefusesUnknownMethodsPathsAndNul) {
  Router router;
  router.add({"GET", "/a/{b}", [](Request&) { return Response::text("ok"); }});
  EXPECT_EQ(routed(router, "DELETE", "/a/b"), "405");
  EXPECT_EQ(routed(router, "OPTIONS", "/a/b"), "204");
  EXPECT_EQ(routed(router, "GET", "/b"), "404");
  EXPECT_EQ(routed(router, "GET", "/a/b/"), "ok");
  EXPECT_THROW(routed(router, "GET", "/a/%00"), Error);
  EXPECT_THROW(routed(router, "GET", "/a/%g0"), Error);
}

TEST(RequestHead, BuildsTheAddressTheClientTyped) {
  Headers headers;
  EXPECT_EQ(base_url_of(headers, "", "127.0.0.1:1"), "http://127.0.0.1:1");
  headers.set("Host", "hub.example:8080");
  EXPECT_EQ(base_url_of(headers, "", "x"), "http://hub.example:8080");
  headers.set("X-Forwarded-Proto", "https");
  headers.set("X-Forwarded-Host", "public.example, inner");
  headers.set("X-Forwarded-Prefix", "/lyceum/");
  EXPECT_EQ(base_url_of(headers, "", "x"), "https://public.example/lyceum");
  EXPECT_EQ(base_url_of(headers, "https://fixed/", "x"), "https://fixed");
  headers.set("X-Forwarded-Host", "a\"><script>");
  headers.set("Host", "b c");
  headers.set("X-Forwarded-Prefix", "//evil");
  EXPECT_EQ(base_url_of(headers, "", "x"), "https://x");
}

TEST(RequestHead, TakesPathsUrlsAndNothingElse) {
  Request request;
  set_target(request, "http://host:1/a?b=c");
  EXPECT_EQ(request.path, "/a");
  EXPECT_EQ(request.find_query("b"), "c");
  EXPECT_THROW(set_target(request, "a/b"), Error);
  EXPECT_THROW(set_target(request, ""), Error);
}

class TextBody final : public BodyStream {
 public:
  explicit TextBody(std::string text) : text_(std::move(text)) {}
  size_t read(std::span<std::byte> into) override {
    const size_t count = std::min({into.size(), text_.size() - at_, size_t{7}});
    std::memcpy(into.data(), text_.data() + at_, count);
    at_ += count;
    return count;
  }
  std::optional<uint64_t> length() const override { return std::nullopt; }

 private:
  std::string text_;
  size_t at_ = 0;
};

// printf hello | gzip -n, twice.
const std::string kGzipHello = *find_from_hex("1f8b0800000000000003cb48cdc9c9070086a6103605000000");

TEST(GzipBody, InflatesMembersAndRefusesTheRest) {
  const auto inflate = [](const std::string& bytes, uint64_t limit) {
    TextBody inner(bytes);
    return inflate_body(inner, limit)->read_all(1000);
  };
  EXPECT_EQ(inflate(kGzipHello, 100), "hello");
  EXPECT_EQ(inflate(kGzipHello + kGzipHello, 100), "hellohello");
  EXPECT_THROW(inflate(kGzipHello, 4), Error);
  EXPECT_THROW(inflate(kGzipHello.substr(0, 15), 100), Error);
  EXPECT_THROW(inflate("not gzip at all", 100), Error);
}

// A thousand clients that announce 64 MiB each and send nothing must not cost 64 GiB.
TEST(BodyStream, ReadAllHoldsNoMoreThanHasCome) {
  class Announced final : public BodyStream {
   public:
    size_t read(std::span<std::byte> into) override {
      asked_most = std::max(asked_most, into.size());
      return came_++ < 3 ? 1 : 0;
    }
    std::optional<uint64_t> length() const override { return 64u << 20; }
    size_t asked_most = 0;

   private:
    int came_ = 0;
  };
  Announced body;
  EXPECT_EQ(body.read_all(64u << 20).size(), 3u);
  EXPECT_LE(body.asked_most, 65536u);
}

TEST(BodyStream, ReadAllKeepsToItsLimit) {
  EXPECT_EQ(TextBody(std::string(100000, 'x')).read_all(100000).size(), 100000u);
  EXPECT_THROW(TextBody(std::string(100001, 'x')).read_all(100000), Error);
  EXPECT_EQ(TextBody("").read_all(0), "");
}

TEST(ErrorResponse, IsOneHeaderLine) {
  const Response response = error_response(Error(Code::not_found, "no\r\nSet-Cookie: x", "RepoNotFound"));
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(response.headers.find("X-Error-Code"), "RepoNotFound");
  EXPECT_EQ(response.headers.find("X-Error-Message"), "no  Set-Cookie: x");
}

}  // namespace
}  // namespace lyceum::http
