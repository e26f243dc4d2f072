// Phi 3, 3.5 and 4: Llama with q, k, v and gate, up stored as one matrix each; Phi 4 mini turns only a part of each head.
#include "models/architecture.h"

namespace lyceum::models {

namespace {

double partial_factor(const json::object& config) {
  for (const std::string_view place : {"rope_parameters", "rope_scaling"}) {
    const auto* parameters = find_object(config, place);
    if (parameters == nullptr) continue;
    if (const auto factor = find_number(*parameters, "partial_rotary_factor")) return *factor;
  }
  return find_number(config, "partial_rotary_factor").value_or(1.0);
}

}  // namespace

void read_phi3(const json::object& config, DecoderConfig& out) {
  if (find_bool(config, "attention_bias").value_or(false)) refuse_field("attention_bias", true);
  const double factor = partial_factor(config);
  if (!(factor > 0 && factor <= 1)) refuse_field("partial_rotary_factor", factor, "it must be above 0 and at most 1");
  if (factor != 1) out.rotary_dim = static_cast<uint32_t>(out.head_dim * factor);
  out.fused_projections = true;
  const int64_t window = find_int(config, "sliding_window").value_or(0);
  if (window < 0) refuse_field("sliding_window", window);
  out.sliding_window.assign(out.layers, static_cast<uint32_t>(window));
}

}  // namespace lyceum::models
