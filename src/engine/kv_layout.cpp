#include "engine/kv_layout.h"

namespace lyceum::engine {

KvLayout make_kv_layout(const models::Decoder& decoder, EngineOptions::KvType type) {
  using tensor::DType;
  DType dtype = decoder.embedding.weight.dtype == DType::f32 ? DType::f32 : DType::f16;
  if (type == EngineOptions::KvType::f32) dtype = DType::f32;
  if (type == EngineOptions::KvType::f16) dtype = DType::f16;
  if (type == EngineOptions::KvType::bf16) dtype = DType::bf16;
  return layout_of(decoder.config, dtype);
}

}  // namespace lyceum::engine
