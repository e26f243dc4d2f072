#include "api/jobs/job_request.h"

#include <algorithm>

#include "api/openai/materialise.h"
#include "api/services.h"
#include "base/json.h"
#include "base/progress.h"
#include "models/load.h"
#include "tuning/memory_estimate.h"

namespace lyceum::api {
namespace {

constexpr std::string_view kHow = "This hub runs `lyceum tune` only: image \"lyceum\", command [\"lyceum\", \"tune\", BASE, \"--data\", \"datasets/OWNER/NAME\", \"--to\", NAME, \"--set\", \"key=value\", ...], a recipe's YAML in the environment variable LYCEUM_RECIPE";
constexpr uint64_t kStepsMax = 200'000;
constexpr uint32_t kDefaultLength = 1024;
constexpr size_t kRecipeTextMax = 64u << 10;

[[noreturn]] void refuse(const std::string& what) { throw Error(Code::unsupported, what + ". " + std::string(kHow), "JobUnsupported"); }

struct Named {
  hub::RepoId id;
  std::string revision = "main";
};

// "owner/name[@revision]", with "datasets/", "models/" or "spaces/" before it.
Named read_name(const std::string& text, hub::RepoType fallback, std::string_view what) {
  Named out;
  out.id.type = fallback;
  std::string rest = text;
  if (const size_t at = rest.find('@'); at != std::string::npos) {
    out.revision = rest.substr(at + 1);
    rest.resize(at);
  }
  if (const size_t slash = rest.find('/'); slash != std::string::npos && rest.find('/', slash + 1) != std::string::npos) {
    const auto type = hub::find_repo_type(rest.substr(0, slash));
    if (!type) throw Error(Code::invalid_argument, std::string(what) + " must be a repository of this hub: [datasets/]owner/name[@revision], not \"" + text.substr(0, 200) + "\"");
    out.id.type = *type;
    rest.erase(0, slash + 1);
  }
  const size_t slash = rest.find('/');
  if (slash == 0 || slash == std::string::npos || slash + 1 == rest.size() || rest.find('/', slash + 1) != std::string::npos || out.revision.empty()) {
    throw Error(Code::invalid_argument, std::string(what) + " must be a repository of this hub: [datasets/]owner/name[@revision], not \"" + text.substr(0, 200) + "\"; files of your own become one by `hf upload` or on the form");
  }
  out.id.owner = rest.substr(0, slash);
  out.id.name = rest.substr(slash + 1);
  return out;
}

json::object read_recipe(const json::object& body) {
  const json::value* given = body.if_contains("recipe");
  if (given == nullptr || given->is_null()) return {};
  if (given->is_object()) return given->get_object();
  if (!given->is_string() || given->get_string().size() > kRecipeTextMax) throw Error(Code::invalid_argument, "recipe must be an object, or YAML text of at most 64 KiB");
  return tuning::recipe_to_json(tuning::parse_recipe(std::string_view(given->get_string()), "recipe.yaml"));
}

// The base's shape, and how much its weights weigh. Refuses what cannot be trained.
models::DecoderConfig read_base(hub::Hub& hub, const hub::Repo& repo, const std::string& commit, uint64_t& weight_bytes) {
  const std::string name = repo.repo_id.full_name();
  const ModelFiles files = inspect_files(hub, repo, commit);
  if (files.adapter && !files.transformer) throw Error(Code::unprocessable, name + " is an adapter; tune the base that it names, or merge it first (`lyceum merge`)");
  if (!files.transformer) throw Error(Code::unprocessable, name + " cannot be tuned: training needs config.json and *.safetensors" + (files.gguf.empty() ? "" : ", and it has GGUF files only"));
  const auto entry = hub.find_entry(repo, commit, "config.json");
  if (!entry->sha256.empty()) throw Error(Code::unprocessable, name + " keeps its config.json as a large file; commit it as a small one");
  const models::DecoderConfig config = models::read_config(hub.read_small(repo, *entry), name + "/config.json");
  if (const auto part = models::find_engine_only_part(config); !part.empty()) throw Error(Code::unsupported, "the trainer does not know " + std::string(part) + ", which " + name + " has");
  for (const hub::FileEntry& file : hub.tree(repo, commit, "", false, false)) {
    if (file.path.ends_with(".safetensors")) weight_bytes += file.size;
  }
  return config;
}

uint64_t tree_bytes(hub::Hub& hub, const hub::Repo& repo, const std::string& commit) {
  uint64_t total = 0;
  for (const hub::FileEntry& file : hub.tree(repo, commit, "", true, false)) total += file.is_folder ? 0 : file.size;
  return total;
}

void check_recipe(const tuning::Recipe& recipe, const models::DecoderConfig& config) {
  if (recipe.method == "pretrain") throw Error(Code::unsupported, "jobs tune a base that is here; `lyceum pretrain` makes a model from nothing where you are");
  if (recipe.holdout == "time" && recipe.val_size > 0) throw Error(Code::unsupported, "holdout: time needs git's history, and a job reads one commit; use holdout: path, or `lyceum tune` beside a clone");
  if (recipe.seq_len > config.context) throw Error(Code::invalid_argument, "seq_len " + std::to_string(recipe.seq_len) + " is over the base's context of " + std::to_string(config.context));
  if (recipe.max_steps > kStepsMax) throw Error(Code::invalid_argument, "a job has at most " + std::to_string(kStepsMax) + " steps");
}

void require_fits(const hub::JobDesk& desk, uint64_t needed) {
  if (needed <= desk.memory_limit()) return;
  throw Error(Code::unprocessable, "this run needs about " + human_bytes(needed) + " of memory, and jobs on this hub may use " + human_bytes(desk.memory_limit()) + ": " +
                                       human_bytes(needed - desk.memory_limit()) + " too much; take a smaller seq_len or micro_batch_size, gradient_checkpointing, or a smaller base",
              "JobTooLarge");
}

std::string text_of(const json::object& body, std::string_view key) {
  const auto text = find_string(body, key);
  if (!text || text->empty()) throw Error(Code::invalid_argument, std::string(key) + " is missing");
  return *text;
}

// The arguments of `lyceum tune` that a job understands, as members of a body.
class CommandReader {
 public:
  explicit CommandReader(const json::array& words) {
    for (const json::value& word : words) {
      if (!word.is_string()) throw Error(Code::invalid_argument, "command must be a list of texts");
      words_.emplace_back(word.get_string());
    }
  }

  json::object read(json::object body) {
    if (words_.size() < 2 || words_[0] != "lyceum" || words_[1] != "tune") refuse("The command \"" + (words_.empty() ? std::string() : words_[0].substr(0, 80)) + "\" cannot be run");
    json::object recipe = read_recipe(body);
    for (at_ = 2; at_ < words_.size(); ++at_) take(body, recipe);
    body["recipe"] = recipe;
    return body;
  }

 private:
  void take(json::object& body, json::object& recipe) {
    const std::string& word = words_[at_];
    if (!word.starts_with("-")) {
      if (body.contains("base")) refuse("\"" + word.substr(0, 80) + "\" after the base is not understood");
      body["base"] = word;
    } else if (word == "--data" || word == "--to") {
      body[word.substr(2)] = value();
    } else if (word == "--format") {
      recipe["data_format"] = value();
    } else if (word == "--set") {
      const std::string pair = value();
      const size_t equals = pair.find('=');
      if (equals == std::string::npos) throw Error(Code::invalid_argument, "--set needs key=value, not \"" + pair.substr(0, 80) + "\"");
      json::error_code error;
      json::value parsed = json::parse(pair.substr(equals + 1), error);
      recipe[pair.substr(0, equals)] = error ? json::value(pair.substr(equals + 1)) : parsed;
    } else if (word == "--plan" || word == "--dry-run") {
      body["plan"] = true;
    } else if (word == "--private" || word == "--public") {
      body["private"] = word == "--private";
    } else if (word == "--allow-secrets") {
      recipe["allow_secrets"] = true;
    } else {
      refuse("The option " + word.substr(0, 80) + " is not one of a job's");
    }
  }
  std::string value() {
    if (at_ + 1 == words_.size()) throw Error(Code::invalid_argument, words_[at_] + " needs a value");
    return words_[++at_];
  }

  std::vector<std::string> words_;
  size_t at_ = 0;
};

bool is_given(const json::object& body, std::string_view key) {
  const json::value* value = body.if_contains(key);
  if (value == nullptr || value->is_null()) return false;
  return value->is_object() ? !value->get_object().empty() : value->is_array() ? !value->get_array().empty() : true;
}

}  // namespace

hub::JobOrder read_job_order(Context& context, const std::string& owner, const json::object& body) {
  hub::Hub& hub = context.services.hub;
  hub::Jobs& jobs = hub::jobs_of(hub);
  const Named base = read_name(text_of(body, "base"), hub::RepoType::model, "base"), data = read_name(text_of(body, "data"), hub::RepoType::dataset, "data");
  if (base.id.type != hub::RepoType::model) throw Error(Code::invalid_argument, "base must be a model");
  hub::JobOrder order;
  order.base = jobs.pin(context.caller, base.id, base.revision);
  order.data = jobs.pin(context.caller, data.id, data.revision);
  const std::string to = text_of(body, "to");
  order.target = to.find('/') == std::string::npos ? owner + "/" + to : to;
  order.plan_only = find_bool(body, "plan").value_or(false);
  order.private_result = find_bool(body, "private").value_or(true);
  order.timeout_s = std::max<int64_t>(0, find_int(body, "timeout_s").value_or(0));
  if (const json::object* labels = find_object(body, "labels")) order.labels = *labels;

  const hub::Repo base_repo = hub.get_repo(context.caller, order.base.id), data_repo = hub.get_repo(context.caller, order.data.id);
  uint64_t weight_bytes = 0;
  const models::DecoderConfig config = read_base(hub, base_repo, order.base.commit, weight_bytes);
  json::object wanted = read_recipe(body);
  if (!wanted.contains("seq_len")) {   // whatever alias it came by, the reader below names it so
    const json::object named = tuning::recipe_to_json(tuning::recipe_from_json(wanted));
    const bool given = std::any_of(wanted.begin(), wanted.end(), [](const auto& item) { return item.key() == "max_length" || item.key() == "cutoff_len" || item.key() == "sequence_len" || item.key() == "max_seq_length"; });
    if (!given) wanted["seq_len"] = std::min(kDefaultLength, config.context);
  }
  const tuning::Recipe recipe = tuning::recipe_from_json(wanted);
  check_recipe(recipe, config);
  order.recipe = tuning::recipe_to_json(recipe);
  order.memory_bytes = tuning::estimate_memory(config, recipe, {weight_bytes, tree_bytes(hub, data_repo, order.data.commit)}).total();
  require_fits(jobs.desk(), order.memory_bytes);
  return order;
}

json::object translate_docker_body(const json::object& body) {
  const std::string image = find_string(body, "dockerImage").value_or("");
  if (is_given(body, "spaceId")) refuse("Jobs from a Space (" + find_string(body, "spaceId").value_or("") + ") cannot be run");
  if (image != "lyceum" && !image.starts_with("lyceum:")) refuse("The Docker image \"" + image.substr(0, 200) + "\" cannot be run");
  for (const char* part : {"secrets", "volumes", "expose", "ssh", "network", "resourceGroupId", "arguments", "schedule"}) {
    if (is_given(body, part)) refuse(std::string("A job's \"") + part + "\" cannot be had");
  }
  if (find_int(body, "attempts").value_or(1) > 1) refuse("More than one attempt cannot be had; a job that failed can be resumed");
  const std::string flavor = find_string(body, "flavor").value_or("cpu-basic");
  if (!flavor.starts_with("cpu-")) refuse("The hardware \"" + flavor.substr(0, 80) + "\" is not here: jobs run on this machine's CPU (cpu-basic)");
  json::object ours;
  if (const json::object* environment = find_object(body, "environment")) {
    for (const auto& item : *environment) {
      if (item.key() != "LYCEUM_RECIPE") refuse("The environment variable " + std::string(item.key().substr(0, 80)) + " means nothing here");
      ours["recipe"] = item.value();
    }
  }
  if (const json::object* labels = find_object(body, "labels")) ours["labels"] = *labels;
  ours["timeout_s"] = find_int(body, "timeoutSeconds").value_or(0);
  const json::array* command = find_array(body, "command");
  return CommandReader(command == nullptr ? json::array() : *command).read(std::move(ours));
}

hub::JobOrder read_docker_order(Context& context, const std::string& owner, const json::object& body) { return read_job_order(context, owner, translate_docker_body(body)); }

std::vector<std::string> command_of(const hub::JobOrder& order) {
  const auto name = [](const hub::JobInput& input) {
    return (input.id.type == hub::RepoType::model ? "" : std::string(hub::plural(input.id.type)) + "/") + input.id.full_name() + "@" + input.commit;
  };
  const std::string data = order.data.id.type == hub::RepoType::model ? "models/" + name(order.data) : name(order.data);
  std::vector<std::string> out = {"lyceum", "tune", name(order.base), "--data", data, "--to", order.target, order.private_result ? "--private" : "--public"};
  if (order.plan_only) out.emplace_back("--plan");
  const json::object plain = tuning::recipe_to_json(tuning::Recipe{});
  for (const auto& item : order.recipe) {
    const json::value* fallback = plain.if_contains(item.key());
    if (fallback != nullptr && *fallback == item.value()) continue;
    out.emplace_back("--set");
    out.push_back(std::string(item.key()) + "=" + json::serialize(item.value()));
  }
  return out;
}

}  // namespace lyceum::api
