// Qwen2 and Qwen2.5 (also Coder): biases on q, k and v, none on o; windows on the layers from max_window_layers up.
#include "models/architecture.h"

namespace lyceum::models {

void read_qwen2(const json::object& config, DecoderConfig& out) {
  out.qkv_bias = true;
  read_layer_windows(config, out);
}

}  // namespace lyceum::models
