#include <gtest/gtest.h>

#include "api/anthropic/messages.h"
#include "api/openai/engine_server.h"
#include "api/openai/fake_engine.h"
#include "api/openai/request_error.h"
#include "http/client.h"
#include "http/test_server.h"

namespace lyceum::api {
namespace {

std::string chat_of(const std::string& body) {
  const json::value value = parse_json(body, "body");
  const MessagesRequest read = read_messages_request(value.get_object(), false);
  return json::serialize(read.chat.at("messages")) + read.begun;
}
std::string refused(const std::string& body) {
  try {
    return chat_of(body);
  } catch (const RequestError& error) {
    return error.param();
  }
}

TEST(AnthropicMessages, BecomeAChat) {
  EXPECT_EQ(chat_of(R"({"max_tokens":1,"system":[{"type":"text","text":"a"},{"type":"text","text":"b"}],"messages":[{"role":"user","content":"hi"}]})"),
            R"([{"role":"system","content":"a\nb"},{"role":"user","content":"hi"}])");
  EXPECT_EQ(chat_of(R"({"max_tokens":1,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"The answer: "}]})"), R"([{"role":"user","content":"hi"}]The answer: )");
  EXPECT_EQ(chat_of(R"({"max_tokens":1,"messages":[
      {"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":""},{"type":"text","text":"wait"},{"type":"tool_use","id":"t1","name":"f","input":{"a":1}}]},
      {"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":[{"type":"text","text":"21"}]},{"type":"text","text":"and?"}]}]})"),
            R"([{"role":"assistant","content":"wait","reasoning_content":"hm","tool_calls":[{"id":"t1","type":"function","function":{"name":"f","arguments":{"a":1}}}]},)"
            R"({"role":"tool","tool_call_id":"t1","content":"21"},{"role":"user","content":"and?"}])");
}

TEST(AnthropicMessages, NameWhatIsWrong) {
  const auto with = [](const std::string& more) { return refused(R"({"max_tokens":1,"messages":[{"role":"user","content":"x"}],)" + more + "}"); };
  EXPECT_EQ(refused("{}"), "messages");
  EXPECT_EQ(refused(R"({"messages":[{"role":"user","content":"x"}]})"), "max_tokens");
  EXPECT_EQ(refused(R"({"max_tokens":1,"messages":[{"role":"tool","content":"x"}]})"), "messages.0.role");
  EXPECT_EQ(refused(R"({"max_tokens":1,"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"image","source":{}}]}]})"), "messages.0.content.1");
  EXPECT_EQ(refused(R"({"max_tokens":1,"messages":[{"role":"assistant","content":"alone"}]})"), "messages");
  EXPECT_EQ(with(R"("tools":[{"type":"web_search_20250305","name":"web_search"}])"), "tools.0");
  EXPECT_EQ(with(R"("tools":[{"name":"f"}])"), "tools.0");
  EXPECT_EQ(with(R"("tool_choice":{"type":"some"})"), "tool_choice");
  EXPECT_EQ(with(R"("mcp_servers":[{"url":"x"}])"), "mcp_servers");
  EXPECT_EQ(with(R"("thinking":{"type":"deep"})"), "thinking");
  EXPECT_EQ(with(R"("output_config":{"format":{"type":"yaml"}})"), "output_config.format");
  EXPECT_EQ(with(R"("stop_sequences":"x")"), "stop_sequences");
}

class AnthropicServer : public ::testing::Test {
 protected:
  AnthropicServer() : server_(make_engine_router(engine_, "base", {})) {}
  http::ClientResponse post(const std::string& target, const std::string& more) {
    return http::Client(server_.url()).send({.method = "POST", .target = target, .body = R"({"model":"base","messages":[{"role":"user","content":"hey"}])" + more + "}"});
  }

  FakeEngine engine_;
  http::TestServer server_;
};

TEST_F(AnthropicServer, AnswersWholeMessages) {
  const json::value answer = parse_json(post("/v1/messages", R"(,"max_tokens":9,"stop_sequences":["ab"],"top_k":3)").body, "answer");
  EXPECT_EQ(json::serialize(answer.at("content")), R"([{"type":"text","text":"[hey]","citations":null}])");
  EXPECT_EQ(answer.at("stop_reason").get_string(), "end_turn");
  EXPECT_EQ(json::serialize(answer.at("usage")), R"({"input_tokens":3,"cache_creation_input_tokens":0,"cache_read_input_tokens":2,"output_tokens":5})");
  EXPECT_EQ(engine_.last.stop_strings, std::vector<std::string>{"ab"});
  EXPECT_EQ(engine_.last.sampling.top_k, 3);
  EXPECT_EQ(parse_json(post("/v1/messages", R"(,"max_tokens":2)").body, "answer").at("stop_reason").get_string(), "max_tokens");
  EXPECT_EQ(parse_json(post("/v1/messages/count_tokens", "").body, "count").at("input_tokens").to_number<int>(), 5);
}

TEST_F(AnthropicServer, StreamsItsEventsInOrder) {
  const std::string body = post("/v1/messages", R"(,"max_tokens":3,"stream":true)").body;
  std::string names;
  for (size_t at = body.find("event: "); at != std::string::npos; at = body.find("event: ", at + 1)) names += body.substr(at + 7, body.find('\n', at) - at - 7) + " ";
  EXPECT_EQ(names, "message_start ping content_block_start content_block_delta content_block_delta content_block_delta content_block_stop message_delta message_stop ");
  EXPECT_NE(body.find(R"("stop_reason":"max_tokens")"), std::string::npos);
}

TEST_F(AnthropicServer, RefusesInItsOwnForm) {
  const auto response = post("/v1/messages", "");
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(response.body, R"({"type":"error","error":{"type":"invalid_request_error","message":"max_tokens is missing"}})");
}

}  // namespace
}  // namespace lyceum::api
