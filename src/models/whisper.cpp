#include "models/whisper.h"

#include "base/files.h"
#include "base/json.h"
#include "models/tensor_reader.h"

namespace lyceum::models {
namespace {

constexpr uint64_t kConfigBytesMax = 4u << 20;
constexpr int64_t kSizeMax = 1 << 20;
constexpr std::string_view kArchitecture = "WhisperForConditionalGeneration";
constexpr std::string_view kLeftAside[] = {"proj_out.weight"};   // the words once more

std::string architecture_of(const json::object& config) {
  const json::array* names = find_array(config, "architectures");
  return names != nullptr && !names->empty() && names->front().is_string() ? std::string(names->front().get_string()) : "";
}

uint32_t read_size(const json::object& config, std::string_view what, std::string_view key) {
  const int64_t value = find_int(config, key).value_or(0);
  if (value < 1 || value > kSizeMax) throw Error(Code::unprocessable, std::string(what) + ": " + std::string(key) + " is " + std::to_string(value) + ", which no model has");
  return static_cast<uint32_t>(value);
}

void refuse_switches(const json::object& config, std::string_view what) {
  const std::string activation = find_string(config, "activation_function").value_or("gelu");
  if (activation != "gelu") throw Error(Code::unsupported, std::string(what) + ": activation_function " + activation + " is not implemented for Whisper; gelu is");
  if (find_bool(config, "scale_embedding").value_or(false)) throw Error(Code::unsupported, std::string(what) + ": scale_embedding is not implemented");
  if (!find_bool(config, "tie_word_embeddings").value_or(true)) throw Error(Code::unsupported, std::string(what) + ": a head of its own (tie_word_embeddings false) is not implemented for Whisper");
}

WhisperAttention bind_attention(TensorReader& reader, const std::string& prefix, uint64_t wide) {
  return {reader.norm(prefix + "_layer_norm", wide), reader.linear(prefix + ".q_proj", wide, wide), reader.linear(prefix + ".k_proj", wide, wide, false),
          reader.linear(prefix + ".v_proj", wide, wide), reader.linear(prefix + ".out_proj", wide, wide)};
}

Whisper bind_whisper(const WhisperConfig& config, TensorReader& reader) {
  const uint64_t wide = config.hidden;
  const std::string encoder = "model.encoder.", decoder = "model.decoder.";
  Whisper out;
  out.config = config;
  out.first = reader.bound(encoder + "conv1", {wide, config.mel_bins, 3});
  out.second = reader.bound(encoder + "conv2", {wide, wide, 3});
  out.sound_positions = reader.tensor(encoder + "embed_positions.weight", {config.sound_positions, wide});
  out.text_positions = reader.tensor(decoder + "embed_positions.weight", {config.text_positions, wide});
  out.words = reader.tensor(decoder + "embed_tokens.weight", {config.vocab, wide});
  for (uint32_t i = 0; i < config.encoder_layers; ++i) {
    const std::string layer = encoder + "layers." + std::to_string(i) + ".";
    out.encoder.push_back({bind_attention(reader, layer + "self_attn", wide), reader.norm(layer + "final_layer_norm", wide),
                           reader.linear(layer + "fc1", config.encoder_middle, wide), reader.linear(layer + "fc2", wide, config.encoder_middle)});
  }
  for (uint32_t i = 0; i < config.decoder_layers; ++i) {
    const std::string layer = decoder + "layers." + std::to_string(i) + ".";
    out.decoder.push_back({bind_attention(reader, layer + "self_attn", wide), bind_attention(reader, layer + "encoder_attn", wide), reader.norm(layer + "final_layer_norm", wide),
                           reader.linear(layer + "fc1", config.decoder_middle, wide), reader.linear(layer + "fc2", wide, config.decoder_middle)});
  }
  out.encoder_norm = reader.norm(encoder + "layer_norm", wide);
  out.decoder_norm = reader.norm(decoder + "layer_norm", wide);
  reader.refuse_unused(kLeftAside);
  out.storage = std::move(reader.storage);
  return out;
}

}  // namespace

uint64_t Whisper::parameters() const noexcept {
  const auto count = [](const tensor::WeightView& view) { return uint64_t{view.rows} * view.columns; };
  const auto whole = [&](const Linear& linear) { return count(linear.weight) + count(linear.bias); };
  const auto norm = [](const LayerNorm& one) { return uint64_t{one.weight.size()} + one.bias.size(); };
  const auto attention = [&](const WhisperAttention& one) { return norm(one.norm) + whole(one.q) + whole(one.k) + whole(one.v) + whole(one.o); };
  uint64_t sum = whole(first) + whole(second) + count(sound_positions) + count(text_positions) + count(words) + norm(encoder_norm) + norm(decoder_norm);
  for (const WhisperEncoderLayer& layer : encoder) sum += attention(layer.attention) + norm(layer.norm) + whole(layer.up) + whole(layer.down);
  for (const WhisperDecoderLayer& layer : decoder) sum += attention(layer.self) + attention(layer.cross) + norm(layer.norm) + whole(layer.up) + whole(layer.down);
  return sum;
}

WhisperConfig read_whisper_config(std::string_view config_json, std::string_view what) {
  const json::value value = parse_json(config_json, std::string(what), kConfigBytesMax);
  const json::object& config = get_object(value, std::string(what));
  if (architecture_of(config) != kArchitecture) throw Error(Code::unsupported, std::string(what) + ": architecture " + architecture_of(config) + " is not " + std::string(kArchitecture));
  refuse_switches(config, what);
  const auto size = [&](std::string_view key) { return read_size(config, what, key); };
  WhisperConfig out;
  out.hidden = size("d_model");
  out.mel_bins = size("num_mel_bins");
  out.encoder_layers = size("encoder_layers");
  out.encoder_heads = size("encoder_attention_heads");
  out.encoder_middle = size("encoder_ffn_dim");
  out.decoder_layers = size("decoder_layers");
  out.decoder_heads = size("decoder_attention_heads");
  out.decoder_middle = size("decoder_ffn_dim");
  out.sound_positions = size("max_source_positions");
  out.text_positions = size("max_target_positions");
  out.vocab = size("vocab_size");
  const auto fail = [&](const std::string& why) { throw Error(Code::unprocessable, std::string(what) + ": " + why); };
  for (const uint32_t heads : {out.encoder_heads, out.decoder_heads}) {
    if (out.hidden % heads != 0 || out.hidden / heads > 256) fail("d_model does not divide into heads of at most 256");
  }
  if (out.mel_bins > 512 || out.sound_positions > 8192 || out.text_positions > 8192) fail("num_mel_bins or positions beyond what any Whisper has");
  if (out.text_positions < 16) fail("max_target_positions leaves no room for a text");
  return out;
}

bool is_whisper(const std::filesystem::path& folder) {
  if (!fs::exists(folder / "config.json")) return false;
  try {
    const json::value value = parse_json(read_file(folder / "config.json", kConfigBytesMax), "config.json", kConfigBytesMax);
    return value.is_object() && architecture_of(value.get_object()) == kArchitecture;
  } catch (const Error&) {
    return false;
  }
}

std::shared_ptr<const Whisper> load_whisper(const std::filesystem::path& folder) {
  const std::filesystem::path config_path = folder / "config.json";
  const WhisperConfig config = read_whisper_config(read_file(config_path, kConfigBytesMax), config_path.string());
  const auto model = std::make_shared<formats::SafetensorsModel>(folder);
  TensorReader reader(*model, folder.string());
  auto out = std::make_shared<Whisper>(bind_whisper(config, reader));
  out->storage.push_back(model);
  return out;
}

}  // namespace lyceum::models
