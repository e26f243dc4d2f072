// What an adapter may not be. The right ones are in golden_test.cpp.
#include "engine/adapter.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "engine/golden_files.h"
#include "models/load.h"

namespace lyceum::engine {
namespace {

using Specs = std::vector<formats::SafetensorsSpec>;

// A copy of the golden adapter with a changed configuration or changed tensors.
class AdapterRefusal : public testing::Test {
 protected:
  AdapterRefusal() {
    config_ = get_object(parse_json(read_file(source_ / "adapter_config.json"), "config"), "config");
    const formats::SafetensorsFile file(source_ / "adapter_model.safetensors");
    for (const auto& tensor : file.header().tensors) {
      specs_.push_back({tensor.name, tensor.dtype, tensor.shape});
      bytes_[tensor.name] = std::string(as_text(file.bytes(tensor)));
    }
  }

  // The message of the refusal; empty if it loads.
  std::string load() {
    write_file_durable(folder_.path() / "adapter_config.json", json::serialize(config_));
    formats::write_safetensors(folder_.path() / "adapter_model.safetensors", specs_, {{"format", "pt"}},
                               [&](const formats::SafetensorsSpec& spec) { return as_bytes(bytes_.at(spec.name)); });
    try {
      load_peft_adapter(folder_.path(), *decoder_);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  void add(const std::string& name, const std::vector<uint64_t>& shape) {
    size_t count = 1;
    for (const uint64_t size : shape) count *= size;
    specs_.push_back({name, "F32", shape});
    bytes_[name] = std::string(count * 4, '\0');
  }

  static bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

  std::filesystem::path source_ = goldens_folder() / "adapters/all_linear";
  std::shared_ptr<const models::Decoder> decoder_ = models::load_decoder(goldens_folder() / "cases/llama_gqa_tied");
  TempFolder folder_;
  json::object config_;
  Specs specs_;
  std::map<std::string, std::string> bytes_;
};

constexpr const char* kLayer0 = "base_model.model.model.layers.0.";

TEST_F(AdapterRefusal, TheCopyItselfLoads) { EXPECT_EQ(load(), ""); }

TEST_F(AdapterRefusal, NamesVariantsThatAreNotPlainLora) {
  for (const char* field : {"lora_bias", "use_qalora", "fan_in_fan_out"}) {
    config_[field] = true;
    EXPECT_TRUE(contains(load(), field)) << field;
    config_[field] = false;
  }
  config_["modules_to_save"] = json::array{"lm_head"};
  EXPECT_TRUE(contains(load(), "modules_to_save"));
}

TEST_F(AdapterRefusal, NamesOtherMethodsAndBaseChangingInits) {
  config_["peft_type"] = "IA3";
  EXPECT_TRUE(contains(load(), "IA3"));
  config_["peft_type"] = "LORA";
  config_["init_lora_weights"] = "pissa_niter_4";
  EXPECT_TRUE(contains(load(), "pissa_niter_4"));
  config_["init_lora_weights"] = "gaussian";
  EXPECT_EQ(load(), "");
  config_["bias"] = "all";
  EXPECT_TRUE(contains(load(), "bias"));
}

TEST_F(AdapterRefusal, TensorOfNoLayer) {
  add("base_model.model.model.layers.7.self_attn.q_proj.lora_A.weight", {4, 32});
  EXPECT_TRUE(contains(load(), "layers.7.self_attn.q_proj.lora_A.weight matches no linear layer"));
}

TEST_F(AdapterRefusal, TensorWithoutThePrefix) {
  add("model.layers.0.self_attn.q_proj.lora_A.weight", {4, 32});
  EXPECT_TRUE(contains(load(), "does not begin with base_model.model."));
}

TEST_F(AdapterRefusal, HalfAPair) {
  const std::string name = std::string(kLayer0) + "mlp.up_proj.lora_B.weight";
  std::erase_if(specs_, [&](const auto& spec) { return spec.name == name; });
  EXPECT_TRUE(contains(load(), "mlp.up_proj has lora_A but no lora_B"));
}

TEST_F(AdapterRefusal, TargetWithoutTensors) {
  std::erase_if(specs_, [&](const auto& spec) { return contains(spec.name, "layers.1.mlp.up_proj"); });
  EXPECT_TRUE(contains(load(), "model.layers.1.mlp.up_proj, but the file has no tensors"));
}

TEST_F(AdapterRefusal, TensorOutsideTheTargets) {
  config_["target_modules"] = json::array{"q_proj"};
  EXPECT_TRUE(contains(load(), "target_modules does not name"));
}

TEST_F(AdapterRefusal, WrongRank) {
  config_["r"] = 5;
  EXPECT_TRUE(contains(load(), "has shape [4, 32]") || contains(load(), "rank and base model say"));
}

TEST_F(AdapterRefusal, AllZeros) {
  for (auto& [name, data] : bytes_) {
    if (contains(name, "lora_B")) data.assign(data.size(), '\0');
  }
  EXPECT_TRUE(contains(load(), "every B matrix is zero"));
}

TEST_F(AdapterRefusal, DoraWithoutItsMagnitudesOrTheOtherWayRound) {
  config_["use_dora"] = true;
  EXPECT_TRUE(contains(load(), "has no lora_magnitude_vector, which use_dora needs"));
  config_["use_dora"] = false;
  add(std::string(kLayer0) + "mlp.up_proj.lora_magnitude_vector", {4});
  EXPECT_TRUE(contains(load(), "use_dora is not set"));
  config_["use_dora"] = true;
  EXPECT_TRUE(contains(load(), "must be one of F32, F16 or BF16 and have shape"));
}

TEST_F(AdapterRefusal, NotFinite) {
  std::string& data = bytes_[std::string(kLayer0) + "mlp.up_proj.lora_A.weight"];
  data.replace(0, 4, std::string("\x00\x00\xc0\x7f", 4));
  EXPECT_TRUE(contains(load(), "not finite"));
}

TEST_F(AdapterRefusal, EmptyFile) {
  specs_.clear();
  EXPECT_FALSE(load().empty());
}

TEST_F(AdapterRefusal, PickledWeightsOnly) {
  TempFolder folder;
  write_file_durable(folder.path() / "adapter_config.json", json::serialize(config_));
  write_file_durable(folder.path() / "adapter_model.bin", "x");
  EXPECT_THROW(load_peft_adapter(folder.path(), *decoder_), Error);
}

}  // namespace
}  // namespace lyceum::engine
