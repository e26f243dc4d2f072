// lyceum bench: how fast a model runs here, in the columns of llama.cpp's llama-bench, and how near that is to what memory allows.
#include <fmt/format.h>

#include <cmath>
#include <iostream>
#include <numeric>

#include "base/progress.h"
#include "cli/snapshot.h"
#include "engine/speed.h"
#include "models/load.h"

namespace lyceum::cli {
namespace {

struct Args {
  std::string model, prompts = "512", decodes = "128", batches = "1";
  uint32_t threads = 0, repetitions = 5;
  bool exact = false;
};

struct Test {
  size_t prompt = 0, decode = 0, sequences = 1;   // prompt or decode
  std::string name() const {
    if (prompt != 0) return fmt::format("pp{}", prompt);
    return sequences == 1 ? fmt::format("tg{}", decode) : fmt::format("tg{} x {}", decode, sequences);
  }
};

struct Result {
  Test test;
  double mean = 0, deviation = 0;   // tokens a second
  double cpu_s = 0;                 // of 1,000 tokens
  double of_memory = 0;             // decode: the weights' bytes a second against plain reading
};

std::vector<size_t> read_list(const std::string& text, const char* option) {
  std::vector<size_t> out;
  for (size_t at = 0; at <= text.size();) {
    const size_t comma = std::min(text.find(',', at), text.size());
    const std::string word = text.substr(at, comma - at);
    const bool digits = !word.empty() && word.size() <= 6 && std::all_of(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!digits) throw Error(Code::invalid_argument, fmt::format("{} takes numbers with commas between them, not '{}'", option, text));
    if (const size_t number = std::stoul(word); number > 0) out.push_back(number);
    at = comma + 1;
  }
  return out;
}

std::vector<Test> plan_tests(const Args& args) {
  std::vector<Test> out;
  for (const size_t prompt : read_list(args.prompts, "--prompt")) out.push_back({prompt, 0, 1});
  for (const size_t decode : read_list(args.decodes, "--decode")) {
    for (const size_t sequences : read_list(args.batches, "--batch")) out.push_back({0, decode, sequences});
  }
  if (out.empty()) throw Error(Code::invalid_argument, "nothing to measure: --prompt and --decode are both 0");
  return out;
}

Result measure(engine::SpeedTest& speed, const Test& test, const engine::Footprint& footprint, double memory_gb_s, uint32_t repetitions, Progress& progress, uint64_t& done) {
  Result out{test};
  std::vector<double> rates;
  const auto tokens = static_cast<double>(test.prompt != 0 ? test.prompt : test.decode * test.sequences);
  for (uint32_t round = 0; round < repetitions; ++round) {
    const engine::SpeedTest::Spent spent = test.prompt != 0 ? speed.prompt(test.prompt) : speed.decode(test.sequences, test.decode);
    rates.push_back(tokens / spent.wall_s);
    out.cpu_s += spent.cpu_s / tokens * 1000 / repetitions;
    progress.set(++done, test.name());
  }
  out.mean = std::accumulate(rates.begin(), rates.end(), 0.0) / repetitions;
  for (const double rate : rates) out.deviation += (rate - out.mean) * (rate - out.mean);
  out.deviation = repetitions > 1 ? std::sqrt(out.deviation / (repetitions - 1)) : 0;
  if (test.decode != 0) out.of_memory = static_cast<double>(footprint.step_weights) * 1e-9 * out.mean / static_cast<double>(test.sequences) / memory_gb_s;
  return out;
}

json::object to_json(const Result& result) {
  json::object out{{"test", result.test.name()}, {"tokens_s", result.mean}, {"deviation", result.deviation}, {"cpu_s_per_1000_tokens", result.cpu_s}};
  if (result.test.decode != 0) out["of_memory"] = result.of_memory;
  return out;
}

int bench(const Args& args, const Globals& globals) {
  if (args.repetitions == 0) throw Error(Code::invalid_argument, "--repetitions must be at least 1");
  const std::vector<Test> tests = plan_tests(args);
  const Snapshot snapshot = open_model(args.model, globals);
  const auto decoder = models::load_decoder(snapshot.folder);
  ThreadPool pool(args.threads);
  engine::SpeedTest speed(*decoder, pool, args.exact ? engine::Products::exact : engine::Products::integer);
  const engine::Footprint footprint = engine::measure_footprint(*decoder);
  speed.prompt(16);   // pages and tables are there from here on
  const double memory_gb_s = engine::probe_memory(pool);
  std::vector<Result> results;
  {
    Progress progress("Measuring", tests.size() * args.repetitions, Progress::Unit::count, globals.json || globals.quiet);
    uint64_t done = 0;
    for (const Test& test : tests) results.push_back(measure(speed, test, footprint, memory_gb_s, args.repetitions, progress, done));
  }
  const std::string shape = fmt::format("{} {:.2f} B", decoder->config.model_type, static_cast<double>(decoder->parameters()) * 1e-9);
  if (globals.json) {
    json::array rows;
    for (const Result& result : results) rows.push_back(to_json(result));
    print_json(json::object{{"model", args.model}, {"shape", shape}, {"weights_bytes", footprint.weights}, {"parameters", decoder->parameters()}, {"threads", pool.size()},
                            {"memory_gb_s", memory_gb_s}, {"tests", rows}});
    return 0;
  }
  std::cout << "| model | size | params | threads | test | t/s | CPU-s per 1,000 | of memory |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n";
  for (const Result& result : results) {
    std::cout << fmt::format("| {} | {} | {:.2f} B | {} | {} | {:.2f} ± {:.2f} | {:.1f} | {} |\n", decoder->config.model_type, human_bytes(footprint.weights),
                             static_cast<double>(decoder->parameters()) * 1e-9, pool.size(), result.test.name(), result.mean, result.deviation, result.cpu_s,
                             result.test.decode != 0 ? fmt::format("{:.0f} % of {:.1f} GB/s", 100 * result.of_memory, memory_gb_s) : "");
  }
  return 0;
}

}  // namespace

void configure_bench(Options& options, const Globals& globals, Run& run) {
  auto args = std::make_shared<Args>();
  options.add_option("model", args->model, "a folder or file with a model, or a repository: owner/name[@revision]").required();
  options.add_option("-p,--prompt", args->prompts, "lengths of prompts, with commas; 0: none").capture_default_str();
  options.add_option("-n,--decode", args->decodes, "tokens to decode; 0: none").capture_default_str();
  options.add_option("-b,--batch", args->batches, "sequences decoded at once: 1,4,16").capture_default_str();
  options.add_option("-t,--threads", args->threads, "0 = one per core");
  options.add_option("-r,--repetitions", args->repetitions, "how often each test runs").capture_default_str();
  options.add_flag("--exact", args->exact, "multiply with quantised weights exactly, not with activations rounded to 8 bits");
  options.callback([args, &globals, &run] { run = [args, &globals] { return bench(*args, globals); }; });
}

}  // namespace lyceum::cli
