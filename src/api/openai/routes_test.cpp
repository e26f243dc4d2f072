// The hub's /v1 routes in front of engine processes that engine_manager_test.cpp plays.
#include <gtest/gtest.h>

#include "api/openai/materialise.h"
#include "api/test_world.h"
#include "base/json.h"

namespace lyceum::api {
namespace {

class OpenaiRoutes : public ::testing::Test {
 protected:
  OpenaiRoutes() {
    add("secret", {{"config.json", "{}"}, {"model.safetensors", "weights"}});
    add("open", {{"config.json", "{}"}, {"model.safetensors", "weights"}});
    create("tuned", {{"adapter_config.json", R"({"base_model_name_or_path":"team/open"})"}, {"adapter_model.safetensors", "x"}});
    create("orphan", {{"adapter_config.json", R"({"base_model_name_or_path":"/tmp/here"})"}, {"adapter_model.safetensors", "x"}});
    create("notes", {{"README.md", "no model"}});
  }

  void add(const std::string& name, const std::vector<std::pair<std::string, std::string>>& files) {
    hub::CommitRequest request;
    request.summary = "files";
    for (const auto& [path, content] : files) request.actions.push_back(hub::AddFile{path, content});
    world_.hub().commit(*world_.hub().authenticate(world_.owner), {hub::RepoType::model, "team", name}, request);
  }
  void create(const std::string& name, const std::vector<std::pair<std::string, std::string>>& files) {
    world_.hub().create_repo(*world_.hub().authenticate(world_.owner), {hub::RepoType::model, "team", name}, false, "");
    add(name, files);
  }

  http::Response complete(const std::string& model, const std::string& token = {}, const std::string& more = {}) {
    return world_.send({.method = "POST", .target = "/v1/completions", .body = R"({"prompt":"hey","model":")" + model + "\"" + more + "}", .token = token, .headers = {}});
  }
  std::string text(const http::Response& response) {
    EXPECT_EQ(response.status, 200) << response.body;
    return std::string(parse_json(response.body, "answer").at("choices").at(0).at("text").get_string());
  }
  std::string refusal(const http::Response& response) {
    const json::value error = parse_json(response.body, "answer").at("error");
    return std::to_string(response.status) + " " + (error.at("code").is_null() ? std::string("-") : std::string(error.at("code").get_string()));
  }
  std::vector<std::string> listed(const std::string& token) {
    std::vector<std::string> ids;
    const auto response = world_.send({.target = "/v1/models", .body = {}, .token = token, .headers = {}});
    const json::value models = parse_json(response.body, "models");
    for (const json::value& one : models.at("data").get_array()) ids.emplace_back(one.at("id").get_string());
    std::sort(ids.begin(), ids.end());
    return ids;
  }

  World world_;
};

class Collect final : public http::BodyWriter {
 public:
  void write(std::string_view bytes) override { text += bytes; }
  bool client_gone() override { return false; }
  std::string text;
};

TEST_F(OpenaiRoutes, RunsAModelForWhoeverMayReadIt) {
  EXPECT_EQ(text(complete("team/open")), "hey");
  EXPECT_EQ(text(complete("team/open@main", "sk-not-ours")), "hey");
  EXPECT_EQ(text(complete("team/secret", world_.reader)), "hey");
  EXPECT_EQ(refusal(complete("team/secret", world_.stranger)), "404 model_not_found");
  EXPECT_EQ(refusal(complete("team/secret")), "404 model_not_found");
  EXPECT_EQ(refusal(complete("team/open@nowhere")), "404 model_not_found");
  EXPECT_EQ(refusal(complete("nobody/none")), "404 model_not_found");
  EXPECT_EQ(refusal(complete("short")), "404 model_not_found");
  EXPECT_EQ(refusal(complete("team/notes")), "422 model_not_runnable");
  EXPECT_EQ(refusal(world_.send({.method = "POST", .target = "/v1/completions", .body = "{}", .token = {}, .headers = {}})), "400 -");
}

TEST_F(OpenaiRoutes, GivesTheEngineLargeFilesAsLinksToTheirBlobs) {
  const hub::Caller caller = *world_.hub().authenticate(world_.owner);
  const hub::RepoId id{hub::RepoType::model, "team", "open"};
  auto blob = world_.hub().write_blob();
  blob->write(as_bytes("large weights"));
  const std::string sha256 = blob->finish(std::nullopt);
  world_.hub().link_blob(world_.hub().get_repo(caller, id), sha256);
  hub::CommitRequest request;
  request.summary = "large";
  request.actions.push_back(hub::AddLargeFile{"model.safetensors", sha256, 13});
  world_.hub().commit(caller, id, request);
  const hub::Repo repo = world_.hub().get_repo(caller, id);
  const fs::path folder = materialise(world_.hub(), repo, repo.head);
  EXPECT_TRUE(fs::is_symlink(folder / "model.safetensors"));
  EXPECT_EQ(read_file(folder / "model.safetensors"), "large weights");
  EXPECT_TRUE(fs::is_regular_file(folder / "config.json"));
  EXPECT_EQ(materialise(world_.hub(), repo, repo.head), folder);
}

TEST(ModelPath, ChoosesAmongGgufFiles) {
  ModelFiles files;
  files.gguf = {"m.F16.gguf", "m.Q4_K_M.gguf", "m.Q8_0.gguf"};
  EXPECT_EQ(model_path("/f", files, ""), "/f/m.Q4_K_M.gguf");
  EXPECT_EQ(model_path("/f", files, "q8_0"), "/f/m.Q8_0.gguf");
  EXPECT_THROW(model_path("/f", files, "Q2"), Error);
  files.transformer = true;
  EXPECT_EQ(model_path("/f", files, ""), "/f");
}

TEST_F(OpenaiRoutes, StreamsThrough) {
  const auto response = complete("team/open", {}, R"(,"stream":true)");
  EXPECT_EQ(response.headers.find("Content-Type"), "text/event-stream; charset=utf-8");
  ASSERT_TRUE(response.stream);
  Collect out;
  response.stream(out);
  EXPECT_TRUE(out.text.starts_with("data: {")) << out.text;
  EXPECT_TRUE(out.text.ends_with("data: [DONE]\n\n")) << out.text;
}

TEST_F(OpenaiRoutes, PassesTheEnginesErrorsOn) {
  EXPECT_EQ(refusal(complete("team/open", {}, R"(,"temperature":99)")), "400 -");
  EXPECT_EQ(refusal(complete("team/open", {}, R"(,"stream":true,"best_of":4)")), "400 unsupported_parameter");
}

TEST_F(OpenaiRoutes, RunsAnAdapterOnTheEngineOfItsBase) {
  EXPECT_EQ(text(complete("team/open")), "hey");
  const std::string tuned = text(complete("team/tuned", {}, R"(,"max_tokens":200)"));
  EXPECT_TRUE(tuned.starts_with("team/tuned@") && tuned.ends_with("hey")) << tuned;
  const auto engines = world_.send({.target = "/api/lyceum/engines", .body = {}, .token = world_.admin, .headers = {}});
  EXPECT_EQ(parse_json(engines.body, "engines").get_array().size(), 1u) << engines.body;
  EXPECT_EQ(refusal(complete("team/orphan")), "422 base_model_not_found");
}

TEST_F(OpenaiRoutes, ListsWhatTheCallerCanRun) {
  EXPECT_EQ(listed(""), (std::vector<std::string>{"team/open", "team/tuned"}));
  EXPECT_EQ(listed(world_.reader), (std::vector<std::string>{"team/open", "team/secret", "team/tuned"}));
  EXPECT_EQ(world_.send({.target = "/v1/models/team%2Fopen", .body = {}, .token = {}, .headers = {}}).status, 200);
  EXPECT_EQ(world_.send({.target = "/v1/models/team/open", .body = {}, .token = {}, .headers = {}}).status, 200);
  EXPECT_EQ(world_.send({.target = "/v1/models/team/notes", .body = {}, .token = {}, .headers = {}}).status, 404);
}

TEST_F(OpenaiRoutes, DeploysByAdministratorsOnly) {
  const auto deployments = [&](const std::string& method, const std::string& token, const std::string& body) {
    return world_.send({.method = method, .target = "/api/lyceum/deployments", .body = body, .token = token, .headers = {}});
  };
  const std::string body = R"({"model":"team/open","adapters":["team/orphan","team/tuned"]})";
  EXPECT_EQ(deployments("POST", world_.owner, body).status, 403);
  EXPECT_EQ(deployments("POST", "", body).status, 401);
  EXPECT_EQ(deployments("POST", world_.admin, R"({"model":"team/tuned"})").status, 400);
  EXPECT_EQ(deployments("POST", world_.admin, R"({"model":"team/open","adapters":["team/notes"]})").status, 422);
  const auto done = deployments("POST", world_.admin, body);
  EXPECT_EQ(done.status, 200) << done.body;
  EXPECT_EQ(deployments("GET", "", "").body, R"([{"model":"team/open","adapters":["team/orphan","team/tuned"]}])");
  EXPECT_TRUE(text(complete("orphan", {}, R"(,"max_tokens":200)")).starts_with("team/orphan@"));
  EXPECT_EQ(text(complete("open")), "hey");
  EXPECT_EQ(deployments("DELETE", world_.admin, R"({"model":"team/open"})").status, 200);
  EXPECT_EQ(deployments("DELETE", world_.admin, R"({"model":"team/open"})").status, 404);
  EXPECT_EQ(deployments("GET", "", "").body, "[]");
}

TEST_F(OpenaiRoutes, DeploysADraftModel) {
  const auto deploy = [&](const std::string& draft) {
    return world_.send({.method = "POST", .target = "/api/lyceum/deployments", .body = R"({"model":"team/open","draft":")" + draft + "\"}", .token = world_.admin, .headers = {}});
  };
  EXPECT_EQ(deploy("nowhere").status, 400);
  EXPECT_EQ(deploy("team/none").status, 404);
  EXPECT_EQ(deploy("team/notes").status, 422);
  const auto done = deploy("team/secret");
  EXPECT_EQ(done.status, 200) << done.body;
  const auto shown = [&](const std::string& token) { return world_.send({.target = "/api/lyceum/deployments", .body = {}, .token = token, .headers = {}}).body; };
  EXPECT_EQ(shown(world_.reader), R"([{"model":"team/open","adapters":[],"draft":"team/secret"}])");
  EXPECT_EQ(shown(""), R"([{"model":"team/open","adapters":[]}])");   // its name is not for everybody
  EXPECT_EQ(text(complete("team/open")), "hey");                        // its guesses are
  const auto engines = world_.send({.target = "/api/lyceum/engines", .body = {}, .token = world_.admin, .headers = {}});
  EXPECT_EQ(parse_json(engines.body, "engines").as_array().size(), 1u) << engines.body;   // the deployed one answered
}

TEST_F(OpenaiRoutes, ScoresWithAndWithoutTheAdapter) {
  const auto score = [&](const std::string& more) {
    const auto response = world_.send({.method = "POST", .target = "/api/lyceum/score", .body = R"({"text":"abc","model":"team/open")" + more + "}", .token = {}, .headers = {}});
    EXPECT_EQ(response.status, 200) << response.body;
    return parse_json(response.body, "scores").at("logprobs").at(0).to_number<double>();
  };
  EXPECT_EQ(score(""), -1.0);
  EXPECT_EQ(score(R"(,"adapter":"team/tuned")"), -0.25);
}

}  // namespace
}  // namespace lyceum::api
