// bpe.h: byte-pair encoding over a vocabulary and ranked merges, as Hugging Face's BPE model does it.
//
// A piece is cut into characters; then the adjacent pair with the lowest rank (leftmost first) is merged until none is
// left. Symbols are a doubly linked list and candidate pairs a heap, so a piece of n characters costs O(n log n):
// SentencePiece-style files hand a whole document over as one piece.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/model.h"

namespace lyceum::text {

// (left id, right id) -> (rank, merged id). Open addressing: the hot look-up of every tokenizer here.
class MergeTable {
 public:
  struct Merge {
    uint32_t rank;
    int32_t id;
  };
  explicit MergeTable(size_t expected);
  void insert(int32_t left, int32_t right, Merge merge);  // the later of two equal pairs wins
  const Merge* find(int32_t left, int32_t right) const noexcept;

 private:
  struct Slot {
    uint64_t key;
    Merge merge;
  };
  size_t slot_of(uint64_t key) const noexcept;
  std::vector<Slot> slots_;
  size_t mask_;
};

// Applies the merges in place.
void merge_symbols(std::vector<int32_t>& ids, const MergeTable& merges);

// Words seen before, by shards with a lock each. Bounded: a full shard takes no more.
class WordCache {
 public:
  bool find(std::string_view word, std::vector<int32_t>& out) const;
  void insert(std::string_view word, const int32_t* ids, size_t count) const;

 private:
  struct Shard;
  struct ShardsDeleter {
    void operator()(std::array<Shard, 16>* shards) const;
  };
  Shard& shard_of(std::string_view word) const;
  static std::unique_ptr<std::array<Shard, 16>, ShardsDeleter> make_shards();
  std::unique_ptr<std::array<Shard, 16>, ShardsDeleter> shards_ = make_shards();
};

}  // namespace lyceum::text
