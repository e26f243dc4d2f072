// lyceum inspect: what a model is, and whether and how well it would run on this machine. A repository's weights are not downloaded for it:
// the loader reads files that hold nothing but their headers (skeleton.h).
#include <fmt/format.h>

#include <iostream>

#include "base/hash.h"
#include "base/memory.h"
#include "base/progress.h"
#include "cli/quantize.h"
#include "cli/skeleton.h"
#include "cli/snapshot.h"
#include "engine/assets.h"
#include "engine/fim.h"
#include "engine/speed.h"
#include "kernels/dispatch.h"
#include "models/encoder.h"
#include "models/load.h"
#include "models/whisper.h"

namespace lyceum::cli {
namespace {

struct Args {
  std::string model;
  uint32_t context = 4096;
  bool quick = false;
};

// Room for everything beside weights and context: activations, the program itself.
constexpr uint64_t kBesideBytes = 100u << 20;

struct Machine {
  ThreadPool pool;
  MemoryState memory = read_memory_state();
  double memory_gb_s = 0;                          // 0: not measured
  std::map<tensor::DType, double> product_gflop_s;
};

struct Source {
  std::string name, commit;
  std::vector<fs::path> models;
  json::array files;
};

json::array list_folder(const fs::path& folder) {
  json::array out;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_regular_file()) out.push_back({{"path", entry.path().filename().string()}, {"size", entry.file_size()}});
  }
  return out;
}

Source find_local(const fs::path& path) {
  Source out{path.string(), "", {}, {}};
  if (!fs::is_directory(path)) {
    out.models.push_back(path);
    out.files.push_back({{"path", path.filename().string()}, {"size", fs::file_size(path)}});
    return out;
  }
  out.files = list_folder(path);
  bool safetensors = false;
  for (const auto& entry : fs::directory_iterator(path)) {
    safetensors = safetensors || entry.path().extension() == ".safetensors";
    if (entry.path().extension() == ".gguf") out.models.push_back(entry.path());
  }
  std::sort(out.models.begin(), out.models.end());
  if (safetensors || out.models.empty()) out.models.insert(out.models.begin(), path);   // without either the loader says what is missing
  return out;
}

Source find_remote(const Args& args, const Globals& globals, const fs::path& folder) {
  HubClient hub(globals);
  Skeleton skeleton = pull_skeleton(hub, parse_repo_name(args.model), folder);
  Source out{args.model, skeleton.commit, std::move(skeleton.models), {}};
  for (const RemoteFile& file : skeleton.files) out.files.push_back({{"path", file.path}, {"size", file.size}});
  return out;
}

json::object count_dtypes(const models::Decoder& decoder) {
  std::map<std::string, uint64_t> counts;
  for (const models::NamedWeight& weight : models::list_weights(decoder)) {
    counts[std::string(tensor::name(weight.view.dtype))] += weight.view.rows * weight.view.columns;
  }
  json::object out;
  for (const auto& [name, count] : counts) out[name] = count;
  return out;
}

// The type that most weights have.
tensor::DType main_dtype(const models::Decoder& decoder) {
  std::map<tensor::DType, uint64_t> counts;
  for (const models::NamedWeight& weight : models::list_weights(decoder)) counts[weight.view.dtype] += weight.view.rows * weight.view.columns;
  return std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) { return a.second < b.second; })->first;
}

void describe_decoder(const models::Decoder& decoder, json::object& out) {
  const models::DecoderConfig& config = decoder.config;
  out["architecture"] = config.architecture;
  out["parameters"] = decoder.parameters();
  out["dtypes"] = count_dtypes(decoder);
  out["layers"] = config.layers;
  out["hidden"] = config.hidden;
  out["intermediate"] = config.intermediate;
  out["heads"] = config.heads;
  out["kv_heads"] = config.kv_heads;
  out["head_dim"] = config.head_dim;
  out["vocabulary"] = config.vocab;
  out["context"] = config.context;
  out["tied_embeddings"] = config.tied_embeddings;
  if (config.experts.count != 0) out["experts"] = json::object{{"count", config.experts.count}, {"chosen", config.experts.chosen}};
}

void describe_assets(const engine::Assets& assets, const models::DecoderConfig& config, json::object& out) {
  out["tokenizer_tokens"] = assets.tokenizer->vocab_size();
  out["chat_template"] = assets.chat_template != nullptr;
  std::vector<int32_t> stop_ids;
  out["fill_in_the_middle"] = engine::find_fim_prompt(*assets.tokenizer, config.bos_id, {}, "a", "b", stop_ids).has_value();
}

double per_second(double rate, uint64_t per_token) { return per_token == 0 ? 0 : rate / static_cast<double>(per_token); }

// Does it fit, and how fast at best: decoding cannot go faster than memory gives its weights, a prompt not faster than its products.
void describe_fit(const models::Decoder& decoder, const Args& args, Machine& machine, json::object& out) {
  const engine::Footprint footprint = engine::measure_footprint(decoder);
  const uint64_t fixed = footprint.weights + kBesideBytes;
  const uint64_t available = machine.memory.available;
  const uint64_t room = available > fixed ? (available - fixed) / std::max<uint64_t>(footprint.kv_token, 1) : 0;
  const uint64_t context = std::min<uint64_t>(args.context, decoder.config.context);
  out["weights_bytes"] = footprint.weights;
  out["kv_bytes_per_token"] = footprint.kv_token;
  out["needs_bytes"] = fixed + context * footprint.kv_token;
  out["for_context"] = context;
  out["context_that_fits"] = std::min<uint64_t>(room, decoder.config.context);
  out["fits"] = room >= context;
  if (args.quick) return;
  const tensor::DType dtype = main_dtype(decoder);
  if (machine.memory_gb_s == 0) machine.memory_gb_s = engine::probe_memory(machine.pool);
  double& gflop_s = machine.product_gflop_s[dtype];
  if (gflop_s == 0) gflop_s = engine::probe_products(machine.pool, dtype, engine::Products::integer);
  out["decode_tokens_s_at_most"] = per_second(machine.memory_gb_s * 1e9, footprint.step_weights);
  out["prompt_tokens_s_at_most"] = per_second(gflop_s * 1e9, 2 * footprint.step_parameters);
}

// A model that is no decoder: what it is, and whether it fits. cache_bytes: what it keeps of its input.
void describe_other(std::string_view architecture, uint64_t parameters, tensor::DType dtype, uint64_t cache_bytes, const Machine& machine, json::object& out, json::object& whole) {
  const uint64_t weights = parameters * tensor::row_bytes(dtype, 1), needs = weights + cache_bytes + kBesideBytes;
  out["type"] = std::string(tensor::name(dtype));
  out["weights_bytes"] = weights;
  out["needs_bytes"] = needs;
  out["context_that_fits"] = 0;
  out["fits"] = needs <= machine.memory.available;
  out["runs"] = true;
  whole["architecture"] = architecture;
  whole["parameters"] = parameters;
}

// Those that listen or give vectors; false for any other.
bool describe_if_other(const fs::path& path, const Machine& machine, json::object& out, json::object& whole) {
  if (models::is_whisper(path)) {
    const auto model = models::load_whisper(path);
    const models::WhisperConfig& config = model->config;
    const uint64_t positions = uint64_t{config.sound_positions} + config.text_positions;
    describe_other("WhisperForConditionalGeneration", model->parameters(), model->words.dtype, 2 * sizeof(float) * config.decoder_layers * positions * config.hidden, machine, out, whole);
    return true;
  }
  if (!models::is_encoder(path)) return false;
  const auto encoder = models::load_encoder(path);
  describe_other(encoder->config.architecture, encoder->parameters(), encoder->words.dtype, 0, machine, out, whole);
  return true;
}

// One model of the source; `whole` gets what all of them share, from the first that can be read.
json::object describe_model(const fs::path& path, const Args& args, Machine& machine, json::object& whole) {
  json::object out{{"file", fs::is_directory(path) ? "model.safetensors" : path.filename().string()}};
  try {
    if (describe_if_other(path, machine, out, whole)) return out;
    const auto decoder = models::load_decoder(path, models::Values::unread);
    if (const auto quantised = find_quantize_record(path); quantised && !whole.contains("lineage")) whole["lineage"] = quantised->record;
    out["type"] = std::string(tensor::name(main_dtype(*decoder)));
    describe_fit(*decoder, args, machine, out);
    const bool first = !whole.contains("architecture");
    if (first) describe_decoder(*decoder, whole);
    const engine::Assets assets = engine::load_assets(path, decoder->config);
    if (first) describe_assets(assets, decoder->config, whole);
    out["runs"] = true;
  } catch (const Error& error) {
    out["runs"] = false;
    out["why_not"] = error.what();
  }
  return out;
}

json::object describe_machine(const Machine& machine) {
  json::object out{{"threads", machine.pool.size()}, {"instruction_set", std::string(kernels::name(kernels::current_isa()))},
                   {"memory_bytes", machine.memory.total}, {"memory_available_bytes", machine.memory.available}};
  if (machine.memory_gb_s > 0) out["memory_gb_s"] = machine.memory_gb_s;
  return out;
}

json::object describe(const Source& source, const Args& args) {
  Machine machine;
  json::object out{{"source", source.name}};
  if (!source.commit.empty()) out["commit"] = source.commit;
  json::array models;
  for (const fs::path& path : source.models) models.push_back(describe_model(path, args, machine, out));
  const fs::path folder = fs::is_directory(source.models.front()) ? source.models.front() : source.models.front().parent_path();
  if (const fs::path lineage = folder / "lineage.json"; fs::is_regular_file(lineage)) out["lineage"] = parse_json(read_file(lineage, 16u << 20), "lineage.json");
  out["files"] = source.files;
  out["models"] = std::move(models);
  out["machine"] = describe_machine(machine);
  return out;
}

uint64_t number(const json::object& object, std::string_view key) { return object.at(key).to_number<uint64_t>(); }

std::string rate(const json::object& model, std::string_view key) {
  const json::value* value = model.if_contains(key);
  if (value == nullptr) return "";
  const double tokens_s = value->to_number<double>();
  return tokens_s < 10 ? fmt::format("{:.1f}", tokens_s) : fmt::format("{:.0f}", tokens_s);
}

void print_model(const json::object& model, size_t width) {
  const std::string file = get_string(model, "file");
  if (!model.at("runs").as_bool()) {
    std::cout << fmt::format("  {:<{}}  does not run: {}\n", file, width, get_string(model, "why_not"));
    return;
  }
  const std::string fits = model.at("fits").as_bool() ? "fits" : number(model, "context_that_fits") == 0 ? "does not fit" : fmt::format("fits {} tokens", number(model, "context_that_fits"));
  std::cout << fmt::format("  {:<{}}  {:<7}  {:>10}  {:>10}  {:>10}  {:>10}  {}\n", file, width, get_string(model, "type"), human_bytes(number(model, "weights_bytes")),
                           human_bytes(number(model, "needs_bytes")), rate(model, "decode_tokens_s_at_most"), rate(model, "prompt_tokens_s_at_most"), fits);
}

void print_models(const json::object& report) {
  const json::object& machine = report.at("machine").as_object();
  std::cout << fmt::format("\nOn this machine ({} threads, {}, {} of {} available", number(machine, "threads"), get_string(machine, "instruction_set"),
                           human_bytes(number(machine, "memory_available_bytes")), human_bytes(number(machine, "memory_bytes")));
  if (machine.contains("memory_gb_s")) std::cout << fmt::format(", memory read at {:.1f} GB/s", machine.at("memory_gb_s").to_number<double>());
  std::cout << "):\n";
  const json::array& models = report.at("models").as_array();
  size_t width = 4;
  uint64_t context = 0;
  for (const json::value& model : models) {
    width = std::max(width, get_string(model.as_object(), "file").size());
    if (model.as_object().contains("for_context")) context = std::max(context, number(model.as_object(), "for_context"));
  }
  std::cout << fmt::format("  {:<{}}  {:<7}  {:>10}  {:>10}  {:>10}  {:>10}\n", "", width, "type", "weights", "with cache", "decode", "prompt");
  for (const json::value& model : models) print_model(model.as_object(), width);
  std::cout << fmt::format("with cache: weights, a context of {} tokens and {} beside. decode, prompt: tokens a second at most, by this machine's memory and arithmetic; "
                           "`lyceum bench` measures.\n", context, human_bytes(kBesideBytes));
}

// The record itself is for --json.
std::string lineage_line(const json::object& lineage) {
  std::string out = find_string(lineage, "method").value_or(find_string(lineage, "task").value_or("recorded"));
  if (const auto type = find_string(lineage, "type")) out += " " + *type;
  if (const json::object* data = find_object(lineage, "data")) out += " on " + find_string(*data, "label").value_or("unnamed data");
  if (const auto steps = find_int(lineage, "steps")) out += fmt::format(", {} steps", *steps);
  if (const auto finished = find_string(lineage, "finished_at")) out += ", " + finished->substr(0, 10);
  return out;
}

void print_report(const json::object& report) {
  for (const auto& pair : report) {
    if (pair.key() == "models" || pair.key() == "machine") continue;
    if (pair.key() == "lineage") {
      std::cout << fmt::format("{:>18}  {}\n", "lineage", lineage_line(pair.value().as_object()));
    } else if (pair.key() == "files") {
      for (const json::value& file : pair.value().as_array()) std::cout << fmt::format("{:>18}  {}\n", human_bytes(number(file.as_object(), "size")), get_string(file.as_object(), "path"));
    } else {
      std::cout << fmt::format("{:>18}  {}\n", std::string_view(pair.key().data(), pair.key().size()),
                               pair.value().is_string() ? std::string(pair.value().get_string()) : json::serialize(pair.value()));
    }
  }
  print_models(report);
}

int inspect(const Args& args, const Globals& globals) {
  const TempFolder skeleton;
  const Source source = fs::exists(args.model) ? find_local(fs::absolute(args.model)) : find_remote(args, globals, skeleton.path());
  const json::object report = describe(source, args);
  if (globals.json) {
    print_json(report);
  } else {
    print_report(report);
  }
  const json::array& models = report.at("models").as_array();
  return std::any_of(models.begin(), models.end(), [](const json::value& model) { return model.as_object().at("runs").as_bool(); }) ? 0 : 1;
}

}  // namespace

void configure_inspect(Options& options, const Globals& globals, Run& run) {
  auto args = std::make_shared<Args>();
  options.add_option("model", args->model, "a folder or file with a model, or a repository: owner/name[@revision], of which only headers are fetched").required();
  options.add_option("--context", args->context, "tokens of context to find room for").capture_default_str();
  options.add_flag("--quick", args->quick, "do not measure this machine's memory and arithmetic");
  options.callback([args, &globals, &run] { run = [args, &globals] { return inspect(*args, globals); }; });
}

}  // namespace lyceum::cli
