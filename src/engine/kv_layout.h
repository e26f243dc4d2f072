// kv_layout.h: what a decoder keeps of every token.
#pragma once

#include "engine/engine.h"
#include "engine/kv_pool.h"

namespace lyceum::engine {

KvLayout make_kv_layout(const models::Decoder& decoder, EngineOptions::KvType type);

}  // namespace lyceum::engine
