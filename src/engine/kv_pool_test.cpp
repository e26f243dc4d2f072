#include "engine/kv_pool.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace lyceum::engine {
namespace {

const KvLayout kLayout{2, 16, tensor::DType::f32};

BlockKey key_of(uint64_t parent, int32_t first) {
  BlockKey key;
  key.parent = parent;
  key.tokens[0] = first;
  return key;
}

TEST(KvPool, GivesOutNoMoreThanItsLimit) {
  KvPool pool(kLayout, 3 * kLayout.block_bytes());
  EXPECT_EQ(pool.blocks_available(), 3u);
  KvBlock* first = pool.try_allocate();
  EXPECT_NE(pool.try_allocate(), nullptr);
  EXPECT_NE(pool.try_allocate(), nullptr);
  EXPECT_EQ(pool.try_allocate(), nullptr);
  pool.release(*first);
  EXPECT_EQ(pool.try_allocate(), first);
}

TEST(KvPool, FindsPublishedBlocksByContent) {
  KvPool pool(kLayout, 4 * kLayout.block_bytes());
  KvBlock* block = pool.try_allocate();
  const uint64_t serial = pool.publish(*block, key_of(kRootBit, 7));
  EXPECT_EQ(pool.find_published(key_of(kRootBit, 7)), block);
  EXPECT_EQ(pool.find_published(key_of(kRootBit, 8)), nullptr);
  EXPECT_EQ(pool.find_published(key_of(kRootBit + 1, 7)), nullptr);
  KvBlock* same = pool.try_allocate();
  EXPECT_EQ(pool.publish(*same, key_of(kRootBit, 7)), serial);
}

TEST(KvPool, KeepsUnusedBlocksUntilMemoryIsNeeded) {
  KvPool pool(kLayout, 2 * kLayout.block_bytes());
  KvBlock* a = pool.try_allocate();
  KvBlock* b = pool.try_allocate();
  pool.publish(*a, key_of(kRootBit, 1));
  pool.publish(*b, key_of(kRootBit, 2));
  pool.release(*a);
  pool.release(*b);
  EXPECT_EQ(pool.find_published(key_of(kRootBit, 1)), a);  // in use again: not the one to go
  EXPECT_EQ(pool.try_allocate(), b);
  EXPECT_EQ(pool.find_published(key_of(kRootBit, 2)), nullptr);
  EXPECT_EQ(pool.try_allocate(), nullptr);
}

TEST(KvPool, RefusesALimitThatHoldsNothing) { EXPECT_THROW(KvPool(kLayout, 10), Error); }

}  // namespace
}  // namespace lyceum::engine
