#include "api/community/delivery.h"

#include <gtest/gtest.h>

#include "api/test_world.h"
#include "base/hash.h"

namespace lyceum::api {
namespace {

TEST(WebhookPayload, GetsItsLinks) {
  const std::string payload = R"({"repo":{"type":"dataset","name":"a/b c"},"discussion":{"num":3},"comment":{"id":"c1"}})";
  const json::value out = parse_json(payload_with_links(payload, "http://hub.test"), "payload");
  EXPECT_EQ(out.at("repo").at("url").at("web"), "http://hub.test/datasets/a/b%20c");
  EXPECT_EQ(out.at("repo").at("url").at("api"), "http://hub.test/api/datasets/a/b%20c");
  EXPECT_EQ(out.at("discussion").at("url").at("api"), "http://hub.test/api/datasets/a/b%20c/discussions/3");
  EXPECT_EQ(out.at("comment").at("url").at("web"), "http://hub.test/datasets/a/b%20c/discussions/3#c1");
}

TEST(WebhookPayload, SignatureCoversTimeAndBody) {
  EXPECT_EQ(webhook_signature("key", 12, "body"), "t=12,v1=" + hmac_sha256_hex("key", "12.body"));
}

TEST(WebhookSender, DoesNotCallItsOwnNetwork) {
  World world;
  const WebhookSender sender(world.hub(), world.clock(), {.public_url = {}, .outgoing_allow = {}, .threads = 0});
  hub::Webhooks::Due due;
  due.delivery.payload = R"({"repo":{"type":"model","name":"a/b"}})";
  for (const char* url : {"http://127.0.0.1:1/hook", "http://localhost:1", "https://169.254.169.254/latest/meta-data", "http://user@127.0.0.1/"}) {
    due.webhook.url = url;
    const hub::DeliveryResult result = sender.send(due);
    EXPECT_EQ(result.http_status, 0) << url;
    EXPECT_NE(result.answer, "") << url;
    EXPECT_EQ(result.answer.find("Cannot connect"), std::string::npos) << result.answer;
  }
}

}  // namespace
}  // namespace lyceum::api
