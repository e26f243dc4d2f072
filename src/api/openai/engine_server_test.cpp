#include "api/openai/engine_server.h"

#include <gtest/gtest.h>

#include "api/openai/fake_engine.h"
#include "base/bytes.h"
#include "base/json.h"
#include "http/client.h"
#include "http/test_server.h"

namespace lyceum::api {
namespace {

class EngineServerTest : public ::testing::Test {
 protected:
  EngineServerTest() : server_(make_engine_router(engine_, "base", json::object{{"temperature", 0.25}, {"top_k", 7}})) {}

  http::ClientResponse post(const std::string& target, const std::string& body) {
    http::Client client(server_.url());
    return client.send({.method = "POST", .target = target, .body = body});
  }
  json::object ok(const std::string& target, const std::string& body) {
    const auto response = post(target, body);
    EXPECT_EQ(response.status, 200) << response.body;
    return parse_json(response.body, "answer").get_object();
  }
  // "status param code"
  std::string refusal(const std::string& target, const std::string& body) {
    const auto response = post(target, body);
    const json::object error = get_object(parse_json(response.body, "answer").at("error"), "error");
    EXPECT_TRUE(error.at("message").is_string() && error.at("type").is_string()) << response.body;
    const auto shown = [&](const char* key) { return error.at(key).is_null() ? std::string("-") : std::string(error.at(key).get_string()); };
    return std::to_string(response.status) + " " + shown("param") + " " + shown("code");
  }
  std::vector<std::string> events(const std::string& target, const std::string& body) {
    const auto response = post(target, body);
    EXPECT_EQ(response.headers.find("Content-Type"), "text/event-stream; charset=utf-8") << response.body;
    std::vector<std::string> out;
    for (size_t at = 0, end; (end = response.body.find("\n\n", at)) != std::string::npos; at = end + 2) out.push_back(response.body.substr(at, end - at));
    return out;
  }

  FakeEngine engine_;
  http::TestServer server_;
};

std::string text_of(const json::object& answer, size_t choice = 0) {
  const json::object& one = answer.at("choices").at(choice).get_object();
  return std::string(one.contains("text") ? one.at("text").get_string() : one.at("message").at("content").get_string());
}

constexpr const char* kChat = "/v1/chat/completions";
constexpr const char* kText = "/v1/completions";

TEST_F(EngineServerTest, AnswersChat) {
  const json::object answer = ok(kChat, R"({"model":"base","messages":[{"role":"developer","content":"be"},{"role":"user","content":[{"type":"text","text":"hi"}]}]})");
  EXPECT_EQ(text_of(answer), "[be][hi]");
  EXPECT_EQ(answer.at("object").get_string(), "chat.completion");
  EXPECT_EQ(answer.at("choices").at(0).at("finish_reason").get_string(), "stop");
  EXPECT_EQ(answer.at("usage").at("total_tokens").to_number<int>(), 16);
  EXPECT_EQ(answer.at("usage").at("prompt_tokens_details").at("cached_tokens").to_number<int>(), 2);
  EXPECT_FLOAT_EQ(engine_.last.sampling.temperature, 0.25f);
  EXPECT_EQ(engine_.last.sampling.top_k, 7);
  EXPECT_EQ(engine_.last.sampling.top_logprobs, -1);
}

TEST_F(EngineServerTest, StreamsChatToItsDone) {
  const auto all = events(kChat, R"({"model":"base","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hey"}]})");
  std::string text;
  ASSERT_GE(all.size(), 4u);
  EXPECT_EQ(all.back(), "data: [DONE]");
  for (size_t i = 0; i + 1 < all.size(); ++i) {
    const json::value chunk = parse_json(all[i].substr(6), "chunk");
    EXPECT_EQ(chunk.at("object").get_string(), "chat.completion.chunk");
    if (chunk.at("choices").get_array().empty()) {
      EXPECT_EQ(chunk.at("usage").at("completion_tokens").to_number<int>(), 5);
      EXPECT_EQ(i + 2, all.size());
      continue;
    }
    const json::object& delta = chunk.at("choices").at(0).at("delta").get_object();
    if (const auto content = find_string(delta, "content")) text += *content;
    if (i == 0) {
      EXPECT_EQ(get_string(delta, "role"), "assistant");
    }
  }
  EXPECT_EQ(text, "[hey]");
}

TEST_F(EngineServerTest, TakesPromptsInEveryForm) {
  EXPECT_EQ(text_of(ok(kText, R"({"prompt":"abc"})")), "abc");
  EXPECT_EQ(text_of(ok(kText, R"({"prompt":[97,98]})")), "ab");
  EXPECT_EQ(text_of(ok(kText, R"({"prompt":""})")), "\x01");
  const json::object both = ok(kText, R"({"prompt":["ab",[99]],"n":2,"echo":true})");
  EXPECT_EQ(text_of(both, 1), "abab");
  EXPECT_EQ(text_of(both, 3), "cc");
  EXPECT_EQ(both.at("usage").at("prompt_tokens").to_number<int>(), 3);
  EXPECT_EQ(both.at("usage").at("completion_tokens").to_number<int>(), 6);
  const json::object cut = ok(kText, R"({"prompt":"abcdef","max_tokens":2})");
  EXPECT_EQ(text_of(cut), "ab");
  EXPECT_EQ(cut.at("choices").at(0).at("finish_reason").get_string(), "length");
}

TEST_F(EngineServerTest, FillsInTheMiddle) { EXPECT_EQ(text_of(ok(kText, R"({"prompt":"a","suffix":"b"})")), "PaSbM"); }

TEST(EngineServer, RefusesSuffixWithoutFimTokens) {
  FakeEngine engine(false);
  http::TestServer server(make_engine_router(engine, "base", {}));
  const auto response = http::Client(server.url()).send({.method = "POST", .target = kText, .body = R"({"prompt":"a","suffix":"b"})"});
  EXPECT_EQ(response.status, 400);
  EXPECT_NE(response.body.find("suffix_not_supported"), std::string::npos);
}

TEST_F(EngineServerTest, ReportsLogprobs) {
  const json::object chat = ok(kChat, R"({"messages":[{"role":"user","content":"x"}],"logprobs":true,"top_logprobs":2})");
  const json::value& first = chat.at("choices").at(0).at("logprobs").at("content").at(0);
  EXPECT_EQ(first.at("token").get_string(), "[");
  EXPECT_EQ(first.at("bytes").at(0).to_number<int>(), '[');
  EXPECT_EQ(first.at("top_logprobs").get_array().size(), 2u);
  const json::object text = ok(kText, R"({"prompt":"ab","logprobs":1})");
  EXPECT_EQ(text.at("choices").at(0).at("logprobs").at("text_offset").at(1).to_number<int>(), 1);
  const auto all = events(kText, R"({"prompt":"ab","logprobs":1,"stream":true})");
  EXPECT_EQ(parse_json(all[1].substr(6), "chunk").at("choices").at(0).at("logprobs").at("text_offset").at(0).to_number<int>(), 1);
}

TEST_F(EngineServerTest, EchoesThePromptWithItsLogprobs) {
  const json::object text = ok(kText, R"({"prompt":[97,98],"logprobs":1,"echo":true,"max_tokens":1})");
  EXPECT_EQ(text_of(text), "aba");
  EXPECT_EQ(json::serialize(text.at("choices").at(0).at("logprobs")),
            R"({"tokens":["a","b","a"],"token_logprobs":[null,-5E-1,-5E-1],"top_logprobs":[null,{"b":-5E-1},{"a":-5E-1,"z":-2E0}],"text_offset":[0,1,2]})");
}

TEST_F(EngineServerTest, PassesEveryParameterOn) {
  ok(kText, R"({"prompt":"a","temperature":0.5,"top_p":0.9,"top_k":5,"min_p":0.1,"repetition_penalty":1.1,"presence_penalty":1,"frequency_penalty":-1,
               "seed":42,"stop":["x","yy"],"logit_bias":{"7":-100},"stop_token_ids":[3],"ignore_eos":true,"max_tokens":9,"response_format":{"type":"json_object"}})");
  EXPECT_NE(engine_.last.constraint, nullptr);
  const auto& sampling = engine_.last.sampling;
  EXPECT_FLOAT_EQ(sampling.temperature, 0.5f);
  EXPECT_FLOAT_EQ(sampling.top_p, 0.9f);
  EXPECT_EQ(sampling.top_k, 5);
  EXPECT_FLOAT_EQ(sampling.min_p, 0.1f);
  EXPECT_FLOAT_EQ(sampling.repetition_penalty, 1.1f);
  EXPECT_FLOAT_EQ(sampling.presence_penalty, 1);
  EXPECT_FLOAT_EQ(sampling.frequency_penalty, -1);
  EXPECT_EQ(sampling.seed, 42u);
  EXPECT_EQ(sampling.logit_bias, (std::vector<std::pair<int32_t, float>>{{7, -100.0f}}));
  EXPECT_EQ(engine_.last.stop_strings, (std::vector<std::string>{"x", "yy"}));
  EXPECT_EQ(engine_.last.stop_ids, std::vector<int32_t>{3});
  EXPECT_TRUE(engine_.last.ignore_eos);
  EXPECT_EQ(engine_.last.max_tokens, 9u);
}

TEST_F(EngineServerTest, NamesTheFieldThatIsWrong) {
  const auto chat = [](const std::string& more) { return R"({"messages":[{"role":"user","content":"x"}],)" + more + "}"; };
  const auto text = [](const std::string& more) { return R"({"prompt":"x",)" + more + "}"; };
  EXPECT_EQ(refusal(kChat, "{}"), "400 messages -");
  EXPECT_EQ(refusal(kChat, R"({"messages":[]})"), "400 messages -");
  EXPECT_EQ(refusal(kChat, R"({"messages":[{"role":"user"}]})"), "400 messages[0].content -");
  EXPECT_EQ(refusal(kChat, R"({"messages":[{"role":"user","content":[{"type":"image_url"}]}]})"), "400 messages[0].content unsupported_content");
  EXPECT_EQ(refusal(kChat, R"({"messages":[{"role":"bad","content":"x"}]})"), "400 messages -");
  EXPECT_EQ(refusal(kChat, chat(R"("temperature":"hot")")), "400 temperature -");
  EXPECT_EQ(refusal(kChat, chat(R"("temperature":3)")), "400 temperature -");
  EXPECT_EQ(refusal(kChat, chat(R"("top_p":0)")), "400 top_p -");
  EXPECT_EQ(refusal(kChat, chat(R"("n":0)")), "400 n -");
  EXPECT_EQ(refusal(kChat, chat(R"("max_tokens":1.5)")), "400 max_tokens -");
  EXPECT_EQ(refusal(kChat, chat(R"("max_tokens":5,"max_completion_tokens":6)")), "400 max_tokens -");
  EXPECT_EQ(refusal(kChat, chat(R"("top_logprobs":5)")), "400 top_logprobs -");
  EXPECT_EQ(refusal(kChat, chat(R"("stop":[""])")), "400 stop -");
  EXPECT_EQ(refusal(kChat, chat(R"("logit_bias":{"999":1})")), "400 logit_bias -");
  EXPECT_EQ(refusal(kChat, chat(R"("tools":[{"type":"function"}])")), "400 tools[0] -");
  EXPECT_EQ(refusal(kChat, chat(R"("tools":[{"type":"custom"}])")), "400 tools[0] unsupported_parameter");
  EXPECT_EQ(refusal(kChat, chat(R"("tools":[{"type":"function","function":{"name":"a b"}}])")), "400 tools[0] -");
  EXPECT_EQ(refusal(kChat, chat(R"("tools":[{"type":"function","function":{"name":"f"}}])")), "400 tools unsupported_parameter");
  EXPECT_EQ(refusal(kChat, chat(R"("tool_choice":"required")")), "400 tool_choice -");
  EXPECT_EQ(refusal(kChat, chat(R"("functions":[])")), "400 functions unsupported_parameter");
  EXPECT_EQ(refusal(kChat, R"({"messages":[{"role":"tool","content":"x"}]})"), "400 messages[0] unsupported_content");
  EXPECT_EQ(refusal(kText, text(R"("tools":[])")), "400 tools unsupported_parameter");
  EXPECT_EQ(refusal(kChat, chat(R"("response_format":{"type":"yaml"})")), "400 response_format unsupported_parameter");
  EXPECT_EQ(refusal(kChat, chat(R"("response_format":{"type":"json_schema"})")), "400 response_format -");
  EXPECT_EQ(refusal(kChat, chat(R"("response_format":{"type":"json_schema","json_schema":{"schema":{"not":{}}}})")), "400 response_format invalid_grammar");
  EXPECT_EQ(refusal(kChat, chat(R"("grammar":"root ::= (")")), "400 grammar invalid_grammar");
  EXPECT_EQ(refusal(kText, text(R"("guided_json":{})")), "400 guided_json unsupported_parameter");
  EXPECT_EQ(refusal(kChat, chat(R"("stream_options":{"include_usage":true})")), "400 stream_options -");
  EXPECT_EQ(refusal(kChat, chat(R"("model":"other")")), "404 - model_not_found");
  EXPECT_EQ(refusal(kText, "{}"), "400 prompt -");
  EXPECT_EQ(refusal(kText, R"({"prompt":[300]})"), "400 prompt -");
  EXPECT_EQ(refusal(kText, R"({"prompt":[["a"]]})"), "400 prompt -");
  EXPECT_EQ(refusal(kText, text(R"("best_of":3)")), "400 best_of unsupported_parameter");
  EXPECT_EQ(refusal(kText, R"({"prompt":")" + std::string(100, 'x') + R"("})"), "400 prompt context_length_exceeded");
  EXPECT_EQ(refusal(kText, R"({"prompt":")" + std::string(100, 'x') + R"(","stream":true})"), "400 prompt context_length_exceeded");
  EXPECT_EQ(refusal(kText, "not json"), "400 - -");
  EXPECT_EQ(refusal(kText, "[]"), "400 - -");
  ok(kChat, chat(R"("some_new_field":{"a":1},"stop":null,"user":"me","tools":[]  )"));
}

TEST_F(EngineServerTest, EmbedsInBothEncodings) {
  const json::object floats = ok("/v1/embeddings", R"({"input":["ab","c"]})");
  EXPECT_FLOAT_EQ(floats.at("data").at(0).at("embedding").at(0).to_number<float>(), 2);
  EXPECT_EQ(floats.at("data").at(1).at("index").to_number<int>(), 1);
  EXPECT_EQ(floats.at("usage").at("prompt_tokens").to_number<int>(), 3);
  const json::object coded = ok("/v1/embeddings", R"({"input":"ab","encoding_format":"base64"})");
  const std::string bytes = *find_from_base64(coded.at("data").at(0).at("embedding").get_string());
  ASSERT_EQ(bytes.size(), 12u);
  float second = 0;
  std::memcpy(&second, bytes.data() + 4, 4);
  EXPECT_FLOAT_EQ(second, 0.5f);
  EXPECT_EQ(refusal("/v1/embeddings", R"({"input":""})"), "400 input -");
  EXPECT_EQ(refusal("/v1/embeddings", R"({"input":["a",5]})"), "400 input -");
  EXPECT_EQ(refusal("/v1/embeddings", R"({"input":"a","dimensions":2})"), "400 dimensions unsupported_parameter");
}

TEST_F(EngineServerTest, LoadsUsesAndDropsAdapters) {
  EXPECT_EQ(refusal("/internal/adapters", R"({"name":"me/a","path":"/broken"})"), "422 - -");
  ok("/internal/adapters", R"({"name":"me/a","path":"/somewhere"})");
  EXPECT_EQ(text_of(ok(kText, R"({"model":"me/a","prompt":"x"})")), "me/ax");
  http::Client client(server_.url());
  http::ClientRequest request{.method = "POST", .target = kText, .body = R"({"model":"public name","prompt":"x"})"};
  request.headers.set(kAdapterHeader, "me/a");
  const json::value answer = parse_json(client.send(request).body, "answer");
  EXPECT_EQ(answer.at("choices").at(0).at("text").get_string(), "me/ax");
  EXPECT_EQ(answer.at("model").get_string(), "public name");
  EXPECT_EQ(parse_json(client.send({.target = "/v1/models"}).body, "models").at("data").get_array().size(), 2u);
  EXPECT_EQ(client.send({.method = "DELETE", .target = "/internal/adapters/me%2Fa"}).status, 200);
  EXPECT_EQ(client.send({.method = "DELETE", .target = "/internal/adapters/me%2Fa"}).status, 404);
}

TEST_F(EngineServerTest, Scores) {
  EXPECT_EQ(ok("/internal/score", R"({"text":"abc"})").at("logprobs").get_array().size(), 2u);
  EXPECT_EQ(ok("/internal/score", R"({"tokens":[1,2,3,4]})").at("logprobs").get_array().size(), 3u);
  EXPECT_EQ(refusal("/internal/score", R"({"tokens":[1],"text":"a"})"), "400 text -");
  EXPECT_EQ(refusal("/internal/score", R"({"tokens":["a"]})"), "400 tokens -");
}

TEST_F(EngineServerTest, CancelsWhenTheClientGoes) {
  engine_.delay_ms = 40;
  const std::string prompt(80, 'x');
  for (const char* more : {R"("stream":true)", R"("n":2)"}) {
    const int before = engine_.cancelled;
    http::Client client(server_.url());
    http::ClientRequest request{.method = "POST", .target = kText, .body = R"({"prompt":")" + prompt + R"(","max_tokens":90,)" + more + "}", .keep_waiting = [] { return false; }};
    try {
      client.send(request, [](std::string_view) { return false; });
    } catch (const Error&) {
      SUCCEED();
    }
    for (int i = 0; i < 100 && engine_.cancelled == before; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_GT(engine_.cancelled, before) << more;
  }
}

}  // namespace
}  // namespace lyceum::api
