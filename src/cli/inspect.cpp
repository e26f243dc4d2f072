#include <fmt/format.h>

#include <iostream>

#include "base/hash.h"
#include "base/progress.h"
#include "cli/snapshot.h"
#include "models/load.h"
#include "text/tokenizer.h"

namespace lyceum::cli {
namespace {

struct Args {
  std::string model;
};

json::object count_dtypes(const models::Decoder& decoder) {
  std::map<std::string, uint64_t> counts;
  for (const models::NamedWeight& weight : models::list_weights(decoder)) {
    counts[std::string(tensor::name(weight.view.dtype))] += weight.view.rows * weight.view.columns;
  }
  json::object out;
  for (const auto& [name, count] : counts) out[name] = count;
  return out;
}

json::object describe(const Snapshot& snapshot) {
  const auto decoder = models::load_decoder(snapshot.folder);
  const models::DecoderConfig& config = decoder->config;
  json::object out{{"source", snapshot.repo.empty() ? snapshot.folder.string() : snapshot.repo}};
  if (!snapshot.commit.empty()) out["commit"] = snapshot.commit;
  out["architecture"] = config.architecture;
  out["parameters"] = decoder->parameters();
  out["dtypes"] = count_dtypes(*decoder);
  out["layers"] = config.layers;
  out["hidden"] = config.hidden;
  out["intermediate"] = config.intermediate;
  out["heads"] = config.heads;
  out["kv_heads"] = config.kv_heads;
  out["head_dim"] = config.head_dim;
  out["vocabulary"] = config.vocab;
  out["context"] = config.context;
  out["tied_embeddings"] = config.tied_embeddings;
  const fs::path tokenizer = snapshot.folder / "tokenizer.json";
  if (fs::is_regular_file(tokenizer)) out["tokenizer_tokens"] = text::load_tokenizer_json(read_file(tokenizer))->vocab_size();
  const fs::path lineage = snapshot.folder / "lineage.json";
  if (fs::is_regular_file(lineage)) out["lineage"] = parse_json(read_file(lineage, 16u << 20), "lineage.json");
  json::array files;
  if (fs::is_directory(snapshot.folder)) {
    for (const auto& entry : fs::directory_iterator(snapshot.folder)) {
      if (entry.is_regular_file()) files.push_back({{"path", entry.path().filename().string()}, {"size", entry.file_size()}});
    }
  }
  out["files"] = files;
  return out;
}

int inspect(const Args& args, const Globals& globals) {
  const json::object report = describe(open_model(args.model, globals));
  if (globals.json) {
    print_json(report);
    return 0;
  }
  for (const auto& pair : report) {
    if (pair.key() == "files") {
      for (const json::value& file : pair.value().as_array()) {
        std::cout << fmt::format("{:>18}  {}\n", human_bytes(static_cast<uint64_t>(get_int(file.as_object(), "size"))), get_string(file.as_object(), "path"));
      }
    } else {
      std::cout << fmt::format("{:>18}  {}\n", std::string_view(pair.key().data(), pair.key().size()),
                               pair.value().is_string() ? std::string(pair.value().get_string()) : json::serialize(pair.value()));
    }
  }
  return 0;
}

}  // namespace

void configure_inspect(Options& options, const Globals& globals, Run& run) {
  auto args = std::make_shared<Args>();
  options.add_option("model", args->model, "a folder or file with a model, or a repository: owner/name[@revision]").required();
  options.callback([args, &globals, &run] { run = [args, &globals] { return inspect(*args, globals); }; });
}

}  // namespace lyceum::cli
