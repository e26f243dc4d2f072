#include <gtest/gtest.h>

#include "api/openai/engine_server.h"
#include "api/openai/fake_engine.h"
#include "http/client.h"
#include "http/test_server.h"

namespace lyceum::api {
namespace {

TEST(LlamaServer, AnswersItsClients) {
  FakeEngine engine;
  http::TestServer server(make_engine_router(engine, "base", {}));
  const auto post = [&](const std::string& target, const std::string& body) { return parse_json(http::Client(server.url()).send({.method = "POST", .target = target, .body = body}).body, "answer"); };
  const json::value middle = post("/infill", R"({"input_prefix":"a","input_suffix":"b","prompt":"x","input_extra":[{"filename":"f","text":"e"}],"n_predict":9})");
  EXPECT_EQ(middle.at("content").get_string(), "Pe\naSbMx");
  EXPECT_EQ(middle.at("stop_type").get_string(), "eos");
  EXPECT_EQ(json::serialize(post("/tokenize", R"({"content":"ab"})")), R"({"tokens":[97,98]})");
  EXPECT_EQ(json::serialize(post("/tokenize", R"({"content":"a","with_pieces":true})")), R"({"tokens":[{"id":97,"piece":"a"}]})");
  EXPECT_EQ(json::serialize(post("/detokenize", R"({"tokens":[97,98]})")), R"({"content":"ab"})");
  EXPECT_EQ(json::serialize(post("/infill", "{}").at("error").at("param")), R"("input_prefix")");
}

}  // namespace
}  // namespace lyceum::api
