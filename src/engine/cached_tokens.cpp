#include "engine/cached_tokens.h"

#include <algorithm>

namespace lyceum::engine {

BlockKey CachedTokens::key_at(std::span<const int32_t> tokens, size_t position) const {
  BlockKey key;
  key.parent = parent;
  std::copy_n(tokens.begin() + static_cast<ptrdiff_t>(position), kBlockTokens, key.tokens.begin());
  return key;
}

size_t CachedTokens::take_published(KvPool& kv, std::span<const int32_t> tokens) {
  size_t taken = 0;
  while (has_full_block(tokens) && blocks.size() * kBlockTokens == computed) {
    KvBlock* block = kv.find_published(key_at(tokens, computed));
    if (block == nullptr) break;
    blocks.push_back(block);
    parent = block->serial;
    computed += kBlockTokens;
    published = blocks.size();
    taken += kBlockTokens;
  }
  return taken;
}

void CachedTokens::publish_full_blocks(KvPool& kv, std::span<const int32_t> tokens) {
  if (!shareable) return;
  while ((published + 1) * kBlockTokens <= computed) {
    parent = kv.publish(*blocks[published], key_at(tokens, published * kBlockTokens));
    ++published;
  }
}

bool CachedTokens::try_reserve(KvPool& kv, size_t positions) {
  while (blocks.size() * kBlockTokens < positions) {
    KvBlock* block = kv.try_allocate();
    if (block == nullptr) return false;
    blocks.push_back(block);
  }
  return true;
}

void CachedTokens::release(KvPool& kv, uint64_t root) {
  for (KvBlock* block : blocks) kv.release(*block);
  blocks.clear();
  computed = published = 0;
  parent = root;
}

}  // namespace lyceum::engine
