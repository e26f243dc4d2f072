#include <gtest/gtest.h>

#include <sys/stat.h>

#include <fstream>

#include "api/jobs/job_log.h"
#include "api/jobs/job_request.h"
#include "api/jobs/job_runner.h"
#include "api/jobs/loss_curve.h"
#include "api/jobs/process_use.h"
#include "api/jobs/presets.h"
#include "api/jobs/run_files.h"
#include "api/test_world.h"
#include "base/json.h"
#include "hub/tokens.h"
#include "tuning/recipe.h"

namespace lyceum::api {
namespace {

constexpr std::string_view kConfig = R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
  "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 256, "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "rope_theta": 10000})";

TEST(LossCurve, KeepsMeansInBoundedSpace) {
  LossCurve curve;
  double sum = 0;
  for (uint64_t step = 1; step <= 10'000; ++step) {
    curve.add(step, static_cast<double>(step % 7));
    sum += static_cast<double>(step % 7);
  }
  EXPECT_LE(curve.points().size(), LossCurve::kPointsMax);
  EXPECT_GE(curve.points().size(), LossCurve::kPointsMax / 4);
  EXPECT_EQ(curve.points().back().last_step, 10'000u);
  double kept = 0;
  uint64_t count = 0;
  for (const LossCurve::Point& point : curve.points()) {
    kept += point.sum;
    count += point.count;
  }
  EXPECT_EQ(count, 10'000u);
  EXPECT_NEAR(kept, sum, 1e-6);
  EXPECT_EQ(json::serialize(LossCurve::from_json(curve.to_json()).to_json()), json::serialize(curve.to_json()));
}

TEST(LossCurve, ForgetsWhatAResumedRunDoesAgain) {
  LossCurve curve;
  for (uint64_t step = 1; step <= 10; ++step) curve.add(step, 1);
  curve.add(6, 5);
  ASSERT_EQ(curve.points().size(), 6u);
  EXPECT_EQ(curve.points().back().loss(), 5);
  EXPECT_THROW(LossCurve::from_json({json::array{1, 2}}), Error);
  EXPECT_THROW(LossCurve::from_json({json::array{1, "x", 2}}), Error);
}

TEST(JobLog, KeepsTheLatestLinesAndTheirNumbers) {
  TempFolder folder;
  JobLog log(folder.path());
  const std::string text(1000, 'x');
  for (int i = 0; i < 3000; ++i) log.add(i, text);
  const auto lines = read_job_log(folder.path());
  EXPECT_EQ(lines.back().number, 3000u);
  EXPECT_LT(lines.size(), 2200u) << "bounded";
  EXPECT_GT(lines.size(), 900u);
  JobLog again(folder.path());
  again.add(1, "a\xff\xfe");
  const auto news = read_job_log(folder.path(), 3000);
  ASSERT_EQ(news.size(), 1u);
  EXPECT_EQ(news[0].text, "a") << "what is no text is cut off";
}

TEST(ProcessUse, ReadsALivingProcess) {
  EXPECT_GT(read_process_use(static_cast<int>(::getpid())).resident, 0u);
  EXPECT_EQ(read_process_use(999999999).resident, 0u);
}

TEST(JobPresets, AreRecipesThatTheTrainerReads) {
  for (const json::value& preset : job_presets()) EXPECT_NO_THROW(tuning::recipe_from_json(preset.at("recipe").as_object())) << json::serialize(preset);
}

json::object docker(json::array command) { return {{"dockerImage", "lyceum"}, {"command", std::move(command)}, {"flavor", "cpu-basic"}}; }

TEST(DockerBody, IsReadAsTheCommandLine) {
  json::object body = docker({"lyceum", "tune", "a/base@main", "--data", "datasets/a/data", "--to", "tuned", "--set", "max_steps=3", "--set", "lr_scheduler=cosine", "--plan", "--public"});
  body["environment"] = json::object{{"LYCEUM_RECIPE", "lora_r: 4\nmax_steps: 9\n"}};
  body["timeoutSeconds"] = 60;
  const json::object ours = translate_docker_body(body);
  EXPECT_EQ(get_string(ours, "base"), "a/base@main");
  EXPECT_EQ(get_string(ours, "to"), "tuned");
  EXPECT_TRUE(*find_bool(ours, "plan"));
  EXPECT_FALSE(*find_bool(ours, "private"));
  EXPECT_EQ(ours.at("recipe").at("max_steps").to_number<int>(), 3) << "the command's settings beat the recipe's";
  EXPECT_EQ(ours.at("recipe").at("lora_r").to_number<int>(), 4);
  EXPECT_EQ(get_int(ours, "timeout_s"), 60);
}

TEST(DockerBody, RefusesByNameWhatCannotBeRun) {
  const auto refusal = [](const json::object& body) -> std::string {
    try {
      translate_docker_body(body);
    } catch (const Error& error) {
      return error.what();
    }
    return "(taken)";
  };
  json::object python = docker({"python", "-c", "print(1)"});
  EXPECT_NE(refusal(python).find("\"python\""), std::string::npos);
  python["dockerImage"] = "python:3.12";
  EXPECT_NE(refusal(python).find("python:3.12"), std::string::npos);
  EXPECT_NE(refusal(python).find("lyceum tune"), std::string::npos) << "and says what can be";
  const json::array tune = {"lyceum", "tune", "a/b", "--data", "a/c", "--to", "d"};
  for (const auto& [key, value] : json::object{{"secrets", {{"A", "b"}}}, {"volumes", json::array{json::object{}}}, {"ssh", {{"enabled", true}}}, {"expose", {{"ports", json::array{80}}}},
                                               {"network", {{"group", "x"}}}, {"attempts", 3}, {"flavor", "a10g-small"}, {"spaceId", "a/b"}, {"environment", {{"A", "b"}}}}) {
    json::object body = docker(tune);
    body[key] = value;
    EXPECT_NE(refusal(body), "(taken)") << key;
  }
  json::array odd = tune;
  odd.emplace_back("--threads");
  EXPECT_NE(refusal(docker(odd)).find("--threads"), std::string::npos);
  EXPECT_EQ(refusal(docker(tune)), "(taken)");
}

// A hub with a base and private data of the team, and a program that plays `lyceum job`.
class JobRoutes : public testing::Test {
 protected:
  JobRoutes() {
    hub::Hub& hub = world.hub();
    const hub::Caller alice = *hub.authenticate(world.owner);
    hub.create_repo(alice, {hub::RepoType::model, "team", "base"}, false, "");
    commit(alice, {hub::RepoType::model, "team", "base"}, {{"config.json", std::string(kConfig)}, {"model.safetensors", "weights"}});
    commit(alice, {hub::RepoType::dataset, "team", "secret"}, {{"a.py", "print(1)\n"}, {"lib/b.py", "print(2)\n"}});
  }

  void commit(const hub::Caller& caller, const hub::RepoId& id, const std::vector<std::pair<std::string, std::string>>& files) {
    hub::CommitRequest request;
    request.summary = "files";
    for (const auto& [path, text] : files) request.actions.push_back(hub::AddFile{path, text});
    world.hub().commit(caller, id, request);
  }

  // The last word of its arguments before --threads is the run folder.
  void run_with(const std::string& script, size_t queue_max = 8, uint64_t memory = 4ull << 30) {
    const fs::path program = folder.path() / "fake-job";
    std::ofstream(program) << "#!/bin/sh\nwhile [ \"$1\" != --run ]; do shift; done\nrun=$2\ncase \" $* \" in *--dry-run*) dry=1;; esac\n" + script;
    ::chmod(program.c_str(), 0755);
    runner.reset();
    JobRunnerOptions options;
    options.program = program;
    options.version = "test";
    options.queue_max = queue_max;
    options.memory_bytes = memory;
    options.drain_patience_s = 1;
    options.stop_patience_s = 1;
    runner = std::make_unique<JobRunner>(world.hub(), clock, options);
  }

  json::object ask(const std::string& method, const std::string& target, const json::object& body = {}, const std::string& token = {}, int status = 200) {
    const http::Response response = world.send({.method = method, .target = target, .body = body.empty() ? "" : json::serialize(body), .token = token.empty() ? world.owner : token, .headers = {}});
    EXPECT_EQ(response.status, status) << method << " " << target << ": " << response.body;
    const json::value value = parse_json(response.body, "answer");
    return value.is_object() ? value.get_object() : json::object{{"rows", value}};
  }

  json::object order(const json::object& more = {}) {
    json::object out{{"base", "team/base"}, {"data", "datasets/team/secret"}, {"to", "tuned"}, {"recipe", {{"max_steps", 3}}}};
    for (const auto& item : more) out[item.key()] = item.value();
    return out;
  }

  json::object wait_for(const std::string& id, const std::string& state) {
    json::object job;
    for (int i = 0; i < 400; ++i) {
      job = ask("GET", "/api/lyceum/jobs/team/" + id);
      if (get_string(job, "state") == state) return job;
      std::this_thread::sleep_for(std::chrono::milliseconds(25));
    }
    ADD_FAILURE() << "the job is not " << state << ": " << json::serialize(job);
    return job;
  }

  static constexpr const char* kWorks = R"(echo '{"phase": "prepare", "message": "reading"}'
echo '{"tokens": 5, "sample": []}' > $run/data_report.json
[ -n "$dry" ] && { echo '{"result": {"cancelled": false, "lineage": {}}}'; exit 0; }
for i in 1 2 3; do echo "{\"phase\": \"train\", \"step\": $i, \"steps\": 3, \"loss\": $i.5}"; done
mkdir -p $run/output; echo '{}' > $run/output/adapter_config.json; echo '# card' > $run/output/README.md
echo '{"steps": 3, "loss": {"first": 1.5, "last": 3.5}}' > $run/output/lineage.json
echo '{"result": {"cancelled": false, "lineage": {}}}'
)";

  TempFolder folder;
  SystemClock clock;
  World world;
  std::unique_ptr<JobRunner> runner;
};

TEST_F(JobRoutes, PlansTrainsAndPublishes) {
  run_with(kWorks);
  const json::object planned = ask("POST", "/api/lyceum/jobs/team", order({{"plan", true}}));
  const std::string id = get_string(planned, "id");
  wait_for(id, "planned");
  EXPECT_EQ(get_int(ask("GET", "/api/lyceum/jobs/team/" + id + "/plan"), "tokens"), 5);
  ask("POST", "/api/lyceum/jobs/team/" + id + "/start");
  const json::object done = wait_for(id, "done");
  EXPECT_EQ(get_string(done.at("result").as_object(), "repo"), "team/tuned");
  EXPECT_EQ(done.at("curve").as_array().size(), 3u);
  const hub::Caller alice = *world.hub().authenticate(world.owner);
  const hub::Repo made = world.hub().get_repo(alice, {hub::RepoType::model, "team", "tuned"});
  EXPECT_TRUE(made.is_private);
  EXPECT_TRUE(world.hub().find_entry(made, made.head, "adapter_config.json"));
  const fs::path run = job_folder(world.hub(), id);
  EXPECT_TRUE(fs::exists(run / "data_report.json"));
  for (int i = 0; i < 200 && fs::exists(run / "output"); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_FALSE(fs::exists(run / "data")) << "what nobody needs any more has gone";
  EXPECT_FALSE(fs::exists(run / "output"));
  const json::value log = ask("GET", "/api/lyceum/jobs/team/" + id + "/log").at("rows");
  EXPECT_NE(json::serialize(log).find("the result is team/tuned"), std::string::npos);
  ask("DELETE", "/api/lyceum/jobs/team/" + id);
  EXPECT_FALSE(fs::exists(run));
}

TEST_F(JobRoutes, GivesTheRunItsPinnedInputs) {
  run_with("cp -rL $run " + (folder.path() / "copy").string() + "\necho \"error: seen enough of $run/data\"\nexit 1\n");
  const std::string id = get_string(ask("POST", "/api/lyceum/jobs/team", order()), "id");
  const json::object failed = wait_for(id, "failed");
  EXPECT_EQ(get_string(failed, "message"), "seen enough of data") << "without the place where the hub keeps it";
  EXPECT_EQ(read_file(folder.path() / "copy" / "data" / "lib" / "b.py"), "print(2)\n");
  EXPECT_EQ(read_file(folder.path() / "copy" / "base" / "config.json"), std::string(kConfig));
  const json::value spec = parse_json(read_file(folder.path() / "copy" / "spec.json"), "spec");
  EXPECT_EQ(get_string(spec.as_object(), "data_repo"), "team/secret");
  EXPECT_EQ(spec.at("recipe").at("seq_len").to_number<int>(), 128) << "the base's context, not more";
}

TEST_F(JobRoutes, NamesHowAProcessWasEndedAndGoesOn) {
  run_with(R"(echo '{"phase": "train", "step": 7, "steps": 9, "loss": 1}'; kill -9 $$)");
  const std::string id = get_string(ask("POST", "/api/lyceum/jobs/team", order()), "id");
  const json::object failed = wait_for(id, "failed");
  EXPECT_NE(get_string(failed, "message").find("signal 9"), std::string::npos) << get_string(failed, "message");
  EXPECT_NE(get_string(failed, "message").find("after step 7 of 9"), std::string::npos);
  run_with(kWorks);
  ask("POST", "/api/lyceum/jobs/team/" + id + "/resume");
  wait_for(id, "done");
}

TEST_F(JobRoutes, StopsEvenWhatDoesNotListen) {
  run_with(R"(trap '' TERM; echo '{"phase": "train", "step": 1, "steps": 9, "loss": 1}'; while :; do sleep 0.1; done)");
  const std::string id = get_string(ask("POST", "/api/lyceum/jobs/team", order()), "id");
  wait_for(id, "running");
  for (int i = 0; i < 100 && ask("GET", "/api/lyceum/jobs/team/" + id).at("curve").as_array().empty(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  ask("DELETE", "/api/lyceum/jobs/team/" + id, {}, {}, 409);
  ask("POST", "/api/lyceum/jobs/team/" + id + "/stop");
  wait_for(id, "stopped");
}

TEST_F(JobRoutes, GoesOnWithAJobWhenTheHubIsBack) {
  run_with(R"(trap 'echo "{\"result\": {\"cancelled\": true}}"; exit 0' TERM; echo '{"phase": "train", "step": 1, "steps": 9, "loss": 1}'; while :; do sleep 0.05; done)");
  const std::string id = get_string(ask("POST", "/api/lyceum/jobs/team", order()), "id");
  wait_for(id, "running");
  runner.reset();
  EXPECT_EQ(get_string(ask("GET", "/api/lyceum/jobs/team/" + id), "state"), "queued");
  run_with(kWorks);
  wait_for(id, "done");
}

TEST_F(JobRoutes, RefusesWhatCannotFitOrWait) {
  run_with("while :; do sleep 0.1; done", 1, 1u << 20);
  const http::Response refused = world.send({.method = "POST", .target = "/api/lyceum/jobs/team", .body = json::serialize(order()), .token = world.owner, .headers = {}});
  EXPECT_EQ(refused.status, 422);
  EXPECT_NE(refused.body.find("too much"), std::string::npos) << refused.body;
  run_with("while :; do sleep 0.1; done", 1);
  const std::string first = get_string(ask("POST", "/api/lyceum/jobs/team", order()), "id");
  wait_for(first, "running");
  ask("POST", "/api/lyceum/jobs/team", order());
  EXPECT_EQ(world.send({.method = "POST", .target = "/api/lyceum/jobs/team", .body = json::serialize(order()), .token = world.owner, .headers = {}}).status, 503);
}

TEST_F(JobRoutes, RefusesOrdersByName) {
  run_with(kWorks);
  const auto refusal = [&](const json::object& more) {
    return world.send({.method = "POST", .target = "/api/lyceum/jobs/team", .body = json::serialize(order(more)), .token = world.owner, .headers = {}});
  };
  EXPECT_NE(refusal({{"recipe", {{"learningrate", 1}}}}).body.find("learning_rate"), std::string::npos) << "the nearest known key";
  EXPECT_EQ(refusal({{"recipe", {{"seq_len", 4096}}}}).status, 400);
  EXPECT_EQ(refusal({{"base", "team/open"}}).status, 422) << "no weights";
  EXPECT_EQ(refusal({{"base", "team/none"}}).status, 404);
  EXPECT_EQ(refusal({{"data", "/etc/passwd"}}).status, 400);
  EXPECT_EQ(refusal({{"private", false}}).status, 403) << "private data, public result";
  EXPECT_EQ(refusal({{"to", "bob/own"}}).status, 400);
  EXPECT_EQ(refusal({{"recipe", {{"holdout", "time"}, {"val_size", 0.1}}}}).status, 501);
}

// Every route of a namespace's job × everyone, by the rules of hub/jobs.h.
TEST_F(JobRoutes, AnswerEveryActorByTheRuleOfTheNamespace) {
  run_with("while :; do sleep 0.1; done");
  hub::Hub& hub = world.hub();
  const hub::Caller alice = *hub.authenticate(world.owner);
  const hub::User wanda = hub.create_user("wanda", "", "", "", false);
  hub.set_member(alice, "team", "wanda", "write");
  const auto scoped = [&](const hub::Grant& grant) { return hub.tokens().create(alice, {.name = "f", .scope = hub::Scope::fine_grained, .grants = {grant}}); };
  struct Actor {
    const char* name;
    std::string token;
    bool sees, controls;
  };
  const Actor actors[] = {
      {"anonymous", "", false, false},
      {"stranger", world.stranger, false, false},
      {"member who reads", world.reader, true, false},
      {"member who writes", hub.create_token(wanda, "w", hub::Scope::write), true, true},
      {"owner", world.owner, true, true},
      {"owner with a read token", world.owner_read_only, true, false},
      {"owner with a token for the namespace", scoped({.type = "org", .name = "team", .permissions = *hub::find_permission("repo.write")}), true, true},
      {"owner with a token for elsewhere", scoped({.type = "model", .name = "team/open", .permissions = *hub::find_permission("repo.write")}), false, false},
      {"administrator", world.admin, true, true},
  };
  const std::string id = get_string(ask("POST", "/api/lyceum/jobs/team", order()), "id");
  size_t cells = 0;
  for (const RouteGroup& group : route_groups()) {
    if (group.name != "jobs") continue;
    for (const RouteRow& row : group.rows) {
      std::string target(row.pattern);
      if (target.find("{ns}") == std::string::npos || target.ends_with("/expose") || row.method == "DELETE") continue;
      if (const size_t at = target.find("{job}"); at != std::string::npos) target.replace(at, 5, id);
      target.replace(target.find("{ns}"), 4, "team");
      for (const Actor& actor : actors) {
        const std::string body = target.ends_with("/labels") ? R"({"labels": {}})" : "";
        const int status = world.send({.method = std::string(row.method), .target = target, .body = body, .token = actor.token, .headers = {}}).status;
        const bool about_job = row.pattern.find("{job}") != std::string_view::npos;
        const bool allowed = row.access == Access::signed_in ? actor.sees : actor.controls;
        if (allowed) {
          EXPECT_TRUE(status != 401 && status != 403 && (status != 404 || target.ends_with("/plan"))) << row.method << " " << target << " by " << actor.name << ": " << status;
        } else if (actor.token.empty()) {
          EXPECT_EQ(status, 401) << row.method << " " << target;
        } else if (about_job && !actor.sees && row.access == Access::signed_in) {
          EXPECT_EQ(status, 404) << row.method << " " << target << " by " << actor.name << ": nobody learns that it is there";
        } else {
          EXPECT_TRUE(status == 403 || status == 404) << row.method << " " << target << " by " << actor.name << ": " << status;
        }
        ++cells;
      }
    }
  }
  EXPECT_GT(cells, 100u);
  runner.reset();
}

TEST_F(JobRoutes, SpeaksTheProtocolOfHuggingfaceHub) {
  run_with(kWorks);
  json::object body = docker({"lyceum", "tune", "team/base", "--data", "datasets/team/secret", "--to", "team/tuned", "--set", "max_steps=3"});
  body["labels"] = json::object{{"name", "first"}};
  const json::object info = ask("POST", "/api/jobs/team", body);
  const std::string id = get_string(info, "id");
  EXPECT_EQ(get_string(info.at("owner").as_object(), "name"), "team");
  wait_for(id, "done");
  EXPECT_EQ(get_string(ask("GET", "/api/jobs/team/" + id).at("status").as_object(), "stage"), "COMPLETED");
  EXPECT_EQ(ask("GET", "/api/jobs/team?stage=COMPLETED&label=name%3Dfirst").at("rows").as_array().size(), 1u);
  EXPECT_EQ(ask("GET", "/api/jobs/team?stage=RUNNING").at("rows").as_array().size(), 0u);
  EXPECT_EQ(world.send({.target = "/api/jobs/team/" + id + "/metrics", .body = {}, .token = world.owner, .headers = {}}).status, 406);
  // The command that it shows asks for the same again.
  json::array command = ask("GET", "/api/jobs/team/" + id).at("command").as_array();
  EXPECT_EQ(get_string(translate_docker_body(docker(command)), "to"), "team/tuned");
}

}  // namespace
}  // namespace lyceum::api
