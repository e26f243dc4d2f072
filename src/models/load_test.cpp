// What load_decoder refuses, and how it says so. That it computes rightly is shown by src/engine/golden_test.cpp.
#include "base/source_dir.h"
#include "models/load.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/files.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "models/sources.h"

namespace lyceum::models {
namespace {

const fs::path kCases = fs::path(kSourceDir) / "tests/goldens/models/cases";

// A copy of a golden model whose configuration and tensors a test changes.
class LoadDecoder : public testing::Test {
 protected:
  LoadDecoder() {
    const fs::path source = kCases / "llama_gqa_tied";
    config_ = get_object(parse_json(read_file(source / "config.json"), "config"), "config");
    const formats::SafetensorsFile file(source / "model.safetensors");
    for (const auto& tensor : file.header().tensors) {
      specs_.push_back({tensor.name, tensor.dtype, tensor.shape});
      bytes_[tensor.name] = std::string(as_text(file.bytes(tensor)));
    }
  }

  std::string load() {
    write_file_durable(folder_.path() / "config.json", json::serialize(config_));
    formats::write_safetensors(folder_.path() / "model.safetensors", specs_, {{"format", "pt"}},
                               [&](const formats::SafetensorsSpec& spec) { return as_bytes(bytes_.at(spec.name)); });
    return message_of(folder_.path());
  }

  static std::string message_of(const fs::path& path) {
    try {
      load_decoder(path);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  static bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

  formats::SafetensorsSpec& spec(const std::string& name) {
    return *std::ranges::find(specs_, name, &formats::SafetensorsSpec::name);
  }

  TempFolder folder_;
  json::object config_;
  std::vector<formats::SafetensorsSpec> specs_;
  std::map<std::string, std::string> bytes_;
};

constexpr const char* kDown = "model.layers.1.mlp.down_proj.weight";

TEST_F(LoadDecoder, TheCopyItselfLoads) { EXPECT_EQ(load(), ""); }

TEST_F(LoadDecoder, NamesTheMissingTensor) {
  std::erase_if(specs_, [](const auto& each) { return each.name == kDown; });
  EXPECT_TRUE(contains(load(), std::string(kDown) + " [32, 64] is missing"));
}

TEST_F(LoadDecoder, NamesTheSurplusTensor) {
  specs_.push_back({"model.layers.0.self_attn.sinks", "F32", {1}});
  bytes_["model.layers.0.self_attn.sinks"] = std::string(4, '\0');
  EXPECT_TRUE(contains(load(), "model.layers.0.self_attn.sinks has no place"));
}

TEST_F(LoadDecoder, IgnoresInverseFrequenciesOfOldCheckpoints) {
  specs_.push_back({"model.layers.0.self_attn.rotary_emb.inv_freq", "F32", {4}});
  bytes_["model.layers.0.self_attn.rotary_emb.inv_freq"] = std::string(16, '\0');
  EXPECT_EQ(load(), "");
}

TEST_F(LoadDecoder, NamesTheTensorOfAnotherShape) {
  std::swap(spec(kDown).shape[0], spec(kDown).shape[1]);
  EXPECT_TRUE(contains(load(), std::string(kDown) + " has shape [64, 32]; the configuration says [32, 64]"));
}

TEST_F(LoadDecoder, NamesAnUnusableDtype) {
  spec(kDown).dtype = "I32";
  EXPECT_TRUE(contains(load(), std::string(kDown) + " has dtype I32"));
}

TEST_F(LoadDecoder, UntiedModelNeedsItsHead) {
  config_["tie_word_embeddings"] = false;
  EXPECT_TRUE(contains(load(), "lm_head.weight"));
}

TEST_F(LoadDecoder, RefusesPickledWeights) {
  write_file_durable(folder_.path() / "config.json", json::serialize(config_));
  write_file_durable(folder_.path() / "pytorch_model.bin", "x");
  EXPECT_TRUE(contains(message_of(folder_.path()), "never opened"));
}

TEST_F(LoadDecoder, NamesWhatIsNotThere) {
  EXPECT_TRUE(contains(message_of(folder_.path() / "nowhere"), "does not exist"));
  EXPECT_TRUE(contains(message_of(folder_.path()), "has no *.safetensors"));
  load();
  fs::remove(folder_.path() / "config.json");
  EXPECT_TRUE(contains(message_of(folder_.path()), "no config.json"));
}

TEST_F(LoadDecoder, RefusesTruncatedFiles) {
  load();
  const fs::path weights = folder_.path() / "model.safetensors";
  fs::resize_file(weights, fs::file_size(weights) - 5);
  EXPECT_TRUE(contains(message_of(folder_.path()), "model.safetensors"));
  fs::copy_file(kCases / "gguf_llama_f16/model.gguf", folder_.path() / "cut.gguf");
  fs::resize_file(folder_.path() / "cut.gguf", fs::file_size(folder_.path() / "cut.gguf") - 5);
  EXPECT_TRUE(contains(message_of(folder_.path() / "cut.gguf"), "cut.gguf"));
}

TEST_F(LoadDecoder, FollowsSymbolicLinksToBlobs) {
  load();
  TempFolder blobs;
  fs::rename(folder_.path() / "model.safetensors", blobs.path() / "0123abcd");
  fs::create_symlink(blobs.path() / "0123abcd", folder_.path() / "model.safetensors");
  EXPECT_EQ(message_of(folder_.path()), "");
}

TEST(InterleavedToHalves, MovesEvenRowsToTheFirstHalf) {
  const std::string rows = "0123abcd";  // two heads of four one-byte rows
  const auto moved = interleaved_to_halves(as_bytes(rows), 8, 1, 4);
  EXPECT_EQ(as_text(*moved), "0213acbd");
}

}  // namespace
}  // namespace lyceum::models
