#include <gtest/gtest.h>

#include "api/ollama/requests.h"
#include "api/openai/engine_server.h"
#include "api/openai/fake_engine.h"
#include "api/openai/request_error.h"
#include "api/test_world.h"
#include "http/client.h"
#include "http/test_server.h"
#include "hub/catalogue.h"

namespace lyceum::api {
namespace {

std::string chat_of(const std::string& body) {
  const json::value value = parse_json(body, "body");
  return json::serialize(read_ollama_chat(value.get_object()));
}
std::string refused(const std::string& more) {
  try {
    return chat_of(R"({"messages":[{"role":"user","content":"x"}],)" + more + "}");
  } catch (const RequestError& error) {
    return error.param();
  }
}

TEST(OllamaRequests, BecomeAChat) {
  EXPECT_EQ(chat_of(R"({"model":"m","messages":[{"role":"user","content":"x"}],"format":"json","think":false,"keep_alive":"5m",
                        "options":{"num_predict":7,"repeat_penalty":1.2,"stop":["a"],"num_ctx":4096,"mirostat":0}})"),
            R"({"model":"m","stream":true,"repetition_penalty":1.2E0,"max_tokens":7,"stop":["a"],"response_format":{"type":"json_object"},"chat_template_kwargs":{"enable_thinking":false},)"
            R"("messages":[{"role":"user","content":"x"}]})");
  EXPECT_EQ(chat_of(R"({"stream":false,"messages":[{"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":{"a":1}}}]},{"role":"tool","tool_name":"f","content":"21"}]})"),
            R"({"stream":false,"messages":[{"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":{"a":1}},"id":"call00000","type":"function"}]},)"
            R"({"role":"tool","content":"21","name":"f","tool_call_id":"call00000"}]})");
}

TEST(OllamaRequests, NameWhatIsWrong) {
  EXPECT_EQ(refused(R"("options":{"mirostat":2})"), "options.mirostat");
  EXPECT_EQ(refused(R"("options":{"typical_p":0.5})"), "options.typical_p");
  EXPECT_EQ(refused(R"("options":{"sampling":1})"), "options.sampling");
  EXPECT_EQ(refused(R"("format":"yaml")"), "format");
  EXPECT_EQ(refused(R"("think":1)"), "think");
  EXPECT_EQ(refused(R"("logprobs":true)"), "logprobs");
  EXPECT_EQ(refused(R"("messages":[{"role":"user","content":"x","images":["aa"]}])"), "messages[0].images");
  const json::value context = parse_json(R"({"prompt":"x","context":[1]})", "body");
  EXPECT_THROW(read_ollama_generate(context.get_object(), true), RequestError);
}

class OllamaServer : public ::testing::Test {
 protected:
  OllamaServer() : server_(make_engine_router(engine_, "base", {})) {}
  http::ClientResponse post(const std::string& target, const std::string& body) { return http::Client(server_.url()).send({.method = "POST", .target = target, .body = body}); }
  json::value ok(const std::string& target, const std::string& body) {
    const auto response = post(target, body);
    EXPECT_EQ(response.status, 200) << response.body;
    return parse_json(response.body, "answer");
  }

  FakeEngine engine_;
  http::TestServer server_;
};

TEST_F(OllamaServer, StreamsRecordsAndEndsWithWhatWasCounted) {
  const auto response = post("/api/chat", R"({"model":"base","messages":[{"role":"user","content":"hey"}],"options":{"num_predict":3}})");
  EXPECT_EQ(response.headers.find("Content-Type"), "application/x-ndjson");
  std::vector<json::value> records;
  for (size_t at = 0, end; (end = response.body.find('\n', at)) != std::string::npos; at = end + 1) records.push_back(parse_json(response.body.substr(at, end - at), "record"));
  ASSERT_EQ(records.size(), 4u) << response.body;
  EXPECT_EQ(records[0].at("message").at("content").get_string(), "[");
  EXPECT_EQ(records[0].at("done"), json::value(false));
  EXPECT_EQ(records[3].at("done_reason").get_string(), "length");
  EXPECT_EQ(records[3].at("eval_count").to_number<int>(), 3);
  EXPECT_EQ(records[3].at("prompt_eval_count").to_number<int>(), 5);
  EXPECT_TRUE(records[3].at("total_duration").is_int64());
}

TEST_F(OllamaServer, GeneratesWithAndWithoutTheTemplate) {
  EXPECT_EQ(ok("/api/generate", R"({"model":"base","prompt":"a","system":"s","stream":false})").at("response").get_string(), "[s][a]");
  EXPECT_EQ(ok("/api/generate", R"({"model":"base","prompt":"a","raw":true,"stream":false})").at("response").get_string(), "a");
  EXPECT_EQ(ok("/api/generate", R"({"model":"base","prompt":"a","suffix":"b","stream":false})").at("response").get_string(), "PaSbM");
  EXPECT_EQ(ok("/api/generate", R"({"model":"base"})").at("done_reason").get_string(), "load");
  EXPECT_EQ(json::serialize(parse_json(post("/api/generate", R"({"model":"base","prompt":"a","template":"b"})").body, "answer")),
            R"({"error":"template is not supported: the model's own is used; with raw, none is"})");
}

TEST_F(OllamaServer, Embeds) {
  const json::value answer = ok("/api/embed", R"({"model":"base","input":["ab","c"]})");
  EXPECT_EQ(answer.at("embeddings").at(0).at(0).to_number<int>(), 2);
  EXPECT_EQ(answer.at("prompt_eval_count").to_number<int>(), 3);
  EXPECT_EQ(ok("/api/embeddings", R"({"model":"base","prompt":"abc"})").at("embedding").at(0).to_number<int>(), 3);
}

// Ollama's addresses are /api/ and one word; whatever else answers there is a list of the hub's, which is asked for by another word.
TEST(OllamaRows, CollideWithNothing) {
  std::vector<std::string> taken;
  for (const RouteGroup& group : route_groups()) {
    for (const RouteRow& row : group.rows) {
      if (group.name != "ollama") taken.push_back(std::string(row.pattern));
    }
  }
  for (const RouteGroup& group : route_groups()) {
    if (group.name != "ollama") continue;
    for (const RouteRow& row : group.rows) {
      EXPECT_EQ(std::ranges::count(row.pattern, '/'), 2) << row.pattern;
      EXPECT_EQ(std::ranges::find(taken, row.pattern), taken.end()) << row.pattern;
    }
  }
}

TEST(OllamaRows, ShowWhatTheCallerMayUse) {
  World world;
  const auto names = [&](const std::string& token) { return world.send({.method = "GET", .target = "/api/tags", .body = {}, .token = token, .headers = {}}).body; };
  hub::CommitRequest request;
  request.summary = "files";
  for (const char* path : {"config.json", "model.safetensors"}) request.actions.push_back(hub::AddFile{path, R"({"model_type":"llama","max_position_embeddings":64})"});
  const hub::Caller owner = *world.hub().authenticate(world.owner);
  world.hub().commit(owner, {hub::RepoType::model, "team", "secret"}, request);
  world.hub().catalogue().settle();   // what the files say is derived a moment after the commit
  EXPECT_EQ(names(world.stranger), R"({"models":[]})");
  EXPECT_NE(names(world.reader).find(R"("model":"team/secret:latest")"), std::string::npos) << names(world.reader);
  const auto show = [&](const std::string& token) { return world.send({.method = "POST", .target = "/api/show", .body = R"({"model":"team/secret:latest"})", .token = token, .headers = {}}); };
  EXPECT_EQ(show(world.stranger).status, 404);
  EXPECT_NE(show(world.reader).body.find(R"("llama.context_length":64)"), std::string::npos) << show(world.reader).body;
  EXPECT_EQ(world.send({.method = "POST", .target = "/api/pull", .body = "{}", .token = {}, .headers = {}}).status, 501);
}

}  // namespace
}  // namespace lyceum::api
