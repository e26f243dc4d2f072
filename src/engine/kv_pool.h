// kv_pool.h: the memory of keys and values, in blocks of 32 tokens that sequences share.
//
// One block holds, for every layer, the keys and then the values of kBlockTokens consecutive positions:
//     [layer 0: K (32, kv columns)][layer 0: V][layer 1: K] …
// or, of a model with latent attention, the keys alone.
// A full block is immutable. Published under (its predecessor, its 32 tokens), it is found again by any later sequence that
// starts with the same tokens, also while the first one is still computing its own prompt. The key holds the tokens
// themselves, not a hash of them: two different prompts can never be mixed up. Blocks that nobody uses stay published until
// their memory is needed, the least recently used first.
//
// Not thread-safe: the engine's thread owns it.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "models/decoder.h"
#include "tensor/view.h"

namespace lyceum::engine {

inline constexpr size_t kBlockTokens = 32;

struct KvLayout {
  uint32_t layers = 0;
  size_t columns = 0;                       // of keys, and of values
  tensor::DType dtype = tensor::DType::f32;
  bool values = true;                       // false: the beginnings of the keys are the values

  size_t half_bytes() const noexcept { return kBlockTokens * tensor::row_bytes(dtype, columns); }  // keys of one layer
  size_t layer_bytes() const noexcept { return values ? 2 * half_bytes() : half_bytes(); }
  size_t block_bytes() const noexcept { return layers * layer_bytes(); }
};
KvLayout layout_of(const models::DecoderConfig& config, tensor::DType dtype);

// Parents with this bit are roots: name spaces of prefixes, one for the base model and one for each loaded adapter.
inline constexpr uint64_t kRootBit = 1ULL << 63;

struct BlockKey {
  uint64_t parent = 0;                      // serial of the published block before this one, or a root (see kRootBit)
  std::array<int32_t, kBlockTokens> tokens{};
  bool operator==(const BlockKey&) const = default;
};
struct BlockKeyHash {
  size_t operator()(const BlockKey& key) const noexcept;
};

struct KvBlock {
  std::unique_ptr<std::byte[]> memory;
  uint32_t users = 0;
  uint64_t serial = 0;                      // not 0: published under `key`
  BlockKey key;
  std::list<KvBlock*>::iterator idle;       // place in the idle list while published and without users
};

class KvPool {
 public:
  KvPool(const KvLayout& layout, uint64_t bytes_max);
  KvPool(const KvPool&) = delete;
  KvPool& operator=(const KvPool&) = delete;

  const KvLayout& layout() const noexcept { return layout_; }
  size_t blocks_max() const noexcept { return blocks_max_; }
  size_t blocks_available() const noexcept { return blocks_max_ - blocks_.size() + free_.size() + idle_.size(); }

  KvBlock* try_allocate();                                  // one user, not published; null when all blocks are in use
  KvBlock* find_published(const BlockKey& key);             // adds a user
  bool is_published(const BlockKey& key) const { return published_.contains(key); }
  // Publishes a full block; returns the serial that its successor names as parent. If the same content is there already, the
  // block stays private and the other's serial is returned.
  uint64_t publish(KvBlock& block, const BlockKey& key);
  void release(KvBlock& block);                             // removes a user

 private:
  KvLayout layout_;
  size_t blocks_max_;
  uint64_t next_serial_ = 1;
  std::vector<std::unique_ptr<KvBlock>> blocks_;
  std::vector<KvBlock*> free_;
  std::list<KvBlock*> idle_;                                // published, no users; front = least recently used
  std::unordered_map<BlockKey, KvBlock*, BlockKeyHash> published_;
};

}  // namespace lyceum::engine
