// Inverse frequencies of rotary embeddings as transformers' modeling_rope_utils computes them, in float32 like there.
// Sources: Su et al. 2021 (RoPE); linear and NTK-aware scaling as in transformers; Peng et al. 2023 (YaRN);
// Ding et al. 2024 (LongRoPE); Llama 3.1's model card for "llama3".
#include <algorithm>
#include <cmath>
#include <numbers>

#include "models/architecture.h"

namespace lyceum::models {

namespace {

std::vector<float> plain_frequencies(double theta, uint32_t head_dim) {
  std::vector<float> out(head_dim / 2);
  const auto base = static_cast<float>(theta);
  for (size_t i = 0; i < out.size(); ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(head_dim);
    out[i] = 1.0f / std::pow(base, exponent);
  }
  return out;
}

uint32_t rotary_dim(const DecoderConfig& config) { return config.rotary_dim == 0 ? config.head_dim : config.rotary_dim; }

double get_number(const json::object& parameters, std::string_view key, std::string_view kind) {
  if (const auto value = find_number(parameters, key)) return *value;
  throw Error(Code::unprocessable, "config.json: rope type " + std::string(kind) + " needs the field " + std::string(key));
}

double get_factor(const json::object& parameters, std::string_view kind) {
  const double factor = get_number(parameters, "factor", kind);
  if (!(factor > 0)) refuse_field("rope factor", factor, "it must be positive");
  return factor;
}

void build_linear(const json::object& parameters, double theta, DecoderConfig& out) {
  out.rope.inverse_frequencies = plain_frequencies(theta, rotary_dim(out));
  const auto factor = static_cast<float>(get_factor(parameters, "linear"));
  for (float& value : out.rope.inverse_frequencies) value /= factor;
}

void build_dynamic(const json::object& parameters, double theta, DecoderConfig& out) {
  out.rope.kind = Rope::Kind::dynamic;
  out.rope.factor = get_factor(parameters, "dynamic");
  out.rope.original_context = out.context;
  out.rope.inverse_frequencies = plain_frequencies(theta, rotary_dim(out));
}

double original_context(const json::object& parameters, const DecoderConfig& out) {
  const double value = find_number(parameters, "original_max_position_embeddings").value_or(out.context);
  if (!(value >= 1)) refuse_field("original_max_position_embeddings", value);
  return value;
}

void build_llama3(const json::object& parameters, double theta, DecoderConfig& out) {
  const double factor = get_factor(parameters, "llama3");
  const double low = get_number(parameters, "low_freq_factor", "llama3");
  const double high = get_number(parameters, "high_freq_factor", "llama3");
  const double context = original_context(parameters, out);
  out.rope.inverse_frequencies = plain_frequencies(theta, rotary_dim(out));
  for (float& value : out.rope.inverse_frequencies) {
    const double wavelength = 2 * std::numbers::pi / static_cast<double>(value);
    if (wavelength < context / high) continue;
    if (wavelength > context / low) {
      value = static_cast<float>(value / factor);
      continue;
    }
    const double smooth = (context / wavelength - low) / (high - low);
    value = static_cast<float>((1 - smooth) * value / factor + smooth * value);
  }
}

double yarn_magnitude(double scale, double multiplier) { return scale <= 1 ? 1.0 : 0.1 * multiplier * std::log(scale) + 1.0; }

double yarn_attention_factor(const json::object& parameters, double factor) {
  if (const auto given = find_number(parameters, "attention_factor")) return *given;
  const double mscale = find_number(parameters, "mscale").value_or(0), all_dim = find_number(parameters, "mscale_all_dim").value_or(0);
  if (mscale != 0 && all_dim != 0) return yarn_magnitude(factor, mscale) / yarn_magnitude(factor, all_dim);
  return yarn_magnitude(factor, 1);
}

void build_yarn(const json::object& parameters, double theta, DecoderConfig& out) {
  const double factor = get_factor(parameters, "yarn");
  const double context = original_context(parameters, out);
  const double dim = rotary_dim(out);
  const auto or_default = [&](std::string_view key, double absent) {
    const double value = find_number(parameters, key).value_or(absent);
    return value == 0 ? absent : value;
  };
  const auto correction = [&](double rotations) {
    return dim * std::log(context / (rotations * 2 * std::numbers::pi)) / (2 * std::log(theta));
  };
  double low = correction(or_default("beta_fast", 32)), high = correction(or_default("beta_slow", 1));
  if (find_bool(parameters, "truncate").value_or(true)) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dim - 1);
  if (low == high) high += 0.001;
  out.rope.attention_scale = static_cast<float>(yarn_attention_factor(parameters, factor));
  out.rope.inverse_frequencies = plain_frequencies(theta, rotary_dim(out));
  for (size_t i = 0; i < out.rope.inverse_frequencies.size(); ++i) {
    float& value = out.rope.inverse_frequencies[i];
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    value = static_cast<float>(value / factor * ramp + value * (1 - ramp));
  }
}

std::vector<float> scaled_by_list(const json::object& parameters, std::string_view key, const std::vector<float>& plain) {
  const auto* factors = find_array(parameters, key);
  if (factors == nullptr || factors->size() != plain.size()) {
    throw Error(Code::unprocessable, "config.json: rope type longrope needs " + std::string(key) + " with " + std::to_string(plain.size()) + " numbers");
  }
  std::vector<float> out(plain.size());
  for (size_t i = 0; i < plain.size(); ++i) {
    const json::value& factor = (*factors)[i];
    if (!factor.is_number() || !(factor.to_number<double>() > 0)) refuse_field(key, factor, "it must be a positive number");
    out[i] = plain[i] / static_cast<float>(factor.to_number<double>());
  }
  return out;
}

void build_longrope(const json::object& parameters, double theta, DecoderConfig& out) {
  const double context = original_context(parameters, out);
  const double factor = find_number(parameters, "factor").value_or(out.context / context);
  const double absent = factor <= 1 ? 1.0 : std::sqrt(1 + std::log(factor) / std::log(context));
  const std::vector<float> plain = plain_frequencies(theta, rotary_dim(out));
  out.rope.kind = Rope::Kind::longrope;
  out.rope.original_context = static_cast<uint32_t>(context);
  out.rope.attention_scale = static_cast<float>(find_number(parameters, "attention_factor").value_or(absent));
  out.rope.inverse_frequencies = scaled_by_list(parameters, "short_factor", plain);
  out.rope.long_inverse_frequencies = scaled_by_list(parameters, "long_factor", plain);
}

void build_default(const json::object&, double theta, DecoderConfig& out) {
  out.rope.inverse_frequencies = plain_frequencies(theta, rotary_dim(out));
}

struct RopeKind {
  std::string_view name;
  void (*build)(const json::object& parameters, double theta, DecoderConfig& out);
};
constexpr RopeKind kRopeKinds[] = {{"default", build_default}, {"linear", build_linear}, {"dynamic", build_dynamic},
                                   {"llama3", build_llama3},   {"yarn", build_yarn},     {"longrope", build_longrope},
                                   {"su", build_longrope}};   // Phi 3's first name for it

}  // namespace

void build_rope(const json::object& parameters, double theta, DecoderConfig& out) {
  theta = find_number(parameters, "rope_theta").value_or(theta);
  if (!(theta > 1)) refuse_field("rope_theta", theta, "it must be above 1");
  if (const auto partial = find_number(parameters, "partial_rotary_factor"); partial && *partial != 1.0 && out.rotary_dim == 0) {
    refuse_field("partial_rotary_factor", *partial);
  }
  out.rope = {};
  out.rope.theta = static_cast<float>(theta);
  std::string kind = find_string(parameters, "rope_type").value_or("");
  if (kind.empty()) kind = find_string(parameters, "type").value_or("default");
  for (const RopeKind& entry : kRopeKinds) {
    if (entry.name == kind) return entry.build(parameters, theta, out);
  }
  refuse_field("rope_type", kind, "supported are default, linear, dynamic, llama3, yarn, longrope");
}

void read_rope(const json::object& config, double theta, DecoderConfig& out) {
  const json::object* parameters = find_object(config, "rope_scaling");
  if (parameters == nullptr) parameters = find_object(config, "rope_parameters");
  json::object flat = parameters == nullptr ? json::object{} : *parameters;
  for (const auto& [key, value] : flat) {
    if (value.is_object()) refuse_field("rope_parameters." + std::string(key), value, "rope parameters that differ by layer type are not implemented");
  }
  // Phi-style files keep the pre-training length outside the dictionary, and it wins there.
  if (const auto* original = config.if_contains("original_max_position_embeddings"); original != nullptr && !original->is_null()) {
    flat["original_max_position_embeddings"] = *original;
  }
  build_rope(flat, find_number(config, "rope_theta").value_or(theta), out);
}

std::vector<float> Rope::inverse_frequencies_for(uint64_t length) const {
  if (kind == Kind::fixed || length <= original_context) return inverse_frequencies;
  if (kind == Kind::longrope) return long_inverse_frequencies;
  const auto dim = static_cast<double>(2 * inverse_frequencies.size());
  const double growth = factor * static_cast<double>(length) / original_context - (factor - 1);
  return plain_frequencies(theta * std::pow(growth, dim / (dim - 2)), static_cast<uint32_t>(2 * inverse_frequencies.size()));
}

}  // namespace lyceum::models
