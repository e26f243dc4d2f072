// cached_tokens.h: which keys and values of one sequence of tokens are in a KvPool, and which of its blocks others may find again.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/kv_pool.h"
#include "models/decoder.h"

namespace lyceum::engine {

// May a sequence that becomes `length` tokens long share blocks with sequences of another length? Not where rotation depends on the length.
inline bool may_share(const models::Rope& rope, uint64_t length) noexcept { return rope.kind == models::Rope::Kind::fixed || length <= rope.original_context; }

// Not thread-safe, like the pool. release() before it goes. `tokens` is the same sequence in every call; it only grows.
struct CachedTokens {
  std::vector<KvBlock*> blocks;
  size_t computed = 0;              // tokens whose keys and values are in the blocks
  size_t published = 0;             // blocks that were published or taken from others
  uint64_t parent = kRootBit;       // serial of the last of those, or the root
  bool shareable = true;            // may_share()

  // At a block's border, with more than a block to come?
  bool has_full_block(std::span<const int32_t> tokens) const noexcept { return shareable && computed % kBlockTokens == 0 && tokens.size() - computed > kBlockTokens; }
  BlockKey key_at(std::span<const int32_t> tokens, size_t position) const;
  // Full blocks that somebody has computed already; returns how many tokens they hold. One token at least is left to compute.
  size_t take_published(KvPool& kv, std::span<const int32_t> tokens);
  void publish_full_blocks(KvPool& kv, std::span<const int32_t> tokens);
  bool try_reserve(KvPool& kv, size_t positions);   // false: the pool is empty; the blocks that it had are kept
  void release(KvPool& kv, uint64_t root = kRootBit);
};

}  // namespace lyceum::engine
