// lyceum convert, lyceum quantize: a model as one GGUF file, in floats or in a mix of small types, with the record of how it was made inside.
#include "cli/quantize.h"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>

#include "base/hash.h"
#include "base/progress.h"
#include "cli/snapshot.h"
#include "engine/assets.h"
#include "formats/gguf.h"
#include "quantizer/calibrate.h"
#include "quantizer/quantize.h"
#include "tuning/edit_distance.h"
#include "tuning/write/lineage.h"

namespace lyceum::cli {
namespace {

constexpr uint64_t kTextMax = 256u << 20, kFileTextMax = 4u << 20;

struct Args {
  std::string model, out, type, imatrix, calibrate, name;
  uint32_t chunks = 0;
  bool requantize = false, card = false;
  unsigned threads = 0;
};

const quantizer::Mix& get_mix(const std::string& name) {
  if (const quantizer::Mix* found = quantizer::find_mix(name)) return *found;
  std::string upper = name, known, nearest;
  std::ranges::transform(upper, upper.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  size_t least = SIZE_MAX;
  for (const quantizer::Mix& mix : quantizer::mixes()) {
    known += (known.empty() ? "" : ", ") + std::string(mix.name);
    const size_t distance = tuning::edit_distance(upper, mix.name);
    if (distance >= least) continue;
    least = distance;
    nearest = mix.name;
  }
  throw Error(Code::invalid_argument, "'" + name + "' is no type; did you mean " + nearest + "? There are " + known);
}

// Everything of the model that the file is made of.
json::object hash_inputs(const fs::path& model) {
  json::object out;
  const fs::path file = quantizer::find_model_file(model);
  if (!file.empty()) {
    out[file.filename().string()] = sha256_file_hex(file);
    return out;
  }
  for (const auto& [name, hash] : tuning::weight_hashes(model)) out[name] = hash;
  for (const char* name : {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja", "chat_template.json"}) {
    if (fs::exists(model / name)) out[name] = sha256_file_hex(model / name);
  }
  return out;
}

// A file, or every text file of a folder in the order of their paths.
std::string read_texts(const fs::path& path) {
  if (!fs::exists(path)) throw Error(Code::not_found, path.string() + " does not exist; --calibrate takes a text file or a folder of them");
  if (!fs::is_directory(path)) return read_file(path, kTextMax);
  std::vector<fs::path> files;
  for (auto entry = fs::recursive_directory_iterator(path); entry != fs::recursive_directory_iterator(); ++entry) {
    const bool hidden = entry->path().filename().string().starts_with(".");
    if (hidden && entry->is_directory()) entry.disable_recursion_pending();
    if (!hidden && entry->is_regular_file() && entry->file_size() <= kFileTextMax) files.push_back(entry->path());
  }
  std::ranges::sort(files);
  std::string out;
  for (const fs::path& file : files) {
    const std::string text = read_file(file, kFileTextMax);
    if (text.find('\0') == std::string::npos && out.size() + text.size() <= kTextMax) out += text + "\n";
  }
  return out;
}

// What the rounding is weighed with, and what the record says of it.
struct Weighing {
  std::optional<quantizer::Importance> importance;
  json::object record;
};

Weighing weigh(const Args& args, const fs::path& model, const quantizer::Source& source, ThreadPool& pool, const Globals& globals) {
  Weighing out;
  if (args.calibrate.empty() && args.imatrix.empty()) return out;
  if (args.calibrate.empty()) {
    out.importance = quantizer::read_importance(args.imatrix);
    out.record = {{"imatrix_sha256", sha256_file_hex(args.imatrix)}};
    return out;
  }
  const std::string text = read_texts(args.calibrate);
  const engine::Assets assets = engine::load_assets(model, source.decoder->config);
  std::optional<Progress> progress;
  out.importance = quantizer::calibrate(*source.decoder, *assets.tokenizer, text, {512, args.chunks}, pool,
                                        [&](size_t done, size_t all) {
                                          if (!progress) progress.emplace("Calibrating, documents", all, Progress::Unit::count, globals.json || globals.quiet);
                                          progress->set(done);
                                        });
  out.importance->datasets = {fs::path(args.calibrate).filename().string()};
  out.record = {{"text_sha256", sha256_hex(text)}, {"chunks", out.importance->chunks}, {"chunk_tokens", out.importance->chunk_tokens}, {"chunks_max", args.chunks}};
  if (!args.imatrix.empty()) quantizer::write_importance(args.imatrix, *out.importance);
  return out;
}

json::object make_record(const Args& args, const Snapshot& snapshot, const quantizer::Mix& mix, const json::object& weighing) {
  json::object base{{"inputs_sha256", hash_inputs(snapshot.folder)}};
  if (!snapshot.repo.empty()) base["repo"] = snapshot.repo;
  if (!snapshot.commit.empty()) base["commit"] = snapshot.commit;
  json::object out{{"program", "lyceum"}, {"version", LYCEUM_VERSION}, {"task", "quantize"}, {"type", mix.name}, {"base", base}};
  if (!args.name.empty()) out["name"] = args.name;
  if (args.requantize) out["requantize"] = true;
  if (weighing.empty()) return out;
  out["importance"] = weighing;
  out["numeric_profile"] = tuning::numeric_profile();   // a measurement depends on it; rounding alone does not
  return out;
}

struct Made {
  quantizer::QuantizeReport report;
  quantizer::TokenizerReport tokenizer;
  bool from_gguf = false;
  json::object record;
};

Made make_file(const Args& args, const Snapshot& snapshot, const Globals& globals) {
  ThreadPool pool(args.threads);
  const quantizer::Source source = quantizer::open_source(snapshot.folder);
  const quantizer::Mix& mix = args.type.empty() ? quantizer::natural_mix(source) : get_mix(args.type);
  if (fs::exists(args.out)) throw Error(Code::conflict, args.out + " exists; name another file, or remove it first");
  const Weighing weighing = weigh(args, snapshot.folder, source, pool, globals);
  Made out;
  out.record = make_record(args, snapshot, mix, weighing.record);
  quantizer::QuantizeOptions options;
  options.mix = &mix;
  options.importance = weighing.importance ? &*weighing.importance : nullptr;
  options.requantize = args.requantize;
  options.name = args.name;
  options.lineage = json::serialize(out.record);
  std::optional<Progress> progress;
  out.report = quantizer::quantize(source, args.out, options, pool, [&](uint64_t done, uint64_t all) {
    if (!progress) progress.emplace(fmt::format("Weights as {}", mix.name), all, Progress::Unit::count, globals.json || globals.quiet);
    progress->set(done);
  });
  out.tokenizer = source.tokenizer;
  out.from_gguf = source.file != nullptr;
  return out;
}

std::string card(const Snapshot& base, const Made& made, const fs::path& out) {
  std::string text = "---\npipeline_tag: text-generation\n";
  if (!base.repo.empty()) text += "base_model: " + base.repo + "\nbase_model_relation: quantized\n";
  text += fmt::format("tags:\n- lyceum\n- gguf\n---\n\n# {}\n\nMade by `lyceum quantize`: {}, {:.2f} bits a weight, {}.\n", out.stem().string(), get_string(made.record, "type"),
                      made.report.bits_per_weight, human_bytes(made.report.bytes));
  text += "The file carries its record: `lyceum reproduce` makes it again and compares the hash.\n\n| | SHA-256 |\n|---|---|\n";
  for (const auto& [name, hash] : made.record.at("base").as_object().at("inputs_sha256").as_object()) {
    text += fmt::format("| made from `{}` | `{}` |\n", std::string_view(name), std::string_view(hash.as_string()));
  }
  return text + fmt::format("| `{}` | `{}` |\n", out.filename().string(), made.report.sha256);
}

void print(const Args& args, const Made& made) {
  const quantizer::QuantizeReport& report = made.report;
  std::string types;
  for (const auto& [type, count] : report.types) types += fmt::format("{}{} {}", types.empty() ? "" : ", ", count, type);
  std::cout << fmt::format("{}: {}, {}, {:.2f} bits a weight\n  tensors: {}\n  SHA-256: {}\n", args.out, get_string(made.record, "type"), human_bytes(report.bytes), report.bits_per_weight, types, report.sha256);
  if (!report.without_importance.empty()) {
    std::cout << fmt::format("note: {} matrices were rounded without a weighing, as nothing of them was measured ({}, …)\n", report.without_importance.size(), report.without_importance.front());
  }
  if (made.from_gguf) return;
  if (!made.tokenizer.found) std::cout << "note: there is no tokenizer.json beside the model, so the file has no tokenizer\n";
  if (made.tokenizer.embedded) std::cout << "note: GGUF's keys do not say all of this tokenizer, so its tokenizer.json is in the file too; Lyceum reads that, other programs may cut some texts otherwise\n";
}

json::object to_json(const Args& args, const Made& made) {
  json::object types;
  for (const auto& [type, count] : made.report.types) types[type] = count;
  return {{"file", args.out}, {"type", made.record.at("type")}, {"sha256", made.report.sha256}, {"bytes", made.report.bytes}, {"parameters", made.report.parameters},
          {"bits_per_weight", made.report.bits_per_weight}, {"tensors", types}, {"without_importance", made.report.without_importance.size()},
          {"tokenizer_embedded", made.tokenizer.embedded}, {"lineage", made.record}};
}

int quantize(const Args& args, const Globals& globals) {
  if (!args.type.empty()) get_mix(args.type);   // before anything is fetched
  const Snapshot snapshot = open_model(args.model, globals);
  const Made made = make_file(args, snapshot, globals);
  if (args.card) write_file_durable(fs::absolute(args.out).parent_path() / "README.md", card(snapshot, made, args.out));
  globals.json ? print_json(to_json(args, made)) : print(args, made);
  return 0;
}

int convert(const Args& args, const Globals& globals) {
  if (!args.type.empty() && tensor::block_size(get_mix(args.type).base) != 1) {
    throw Error(Code::invalid_argument, "lyceum convert writes floats (f32, f16, bf16); for " + args.type + " there is lyceum quantize");
  }
  return quantize(args, globals);
}

void add_common(Options& options, Args& args) {
  options.add_option("model", args.model, "a folder or file with a model, or a repository: owner/name[@revision]").required();
  options.add_option("out", args.out, "the GGUF file to write, which must not exist").required();
  options.add_option("--name", args.name, "the model's name in the file (general.name)");
  options.add_flag("--card", args.card, "write a README.md beside the file: what it was made from, with hashes");
  options.add_option("--threads", args.threads, "0 = one per core; the result does not depend on it");
}

}  // namespace

std::optional<QuantizeRecord> find_quantize_record(const fs::path& model) {
  const fs::path file = quantizer::find_model_file(model);
  if (file.empty() || file.extension() != ".gguf") return std::nullopt;
  const auto text = formats::GgufFile(file).header().find_string("lyceum.lineage");
  if (!text) return std::nullopt;
  const json::value value = parse_json(*text, file.string() + ": lyceum.lineage");
  return QuantizeRecord{file, get_object(value, "lyceum.lineage")};
}

std::string repeat_quantize(const QuantizeRecord& record, const QuantizeInputs& inputs, const Globals& globals) {
  const json::object& base = get_object(record.record.at("base"), "lineage base");
  const std::string repo = find_string(base, "repo").value_or("");
  if (repo.empty() && inputs.base.empty()) throw Error(Code::invalid_argument, "the model was a local folder or file; name it with --base");
  const Snapshot snapshot = open_model(inputs.base.empty() ? repo + "@" + find_string(base, "commit").value_or("main") : inputs.base, globals);
  if (json::value(hash_inputs(snapshot.folder)) != base.at("inputs_sha256")) throw Error(Code::unprocessable, "the model is not the one recorded: its SHA-256 differ");
  Args args;
  args.type = get_string(record.record, "type");
  args.name = find_string(record.record, "name").value_or("");
  args.requantize = find_bool(record.record, "requantize").value_or(false);
  args.threads = inputs.threads;
  if (const json::object* importance = find_object(record.record, "importance")) {
    const bool measured = importance->contains("text_sha256");
    if (inputs.data.empty()) throw Error(Code::invalid_argument, std::string("name ") + (measured ? "the calibration text" : "the imatrix file") + " with --data");
    if (measured ? sha256_hex(read_texts(inputs.data)) != get_string(*importance, "text_sha256") : sha256_file_hex(inputs.data) != get_string(*importance, "imatrix_sha256")) {
      throw Error(Code::unprocessable, inputs.data + " is not what was recorded: its SHA-256 differs");
    }
    (measured ? args.calibrate : args.imatrix) = inputs.data;
    args.chunks = static_cast<uint32_t>(find_int(*importance, "chunks_max").value_or(0));
  }
  const TempFolder folder(fs::absolute(record.file).parent_path(), ".lyceum-reproduce-");
  args.out = (folder.path() / "again.gguf").string();
  Snapshot recorded = snapshot;   // the record says where the base came from, not where it is now
  recorded.repo = repo;
  recorded.commit = find_string(base, "commit").value_or("");
  return make_file(args, recorded, globals).report.sha256;
}

void configure_convert(Options& options, const Globals& globals, Run& run) {
  auto args = std::make_shared<Args>();
  add_common(options, *args);
  options.add_option("--type", args->type, "f32, f16 or bf16; without it the model's own");
  options.callback([args, &globals, &run] { run = [args, &globals] { return convert(*args, globals); }; });
}

void configure_quantize(Options& options, const Globals& globals, Run& run) {
  auto args = std::make_shared<Args>();
  add_common(options, *args);
  options.add_option("--type", args->type, "Q8_0, Q6_K, Q5_K_M, Q5_K_S, Q5_1, Q5_0, Q4_K_M, Q4_K_S, IQ4_NL, IQ4_XS, Q4_1, Q4_0, MXFP4, MXFP4_MOE, Q3_K_L, Q3_K_M, Q3_K_S, Q2_K, Q2_K_S, or a float type").required();
  options.add_option("--calibrate", args->calibrate, "a text file, or a folder of them: run the model over it and round with care where it is used most");
  options.add_option("--imatrix", args->imatrix, "an importance matrix to read (GGUF, llama.cpp's too); with --calibrate: to write");
  options.add_option("--chunks", args->chunks, "with --calibrate: at most this many documents of 512 tokens; 0 = the whole text");
  options.add_flag("--requantize", args->requantize, "round again what is quantised already");
  options.footer("Q4_K_M is what most people serve. The README of the result (--card) and the record inside name every input by its SHA-256; docs/quantize.md has the whole way from tuning to serving.");
  options.callback([args, &globals, &run] { run = [args, &globals] { return quantize(*args, globals); }; });
}

}  // namespace lyceum::cli
