#include "api/responses/requests.h"

#include <gtest/gtest.h>

#include "api/openai/engine_server.h"
#include "api/openai/fake_engine.h"
#include "api/openai/request_error.h"
#include "http/client.h"
#include "http/test_server.h"

namespace lyceum::api {
namespace {

std::string chat_of(const std::string& body) {
  const json::value value = parse_json(body, "body");
  return json::serialize(read_responses_request(value.get_object()).chat.at("messages"));
}
std::string refused(const std::string& body) {
  try {
    return chat_of(body);
  } catch (const RequestError& error) {
    return error.param();
  }
}

TEST(ResponsesRequests, BecomeAChat) {
  EXPECT_EQ(chat_of(R"({"instructions":"be","input":"hi"})"), R"([{"role":"system","content":"be"},{"role":"user","content":"hi"}])");
  EXPECT_EQ(chat_of(R"({"input":[{"role":"user","content":[{"type":"input_text","text":"a"}]},{"type":"reasoning","summary":[]},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"wait"}]},
                        {"type":"function_call","call_id":"c1","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c1","output":"21"}]})"),
            R"([{"role":"user","content":"a"},{"role":"assistant","content":"wait","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]},)"
            R"({"role":"tool","tool_call_id":"c1","content":"21"}])");
}

TEST(ResponsesRequests, NameWhatIsWrong) {
  EXPECT_EQ(refused("{}"), "input");
  EXPECT_EQ(refused(R"({"input":"x","previous_response_id":"resp_1"})"), "previous_response_id");
  EXPECT_EQ(refused(R"({"input":"x","background":true})"), "background");
  EXPECT_EQ(refused(R"({"input":"x","truncation":"auto"})"), "truncation");
  EXPECT_EQ(refused(R"({"input":"x","tools":[{"type":"web_search"}]})"), "tools[0]");
  EXPECT_EQ(refused(R"({"input":[{"type":"item_reference","id":"x"}]})"), "input[0]");
  EXPECT_EQ(refused(R"({"input":[{"role":"user","content":[{"type":"input_image"}]}]})"), "input[0].content");
  EXPECT_EQ(refused(R"({"input":"x","text":{"format":{"type":"json_schema"}}})"), "text.format");
}

TEST(ResponsesRequests, TakeFunctionsOfANamespace) {
  const json::value body = parse_json(R"({"input":[{"role":"user","content":"x"},{"type":"function_call","call_id":"c","namespace":"files","name":"read","arguments":"{}"}],
      "tools":[{"type":"namespace","name":"files","tools":[{"type":"function","name":"read"}]}]})", "body");
  const ResponsesRequest read = read_responses_request(body.get_object());
  EXPECT_EQ(json::serialize(read.chat.at("tools")), R"([{"type":"function","function":{"name":"files.read"}}])");
  EXPECT_EQ(read.namespaced.at("files.read").name, "read");
  EXPECT_NE(json::serialize(read.chat.at("messages")).find(R"("name":"files.read")"), std::string::npos);
}

TEST(ResponsesServer, AnswersAndStreams) {
  FakeEngine engine;
  http::TestServer server(make_engine_router(engine, "base", {}));
  const auto post = [&](const std::string& more) { return http::Client(server.url()).send({.method = "POST", .target = "/v1/responses", .body = R"({"model":"base","input":"hey")" + more + "}"}); };
  const json::value answer = parse_json(post(R"(,"max_output_tokens":9)").body, "answer");
  EXPECT_EQ(answer.at("output").at(0).at("content").at(0).at("text").get_string(), "[hey]");
  EXPECT_EQ(answer.at("status").get_string(), "completed");
  EXPECT_EQ(answer.at("usage").at("total_tokens").to_number<int>(), 10);
  EXPECT_EQ(answer.at("max_output_tokens").to_number<int>(), 9);
  const std::string body = post(R"(,"max_output_tokens":2,"stream":true)").body;
  std::string names;
  for (size_t at = body.find("event: response."); at != std::string::npos; at = body.find("event: response.", at + 1)) names += body.substr(at + 16, body.find('\n', at) - at - 16) + " ";
  EXPECT_EQ(names, "created in_progress output_item.added content_part.added output_text.delta output_text.delta output_text.done content_part.done output_item.done incomplete ");
}

}  // namespace
}  // namespace lyceum::api
