// SmolLM3: Llama whose every fourth layer does not rotate its queries and keys.
#include "models/architecture.h"

namespace lyceum::models {

namespace {

// Despite its name a 1 in no_rope_layers means that the layer rotates.
std::vector<LayerRope> read_layer_rope(const json::object& config, uint32_t layers) {
  std::vector<LayerRope> out(layers, LayerRope::main);
  if (const auto* list = find_array(config, "no_rope_layers")) {
    if (list->size() != layers) refuse_field("no_rope_layers", *list, "it needs one entry a layer");
    for (size_t i = 0; i < layers; ++i) {
      const json::value& entry = (*list)[i];
      if (!entry.is_int64() || entry.as_int64() < 0 || entry.as_int64() > 1) refuse_field("no_rope_layers", entry, "entries are 0 or 1");
      if (entry.as_int64() == 0) out[i] = LayerRope::none;
    }
    return out;
  }
  const int64_t interval = find_int(config, "no_rope_layer_interval").value_or(4);
  if (interval < 1) refuse_field("no_rope_layer_interval", interval);
  for (size_t i = 0; i < layers; ++i) {
    if ((static_cast<int64_t>(i) + 1) % interval == 0) out[i] = LayerRope::none;
  }
  return out;
}

}  // namespace

void read_smollm3(const json::object& config, DecoderConfig& out) {
  if (find_bool(config, "use_sliding_window").value_or(false)) refuse_field("use_sliding_window", true);
  read_biases(config, out);
  out.layer_rope = read_layer_rope(config, out.layers);
}

}  // namespace lyceum::models
