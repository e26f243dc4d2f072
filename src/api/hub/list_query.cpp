#include "api/hub/list_query.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "api/answer.h"

namespace lyceum::api {
namespace {

using hub::search::Query;
using hub::search::Sort;

constexpr size_t kLimitDefault = 100, kLimitMax = 1000;

// Repeated keys are the Python client's way, commas the JavaScript client's.
std::vector<std::string> values_of(const http::Request& request, std::string_view key) {
  std::vector<std::string> out;
  for (const std::string& text : request.all_query(key)) {
    for (size_t begin = 0; begin <= text.size();) {
      const size_t comma = std::min(text.find(',', begin), text.size());
      if (comma > begin) out.push_back(text.substr(begin, comma - begin));
      begin = comma + 1;
    }
  }
  return out;
}

void add_tags(const http::Request& request, std::string_view key, std::string_view prefix, std::vector<std::string>& out) {
  for (const std::string& value : values_of(request, key)) out.push_back(value.starts_with(prefix) ? value : std::string(prefix) + value);
}

Sort find_sort(const http::Request& request) {
  static constexpr std::pair<std::string_view, Sort> kNames[] = {
      {"lastModified", Sort::modified},   {"last_modified", Sort::modified}, {"modified", Sort::modified},   {"createdAt", Sort::created},          {"created_at", Sort::created},
      {"downloads", Sort::downloads},     {"likes", Sort::likes},            {"likes30d", Sort::likes_30d},  {"trendingScore", Sort::trending},     {"trending_score", Sort::trending},
      {"trending", Sort::trending},       {"num_parameters", Sort::parameters}, {"mainSize", Sort::bytes},   {"id", Sort::id},                      {"relevance", Sort::relevance}};
  const auto asked = request.find_query("sort");
  if (!asked || asked->empty()) return Sort::trending;
  for (const auto& [name, sort] : kNames)
    if (*asked == name) return sort;
  throw Error(Code::invalid_argument, "This hub cannot sort by \"" + asked->substr(0, 60) + "\"; use downloads, likes, likes30d, lastModified, createdAt, trendingScore, num_parameters, mainSize or id.");
}

// Local programs, by the file format or library they load.
constexpr std::string_view kGgufApps[] = {"docker-model-runner", "jan", "jellybox", "koboldcpp", "lemonade", "llama-cpp-python", "llama.cpp", "lmstudio", "msty", "node-llama-cpp",
                                          "ollama", "ramalama", "sanctum"};
constexpr std::string_view kTransformersApps[] = {"sglang", "tgi", "transformers", "unsloth", "vllm"};

void read_apps(const http::Request& request, Query& query) {
  const auto apps = values_of(request, "apps");
  if (apps.empty()) return;
  std::vector<std::string> tags;
  for (const std::string& app : apps) {
    if (std::find(std::begin(kGgufApps), std::end(kGgufApps), app) != std::end(kGgufApps)) tags.emplace_back("gguf");
    else if (std::find(std::begin(kTransformersApps), std::end(kTransformersApps), app) != std::end(kTransformersApps)) tags.emplace_back("transformers");
    else if (app == "mlx-lm" || app == "mlx") tags.emplace_back("mlx");
    else if (app == "diffusionbee" || app == "draw-things" || app == "invoke" || app == "joyfusion") tags.emplace_back("diffusers");
    else throw Error(Code::invalid_argument, "This hub does not know the app \"" + app.substr(0, 60) + "\".");
  }
  query.tags_any.push_back(std::move(tags));
}

// The one provider here is this hub's own engine.
void read_inference(const http::Request& request, Query& query) {
  const auto providers = values_of(request, "inference_provider");
  const auto is_ours = [](const std::string& name) { return name == "all" || name == "lyceum"; };
  if (request.find_query("inference") || std::any_of(providers.begin(), providers.end(), is_ours)) query.runnable = true;
  else if (!providers.empty()) query.tags_any.emplace_back();
}

uint64_t parse_count(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view suffix = text.substr(static_cast<size_t>(end - text.data()));
  static constexpr std::pair<char, double> kUnits[] = {{'k', 1e3}, {'m', 1e6}, {'b', 1e9}, {'t', 1e12}};
  double unit = suffix.empty() ? 1 : 0;
  for (const auto& [letter, factor] : kUnits)
    if (suffix.size() == 1 && (suffix[0] | 0x20) == letter) unit = factor;
  if (error != std::errc{} || unit == 0 || !(value >= 0) || value * unit > 1e18) throw Error(Code::invalid_argument, "num_parameters must be like min:6B,max:128B.");
  return static_cast<uint64_t>(std::llround(value * unit));
}

}  // namespace

hub::RepoType listed_type(const http::Request& request) {
  const std::string_view last = std::string_view(request.path).substr(request.path.rfind('/') + 1);
  return hub::find_repo_type(last.substr(0, last.find('-'))).value_or(hub::RepoType::model);
}

void read_parameter_range(const std::string& text, Query& query) {
  for (size_t begin = 0; begin <= text.size();) {
    const size_t comma = std::min(text.find(',', begin), text.size());
    const std::string_view part = std::string_view(text).substr(begin, comma - begin);
    begin = comma + 1;
    if (part.starts_with("min:")) query.parameters_min = parse_count(part.substr(4));
    else if (part.starts_with("max:")) query.parameters_max = parse_count(part.substr(4));
    else throw Error(Code::invalid_argument, "num_parameters must be like min:6B,max:128B.");
  }
}

Query list_query(const http::Request& request, hub::RepoType type) {
  Query query;
  query.type = type;
  query.substrings = request.all_query("search");
  query.author = request.find_query("author").value_or("");
  query.pipeline_tag = request.find_query("pipeline_tag").value_or("");
  query.sort = find_sort(request);
  // Old clients say direction=-1 for descending; without a direction descending is meant, but names go from A to Z.
  query.ascending = request.find_query("direction").value_or("") == "1" && query.sort != Sort::id;
  query.limit = find_page(request, kLimitDefault, kLimitMax, false).limit;
  query.cursor = request.find_query("cursor").value_or("");
  if (const auto gated = request.find_query("gated")) query.gated = is_true(gated);
  if (const auto range = request.find_query("num_parameters")) read_parameter_range(*range, query);
  for (const char* key : {"filter", "tags", "library"}) add_tags(request, key, "", query.tags);
  add_tags(request, "trained_dataset", "dataset:", query.tags);
  if (type == hub::RepoType::space) {
    add_tags(request, "datasets", "dataset:", query.tags);
    add_tags(request, "models", "model:", query.tags);
    add_tags(request, "sdk", "", query.tags);
    query.linked = is_true(request.find_query("linked"));
  }
  if (type == hub::RepoType::model) {
    read_apps(request, query);
    read_inference(request, query);
  }
  return query;
}

RepoView list_view(const http::Request& request) {
  RepoView view;
  view.fields = expand_fields(request);
  if (!view.fields.empty()) return view;
  view.fields = basic_fields();
  if (is_true(request.find_query("full"))) view.fields.insert("siblings");
  if (is_true(request.find_query("config"))) view.fields.insert("config");
  if (is_true(request.find_query("cardData")) || is_true(request.find_query("full"))) view.fields.insert("cardData");
  return view;
}

}  // namespace lyceum::api
