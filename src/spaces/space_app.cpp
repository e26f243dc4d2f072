#include "spaces/space_app.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace lyceum::spaces {
namespace {

constexpr size_t kBytesMax = 64u << 10;
constexpr size_t kExamplesMax = 20;
constexpr std::array<std::string_view, 3> kTasks = {"chat", "text-generation", "fill-in-the-middle"};

struct ParameterRow {
  std::string_view name;
  double low, high;
};
constexpr ParameterRow kParameters[] = {
    {"max_tokens", 1, 4096}, {"temperature", 0, 2}, {"top_p", 0, 1}, {"top_k", 0, 1000}, {"min_p", 0, 1}, {"seed", 0, 9e15},
};

[[noreturn]] void fail(const YAML::Mark& mark, const std::string& problem) {
  throw Error(Code::unprocessable, fmt::format("space.yaml line {}, column {}: {}", mark.line + 1, mark.column + 1, problem), "CONFIG_ERROR");
}

std::string scalar(const YAML::Node& node, std::string_view key) {
  if (!node.IsScalar()) fail(node.Mark(), fmt::format("'{}' must be text", key));
  return node.Scalar();
}

std::string repository(const YAML::Node& node, std::string_view key) {
  const std::string value = scalar(node, key);
  const bool plain = std::all_of(value.begin(), value.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.' || c == '/';
  });
  if (!plain || std::count(value.begin(), value.end(), '/') != 1 || value.front() == '/' || value.back() == '/') {
    fail(node.Mark(), fmt::format("'{}' must be a repository name, owner/name, not '{}'", key, value));
  }
  return value;
}

void read_examples(const YAML::Node& node, SpaceApp& app) {
  if (!node.IsSequence()) fail(node.Mark(), "'examples' must be a list");
  if (node.size() > kExamplesMax) fail(node.Mark(), fmt::format("'examples' has {} entries, the limit is {}", node.size(), kExamplesMax));
  for (const YAML::Node& item : node) {
    SpaceExample example;
    if (item.IsScalar()) {
      example.text = item.Scalar();
    } else if (item.IsMap()) {
      for (const auto& pair : item) {
        const std::string key = scalar(pair.first, "examples");
        if (key == "text") {
          example.text = scalar(pair.second, key);
        } else if (key == "suffix") {
          example.suffix = scalar(pair.second, key);
        } else {
          fail(pair.first.Mark(), fmt::format("unknown key '{}' in an example (known: text, suffix)", key));
        }
      }
    } else {
      fail(item.Mark(), "an example must be text, or a map with text and suffix");
    }
    app.examples.push_back(std::move(example));
  }
}

void read_parameters(const YAML::Node& node, SpaceApp& app) {
  if (!node.IsMap()) fail(node.Mark(), "'parameters' must be a map");
  for (const auto& pair : node) {
    const std::string key = scalar(pair.first, "parameters");
    const auto* row = std::find_if(std::begin(kParameters), std::end(kParameters), [&](const ParameterRow& r) { return r.name == key; });
    if (row == std::end(kParameters)) fail(pair.first.Mark(), fmt::format("unknown parameter '{}'", key));
    double value = 0;
    if (!YAML::convert<double>::decode(pair.second, value) || !std::isfinite(value) || value < row->low || value > row->high) {
      fail(pair.second.Mark(), fmt::format("parameter '{}' must be a number from {} to {}", key, row->low, row->high));
    }
    app.parameters[key] = value;
  }
}

void read_key(const YAML::Node& name, const YAML::Node& value, SpaceApp& app) {
  const std::string key = scalar(name, "key");
  if (key == "task") {
    app.task = scalar(value, key);
    if (std::find(kTasks.begin(), kTasks.end(), app.task) == kTasks.end()) {
      fail(value.Mark(), fmt::format("unknown task '{}' (known: {})", app.task, fmt::join(kTasks, ", ")));
    }
  } else if (key == "model") {
    app.model = repository(value, key);
  } else if (key == "adapter") {
    app.adapter = repository(value, key);
  } else if (key == "title") {
    app.title = scalar(value, key);
  } else if (key == "about") {
    app.about = scalar(value, key);
  } else if (key == "system_prompt") {
    app.system_prompt = scalar(value, key);
  } else if (key == "placeholder") {
    app.placeholder = scalar(value, key);
  } else if (key == "examples") {
    read_examples(value, app);
  } else if (key == "parameters") {
    read_parameters(value, app);
  } else {
    fail(name.Mark(), fmt::format("unknown key '{}' (known: task, model, adapter, title, about, system_prompt, placeholder, examples, parameters)", key));
  }
}

}  // namespace

SpaceApp parse_space_app(std::string_view yaml, std::string_view fallback_title) {
  if (yaml.size() > kBytesMax) throw Error(Code::unprocessable, fmt::format("space.yaml has {} bytes, the limit is {}", yaml.size(), kBytesMax), "CONFIG_ERROR");
  // An anchor could be repeated until memory is gone; nothing here needs one.
  if (yaml.find('&') != std::string_view::npos && yaml.find('*') != std::string_view::npos) {
    throw Error(Code::unprocessable, "space.yaml: YAML anchors and aliases are not accepted", "CONFIG_ERROR");
  }
  SpaceApp app;
  try {
    const YAML::Node root = YAML::Load(std::string(yaml));
    if (!root.IsMap()) throw Error(Code::unprocessable, "space.yaml must be a map of keys", "CONFIG_ERROR");
    for (const auto& pair : root) read_key(pair.first, pair.second, app);
  } catch (const YAML::Exception& error) {
    fail(error.mark, error.msg);
  }
  if (app.task.empty()) throw Error(Code::unprocessable, "space.yaml: the key 'task' is missing", "CONFIG_ERROR");
  if (app.model.empty()) throw Error(Code::unprocessable, "space.yaml: the key 'model' is missing", "CONFIG_ERROR");
  if (app.title.empty()) app.title = fallback_title;
  return app;
}

json::object to_json(const SpaceApp& app) {
  json::object out{{"task", app.task}, {"title", app.title}, {"model", app.model}};
  const auto add = [&](std::string_view key, const std::string& value) {
    if (!value.empty()) out[key] = value;
  };
  add("adapter", app.adapter);
  add("about", app.about);
  add("system_prompt", app.system_prompt);
  add("placeholder", app.placeholder);
  json::array examples;
  for (const SpaceExample& example : app.examples) {
    json::object item{{"text", example.text}};
    if (!example.suffix.empty()) item["suffix"] = example.suffix;
    examples.push_back(std::move(item));
  }
  out["examples"] = std::move(examples);
  json::object parameters;
  for (const auto& [name, value] : app.parameters) {
    const auto whole = static_cast<int64_t>(value);
    parameters[name] = static_cast<double>(whole) == value ? json::value(whole) : json::value(value);
  }
  out["parameters"] = std::move(parameters);
  return out;
}

}  // namespace lyceum::spaces
