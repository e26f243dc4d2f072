// The table of encoder architectures, and from config.json and safetensors to an Encoder.
#include "models/encoder.h"

#include <algorithm>
#include <array>

#include "base/files.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "kernels/convert.h"
#include "models/architecture.h"
#include "models/bind.h"
#include "models/sources.h"

namespace lyceum::models {
namespace {

constexpr uint64_t kConfigBytesMax = 4u << 20;
constexpr uint64_t kSizeMax = 1 << 24;

struct EncoderArchitecture {
  std::string_view name;     // config.json: architectures[0]
  EncoderFamily family;
  std::string_view prefix;   // of the encoder's tensors
  bool ranks;                // has the head that scores a text or a pair of texts
};
constexpr std::array kEncoders = {
    EncoderArchitecture{"BertModel", EncoderFamily::bert, "", false},
    EncoderArchitecture{"BertForMaskedLM", EncoderFamily::bert, "bert.", false},   // its language head is left aside
    EncoderArchitecture{"BertForSequenceClassification", EncoderFamily::bert, "bert.", true},
    EncoderArchitecture{"RobertaModel", EncoderFamily::roberta, "", false},
    EncoderArchitecture{"RobertaForMaskedLM", EncoderFamily::roberta, "roberta.", false},
    EncoderArchitecture{"RobertaForSequenceClassification", EncoderFamily::roberta, "roberta.", true},
};
// What checkpoints carry besides: buffers, and heads that give no vectors.
constexpr std::string_view kLeftAside[] = {"embeddings.position_ids", "embeddings.token_type_ids", "pooler.", "cls.", "lm_head."};

const EncoderArchitecture* find_encoder(std::string_view name) {
  const auto found = std::ranges::find(kEncoders, name, &EncoderArchitecture::name);
  return found == kEncoders.end() ? nullptr : &*found;
}

std::string architecture_of(const json::object& config) {
  const json::array* names = find_array(config, "architectures");
  return names != nullptr && !names->empty() && names->front().is_string() ? std::string(names->front().get_string()) : "";
}

uint32_t read_size(const json::object& config, std::string_view key, int64_t absent) {
  const int64_t value = find_int(config, key).value_or(absent);
  if (value < 1 || value > static_cast<int64_t>(kSizeMax)) throw Error(Code::unprocessable, "config.json: " + std::string(key) + " is " + std::to_string(value) + ", which no model has");
  return static_cast<uint32_t>(value);
}

void refuse_switches(const json::object& config) {
  const std::string activation = find_string(config, "hidden_act").value_or("gelu");
  if (activation != "gelu") refuse_field("hidden_act", activation, "only gelu is implemented for encoders");
  const std::string kind = find_string(config, "position_embedding_type").value_or("absolute");
  if (kind != "absolute") refuse_field("position_embedding_type", kind, "only absolute positions are implemented");
  for (const char* field : {"is_decoder", "add_cross_attention"}) {
    if (const json::value* value = config.if_contains(field); value != nullptr && value->is_bool() && value->get_bool()) refuse_field(field, *value);
  }
}

uint32_t read_labels(const json::object& config) {
  if (const json::object* names = find_object(config, "id2label")) return static_cast<uint32_t>(std::max<size_t>(names->size(), 1));
  return read_size(config, "num_labels", 2);
}

class EncoderBinder {
 public:
  EncoderBinder(WeightSource& source, std::string_view prefix) : source_(source), prefix_(prefix) {}

  tensor::WeightView matrix(const std::string& name, size_t rows, size_t columns) { return require(prefix_ + name, {rows, columns, false}); }

  Linear linear(const std::string& name, size_t rows, size_t columns) {
    Linear out{prefix_ + name, matrix(name + ".weight", rows, columns), {}};
    const auto values = std::make_shared<std::vector<float>>(vector({prefix_ + name + ".bias"}, rows));
    storage.push_back(values);
    out.bias = {reinterpret_cast<const std::byte*>(values->data()), tensor::DType::f32, 1, rows};
    return out;
  }

  // Checkpoints from TensorFlow's time say gamma and beta.
  LayerNorm norm(const std::string& name, size_t columns) {
    return {vector({prefix_ + name + ".weight", prefix_ + name + ".gamma"}, columns), vector({prefix_ + name + ".bias", prefix_ + name + ".beta"}, columns)};
  }

  std::vector<std::shared_ptr<void>> storage;

 private:
  tensor::WeightView require(const std::string& name, const TensorShape& shape) {
    const tensor::WeightView view = source_.find(name, shape);
    if (view.empty()) throw Error(Code::unprocessable, source_.what() + ": tensor " + name + " " + describe(shape) + " is missing");
    return view;
  }

  std::vector<float> vector(std::initializer_list<std::string> names, size_t columns) {
    for (const std::string& name : names) {
      const tensor::WeightView view = source_.find(name, {1, columns, true});
      if (view.empty()) continue;
      std::vector<float> out(columns);
      kernels::dequantize(view.dtype, view.data, columns, out.data());
      return out;
    }
    throw Error(Code::unprocessable, source_.what() + ": tensor " + *names.begin() + " [" + std::to_string(columns) + "] is missing");
  }

  WeightSource& source_;
  std::string prefix_;
};

EncoderLayer bind_layer(EncoderBinder& binder, const EncoderConfig& config, const std::string& prefix) {
  const size_t wide = config.hidden;
  EncoderLayer layer;
  layer.q = binder.linear(prefix + "attention.self.query", wide, wide);
  layer.k = binder.linear(prefix + "attention.self.key", wide, wide);
  layer.v = binder.linear(prefix + "attention.self.value", wide, wide);
  layer.o = binder.linear(prefix + "attention.output.dense", wide, wide);
  layer.attention_norm = binder.norm(prefix + "attention.output.LayerNorm", wide);
  layer.up = binder.linear(prefix + "intermediate.dense", config.intermediate, wide);
  layer.down = binder.linear(prefix + "output.dense", wide, config.intermediate);
  layer.output_norm = binder.norm(prefix + "output.LayerNorm", wide);
  return layer;
}

void bind_head(WeightSource& source, std::string_view prefix, Encoder& out) {
  const size_t wide = out.config.hidden, labels = out.config.labels;
  EncoderBinder inner(source, prefix), outer(source, "");
  const bool bert = out.config.family == EncoderFamily::bert;
  out.head_dense = bert ? inner.linear("pooler.dense", wide, wide) : outer.linear("classifier.dense", wide, wide);
  out.head_out = outer.linear(bert ? "classifier" : "classifier.out_proj", labels, wide);
  for (EncoderBinder* binder : {&inner, &outer}) out.storage.insert(out.storage.end(), binder->storage.begin(), binder->storage.end());
}

void refuse_unused(const WeightSource& source, std::string_view prefix) {
  for (const std::string& name : source.unused()) {
    const std::string_view inner = name.starts_with(prefix) ? std::string_view(name).substr(prefix.size()) : name;
    if (std::ranges::any_of(kLeftAside, [&](std::string_view one) { return inner.starts_with(one) || name.starts_with(one); })) continue;
    throw Error(Code::unprocessable, source.what() + ": tensor " + name + " has no place in this architecture");
  }
}

Encoder bind_encoder(EncoderConfig config, WeightSource& source) {
  const EncoderArchitecture& architecture = *find_encoder(config.architecture);
  EncoderBinder binder(source, architecture.prefix);
  Encoder out;
  out.words = binder.matrix("embeddings.word_embeddings.weight", config.vocab, config.hidden);
  out.positions = binder.matrix("embeddings.position_embeddings.weight", config.positions, config.hidden);
  out.types = binder.matrix("embeddings.token_type_embeddings.weight", config.token_types, config.hidden);
  out.embedding_norm = binder.norm("embeddings.LayerNorm", config.hidden);
  for (uint32_t i = 0; i < config.layers; ++i) out.layers.push_back(bind_layer(binder, config, "encoder.layer." + std::to_string(i) + "."));
  out.storage = std::move(binder.storage);
  out.config = std::move(config);
  if (architecture.ranks) bind_head(source, architecture.prefix, out);
  refuse_unused(source, architecture.prefix);
  return out;
}

}  // namespace

uint64_t Encoder::parameters() const noexcept {
  const auto count = [](const tensor::WeightView& view) { return uint64_t{view.rows} * view.columns; };
  const auto whole = [&](const Linear& linear) { return count(linear.weight) + count(linear.bias); };
  const auto norm = [](const LayerNorm& one) { return uint64_t{one.weight.size()} + one.bias.size(); };
  uint64_t sum = count(words) + count(positions) + count(types) + norm(embedding_norm) + whole(head_dense) + whole(head_out);
  for (const EncoderLayer& layer : layers) {
    for (const Linear* linear : {&layer.q, &layer.k, &layer.v, &layer.o, &layer.up, &layer.down}) sum += whole(*linear);
    sum += norm(layer.attention_norm) + norm(layer.output_norm);
  }
  return sum;
}

EncoderConfig read_encoder_config(std::string_view config_json, std::string_view what) {
  const json::value value = parse_json(config_json, std::string(what), kConfigBytesMax);
  const json::object& config = get_object(value, std::string(what));
  const std::string name = architecture_of(config);
  const EncoderArchitecture* architecture = find_encoder(name);
  if (architecture == nullptr) throw Error(Code::unsupported, std::string(what) + ": " + (name.empty() ? "no architecture" : name) + " is not an encoder that is known here");
  refuse_switches(config);
  EncoderConfig out;
  out.architecture = name;
  out.family = architecture->family;
  out.layers = read_size(config, "num_hidden_layers", 12);
  out.hidden = read_size(config, "hidden_size", 768);
  out.intermediate = read_size(config, "intermediate_size", 3072);
  out.heads = read_size(config, "num_attention_heads", 12);
  const bool roberta = out.family == EncoderFamily::roberta;
  out.vocab = read_size(config, "vocab_size", roberta ? 50265 : 30522);
  out.positions = read_size(config, "max_position_embeddings", 512);
  out.first_position = roberta ? static_cast<uint32_t>(std::clamp<int64_t>(find_int(config, "pad_token_id").value_or(1), 0, 1 << 20)) + 1 : 0;
  out.token_types = read_size(config, "type_vocab_size", 2);
  out.labels = architecture->ranks ? read_labels(config) : 0;
  if (const json::value* epsilon = config.if_contains("layer_norm_eps"); epsilon != nullptr && epsilon->is_number()) out.norm_epsilon = epsilon->to_number<float>();
  if (out.hidden % out.heads != 0) throw Error(Code::unprocessable, std::string(what) + ": hidden_size is no multiple of num_attention_heads");
  if (out.positions <= out.first_position + 1) throw Error(Code::unprocessable, std::string(what) + ": max_position_embeddings leaves no room for a text");
  return out;
}

bool is_encoder(const std::filesystem::path& folder) {
  if (!fs::exists(folder / "config.json")) return false;
  try {
    const json::value value = parse_json(read_file(folder / "config.json", kConfigBytesMax), "config.json", kConfigBytesMax);
    return value.is_object() && find_encoder(architecture_of(value.get_object())) != nullptr;
  } catch (const Error&) {
    return false;
  }
}

std::shared_ptr<const Encoder> load_encoder(const std::filesystem::path& folder) {
  const std::filesystem::path config_path = folder / "config.json";
  EncoderConfig config = read_encoder_config(read_file(config_path, kConfigBytesMax), config_path.string());
  const auto model = std::make_shared<formats::SafetensorsModel>(folder);
  const auto source = make_safetensors_source(*model, folder.string());
  auto encoder = std::make_shared<Encoder>(bind_encoder(std::move(config), *source));
  encoder->storage.push_back(model);
  return encoder;
}

std::vector<std::string_view> encoder_architectures() {
  std::vector<std::string_view> names;
  for (const EncoderArchitecture& one : kEncoders) names.push_back(one.name);
  return names;
}

}  // namespace lyceum::models
