#include "quantizer/quantize.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "base/source_dir.h"
#include "engine/engine.h"
#include "formats/gguf.h"
#include "kernels/convert.h"
#include "models/load.h"
#include "quantizer/calibrate.h"

namespace lyceum::quantizer {
namespace {

const fs::path kStarter = fs::path(kSourceDir) / "starter/model";

QuantizeReport write(const fs::path& from, const fs::path& to, std::string_view mix, unsigned threads = 2, const Importance* importance = nullptr, bool requantize = false) {
  ThreadPool pool(threads);
  const Source source = open_source(from);
  QuantizeOptions options;
  options.mix = find_mix(mix);
  options.importance = importance;
  options.requantize = requantize;
  return quantize(source, to, options, pool, [](uint64_t, uint64_t) {});
}

std::vector<int32_t> ids() {
  std::vector<int32_t> out;
  for (int32_t i = 0; i < 40; ++i) out.push_back((i * 97 + 11) % 4096);
  return out;
}

std::vector<float> logits_of(const fs::path& path) {
  engine::EngineOptions options;
  options.threads = 2;
  return engine::Engine::open(path, options)->logits(ids());
}

TEST(Quantize, ConvertsWithoutLosingAnything) {
  const TempFolder folder;
  const fs::path out = folder.path() / "m.gguf";
  EXPECT_EQ(natural_mix(open_source(kStarter)).name, "BF16");
  const QuantizeReport report = write(kStarter, out, "BF16");
  EXPECT_EQ(report.sha256, sha256_file_hex(out));
  EXPECT_EQ(logits_of(out), logits_of(kStarter));
  const auto engine = engine::Engine::open(out, {}), original = engine::Engine::open(kStarter, {});
  const std::string text = "def f(x):\n    return x ** 2  # ünï <|fim_prefix|>";
  EXPECT_EQ(engine->tokenizer().encode(text), original->tokenizer().encode(text));
  EXPECT_EQ(engine->fim_order(), engine::FimOrder::suffix_first);
  EXPECT_EQ(engine->eos_ids(), original->eos_ids());
  ASSERT_NE(engine->chat_template(), nullptr);
  EXPECT_EQ(engine->chat_template()->source(), original->chat_template()->source());
}

TEST(Quantize, GivesTheSameBytesForAnyNumberOfThreads) {
  const TempFolder folder;
  EXPECT_EQ(write(kStarter, folder.path() / "a", "Q4_K_M", 1).sha256, write(kStarter, folder.path() / "b", "Q4_K_M", 3).sha256);
}

TEST(Quantize, RoundsOnceUnlessTold) {
  const TempFolder folder;
  const fs::path whole = folder.path() / "f.gguf", eight = folder.path() / "q8.gguf", four = folder.path() / "q4.gguf";
  write(kStarter, whole, "F32");
  EXPECT_EQ(write(whole, eight, "Q8_0").sha256, write(kStarter, folder.path() / "direct.gguf", "Q8_0").sha256);
  EXPECT_THROW(write(eight, four, "Q4_0"), Error);
  EXPECT_FALSE(fs::exists(four));
  write(eight, four, "Q4_0", 2, nullptr, true);
  EXPECT_THROW(write(kStarter, four, "Q4_0"), Error);   // exists
  const formats::GgufFile file(four);
  EXPECT_EQ(file.header().find_tensor("blk.0.attn_q.weight")->dtype, "Q4_0");
  EXPECT_EQ(file.header().find_tensor("token_embd.weight")->dtype, "Q8_0");   // tied, and 192 columns are no whole block of Q6_K
  EXPECT_EQ(file.header().find_tensor("blk.0.attn_norm.weight")->dtype, "F32");
}

TEST(Quantize, LeavesNothingOfAModelWithABadValue) {
  const TempFolder folder;
  const fs::path model = folder.path() / "model";
  fs::copy(kStarter, model);
  fs::permissions(model / "model.safetensors", fs::perms::owner_all);
  std::string bytes = read_file(model / "model.safetensors");
  bytes.replace(bytes.size() - 2, 2, "\xc0\x7f");   // a NaN in the last tensor
  write_file_durable(model / "model.safetensors", bytes);
  EXPECT_THROW(write(model, folder.path() / "out.gguf", "Q8_0"), Error);
  EXPECT_FALSE(fs::exists(folder.path() / "out.gguf"));
  EXPECT_FALSE(fs::exists(folder.path() / "out.gguf.partial"));
}

TEST(Quantize, RefusesWhatAFileCannotSay) {
  const TempFolder folder;
  const fs::path model = folder.path() / "model";
  fs::copy(kStarter, model);
  fs::permissions(model / "config.json", fs::perms::owner_all);
  json::object config = parse_json(read_file(model / "config.json"), "config.json").as_object();
  config["rope_scaling"] = json::object{{"rope_type", "dynamic"}, {"factor", 2.0}};
  write_file_durable(model / "config.json", json::serialize(config));
  try {
    write(model, folder.path() / "out.gguf", "Q8_0");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("rope scaling"), std::string::npos) << error.what();
  }
  config["rope_scaling"] = json::object{{"rope_type", "llama3"}, {"factor", 8.0}, {"low_freq_factor", 1.0}, {"high_freq_factor", 4.0}, {"original_max_position_embeddings", 64}};
  write_file_durable(model / "config.json", json::serialize(config));
  write(model, folder.path() / "out.gguf", "BF16");
  const std::vector<float> ours = logits_of(folder.path() / "out.gguf"), wanted = logits_of(model);
  for (size_t i = 0; i < ours.size(); ++i) ASSERT_NEAR(ours[i], wanted[i], 1e-4);
}

TEST(Calibrate, MeasuresWhatMatricesSee) {
  const Source source = open_source(kStarter);
  const auto engine = engine::Engine::open(kStarter, {});
  std::string text;
  for (int i = 0; i < 60; ++i) text += "def f" + std::to_string(i) + "(x):\n    return x + " + std::to_string(i) + "\n";
  std::vector<Importance> found;
  for (const unsigned threads : {1u, 3u}) {
    ThreadPool pool(threads);
    found.push_back(calibrate(*source.decoder, engine->tokenizer(), text, {128, 4}, pool, [](size_t, size_t) {}));
  }
  EXPECT_EQ(found[0].entries.size(), source.decoder->layers.size() * 7);   // q, k, v, o, gate, up, down
  for (const auto& [name, entry] : found[0].entries) EXPECT_EQ(entry.sums, found[1].entries.at(name).sums) << name;
  const ImportanceEntry& entry = found[0].entries.at("blk.0.attn_q.weight");
  EXPECT_EQ(entry.counts, std::vector<float>{4 * 128});
  // What q of the first layer reads is normalised: its mean square is the norm's own weights', about.
  EXPECT_EQ(entry.columns, 192u);
  const TempFolder folder;
  const QuantizeReport report = write(kStarter, folder.path() / "q.gguf", "Q4_K_M", 2, &found[0]);
  EXPECT_TRUE(report.without_importance.empty());
  EXPECT_THROW(calibrate(*source.decoder, engine->tokenizer(), "short", {}, *std::make_unique<ThreadPool>(1), [](size_t, size_t) {}), Error);
}

}  // namespace
}  // namespace lyceum::quantizer
