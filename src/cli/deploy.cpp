#include <iostream>

#include "cli/hub_client.h"

namespace lyceum::cli {
namespace {

struct Args {
  std::string model, draft;
  std::vector<std::string> adapters;
  bool list = false, remove = false;
};

void show(const json::value& deployments, const Globals& globals, const std::string& endpoint) {
  if (globals.json) return print_json(deployments);
  for (const json::value& item : deployments.as_array()) {
    const json::object& row = item.as_object();
    std::cout << get_string(row, "model");
    if (const auto draft = find_string(row, "draft")) std::cout << "  (guesses by " << *draft << ")";
    if (const json::array* adapters = find_array(row, "adapters")) {
      for (const json::value& adapter : *adapters) {
        std::cout << "\n  + " << (adapter.is_string() ? std::string(adapter.get_string()) : json::serialize(adapter));
      }
    }
    std::cout << "\n";
  }
  std::cout << "OpenAI API: " << endpoint << "/v1\n";
}

int deploy(const Args& args, const Globals& globals) {
  HubClient hub(globals);
  if (args.remove) {
    hub.send("DELETE", "/api/lyceum/deployments", json::object{{"model", args.model}});
  } else if (!args.list) {
    if (args.model.empty()) throw Error(Code::invalid_argument, "name the model to deploy, or use --list");
    json::array adapters;
    for (const std::string& adapter : args.adapters) adapters.emplace_back(parse_repo_name(adapter).id);
    json::object body{{"model", args.model}, {"adapters", adapters}};
    if (!args.draft.empty()) body["draft"] = args.draft;
    hub.send("POST", "/api/lyceum/deployments", body);
  }
  show(hub.get("/api/lyceum/deployments"), globals, hub.endpoint());
  return 0;
}

}  // namespace

void configure_deploy(Options& options, const Globals& globals, Run& run) {
  auto args = std::make_shared<Args>();
  options.add_option("model", args->model, "repository of the base model: owner/name[@revision]");
  options.add_option("--adapter", args->adapters, "repository of a LoRA adapter; repeat for several. Each answers under its own model name");
  options.add_option("--draft", args->draft, "repository of a smaller model of the same family that guesses tokens: the same answers, sooner where it is often right");
  options.add_flag("--list", args->list, "show what is deployed");
  options.add_flag("--remove", args->remove, "stop serving the model");
  options.callback([args, &globals, &run] { run = [args, &globals] { return deploy(*args, globals); }; });
}

}  // namespace lyceum::cli
