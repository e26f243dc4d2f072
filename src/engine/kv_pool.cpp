#include "engine/kv_pool.h"

#include <algorithm>

#include "base/error.h"

namespace lyceum::engine {

KvLayout layout_of(const models::DecoderConfig& config, tensor::DType dtype) {
  return {config.layers, config.key_columns(), dtype, config.value_columns() != 0};
}

size_t BlockKeyHash::operator()(const BlockKey& key) const noexcept {
  uint64_t hash = key.parent * 0x9e3779b97f4a7c15ULL + 1;
  for (const int32_t token : key.tokens) {
    hash ^= static_cast<uint32_t>(token);
    hash *= 0xff51afd7ed558ccdULL;
    hash ^= hash >> 32;
  }
  return hash;
}

KvPool::KvPool(const KvLayout& layout, uint64_t bytes_max)
    : layout_(layout), blocks_max_(static_cast<size_t>(bytes_max / std::max<size_t>(layout.block_bytes(), 1))) {
  if (blocks_max_ < 2) {
    throw Error(Code::invalid_argument, "kv_bytes_max is too small: " + std::to_string(kBlockTokens) + " tokens of this model take " +
                                            std::to_string(layout.block_bytes()) + " bytes, and two such blocks are the minimum");
  }
}

KvBlock* KvPool::try_allocate() {
  KvBlock* block = nullptr;
  if (!free_.empty()) {
    block = free_.back();
    free_.pop_back();
  } else if (blocks_.size() < blocks_max_) {
    auto fresh = std::make_unique<KvBlock>();
    fresh->memory.reset(new std::byte[layout_.block_bytes()]);
    block = fresh.get();
    blocks_.push_back(std::move(fresh));
  } else if (!idle_.empty()) {
    block = idle_.front();
    idle_.pop_front();
    published_.erase(block->key);
    block->serial = 0;
  } else {
    return nullptr;
  }
  block->users = 1;
  return block;
}

KvBlock* KvPool::find_published(const BlockKey& key) {
  const auto found = published_.find(key);
  if (found == published_.end()) return nullptr;
  KvBlock* block = found->second;
  if (block->users++ == 0) idle_.erase(block->idle);
  return block;
}

uint64_t KvPool::publish(KvBlock& block, const BlockKey& key) {
  const auto [place, inserted] = published_.try_emplace(key, &block);
  if (!inserted) return place->second->serial;
  block.key = key;
  block.serial = next_serial_++;
  return block.serial;
}

void KvPool::release(KvBlock& block) {
  LYCEUM_CHECK(block.users > 0, "a block is released once a user");
  if (--block.users > 0) return;
  if (block.serial == 0) {
    free_.push_back(&block);
  } else {
    block.idle = idle_.insert(idle_.end(), &block);
  }
}

}  // namespace lyceum::engine
