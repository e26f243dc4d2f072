#include "api/metrics.h"

#include <gtest/gtest.h>

#include "api/operations.h"
#include "api/test_world.h"

namespace lyceum::api {
namespace {

TEST(Metrics, WritesPrometheusText) {
  Metrics metrics;
  metrics.observe({"GET", "/a/b", "/{ns}/{name}", "127.0.0.1", "id", 200, 0.003, 10, 1000});
  metrics.observe({"GET", "/a/c", "/{ns}/{name}", "127.0.0.1", "id", 404, 100, 0, 50});
  metrics.observe({"POST", "/x", "/api/{type}/{ns}/{name}/commit/{rev*}", "127.0.0.1", "id", 200, 0.1, 1, 1});
  const std::string out = metrics.render({{"lyceum_connections", "Open connections", 3}});
  for (const char* line : {"# TYPE lyceum_connections gauge\nlyceum_connections 3\n", "lyceum_commits_total 1\n",
                           "lyceum_requests_total{route=\"/{ns}/{name}\",method=\"GET\",status=\"200\"} 1\n",
                           "lyceum_request_seconds_bucket{route=\"/{ns}/{name}\",le=\"0.0025\"} 0\n", "lyceum_request_seconds_bucket{route=\"/{ns}/{name}\",le=\"0.005\"} 1\n",
                           "lyceum_request_seconds_bucket{route=\"/{ns}/{name}\",le=\"+Inf\"} 2\n", "lyceum_request_seconds_count{route=\"/{ns}/{name}\"} 2\n",
                           "lyceum_sent_bytes_total{route=\"/{ns}/{name}\"} 1050\n"})
    EXPECT_NE(out.find(line), std::string::npos) << line << out;
}

TEST(Metrics, DoesNotLetClientsMakeLabels) {
  Metrics metrics;
  metrics.observe({"EVIL\"} 1", "/x", "", "127.0.0.1", "id", 405, 0, 0, 0});
  EXPECT_EQ(metrics.render({}).find("EVIL"), std::string::npos);
}

TEST(Operations, TellHealthAndCollectOnlyForAdministrators) {
  World world;
  EXPECT_EQ(world.send({.method = "GET", .target = "/healthz", .body = {}, .token = {}, .headers = {}}).status, 200);
  EXPECT_EQ(world.send({.method = "GET", .target = "/readyz", .body = {}, .token = {}, .headers = {}}).status, 200);
  const auto gc = world.send({.method = "POST", .target = "/api/lyceum/gc", .body = "{}", .token = world.admin, .headers = {}});
  EXPECT_EQ(gc.status, 200);
  EXPECT_NE(gc.body.find("\"dry_run\":true"), std::string::npos) << gc.body;
  EXPECT_EQ(world.send({.method = "POST", .target = "/api/lyceum/gc", .body = R"({"grace_days":0})", .token = world.admin, .headers = {}}).status, 400);
}

}  // namespace
}  // namespace lyceum::api
