#include "xet/hash.h"

#include <blake3.h>

#include <algorithm>
#include <cstring>

namespace lyceum::xet {
namespace {

using Key = std::array<uint8_t, BLAKE3_KEY_LEN>;

constexpr Key kDataKey = {0x66, 0x97, 0xf5, 0x77, 0x5b, 0x95, 0x50, 0xde, 0x31, 0x35, 0xcb, 0xac, 0xa5, 0x97, 0x18, 0x1c,
                          0x9d, 0xe4, 0x21, 0x10, 0x9b, 0xeb, 0x2b, 0x58, 0xb4, 0xd0, 0xb0, 0x4b, 0x93, 0xad, 0xf2, 0x29};
constexpr Key kNodeKey = {0x01, 0x7e, 0xc5, 0xc7, 0xa5, 0x47, 0x29, 0x96, 0xfd, 0x94, 0x66, 0x66, 0xb4, 0x8a, 0x02, 0xe6,
                          0x5d, 0xdd, 0x53, 0x6f, 0x37, 0xc7, 0x6d, 0xd2, 0xf8, 0x63, 0x52, 0xe6, 0x4a, 0x53, 0x71, 0x3f};
constexpr Key kVerificationKey = {0x7f, 0x18, 0x57, 0xd6, 0xce, 0x56, 0xed, 0x66, 0x12, 0x7f, 0xf9, 0x13, 0xe7, 0xa5, 0xc3, 0xf3,
                                  0xa4, 0xcd, 0x26, 0xd5, 0xb5, 0xdb, 0x49, 0xe6, 0x41, 0x24, 0x98, 0x7f, 0x28, 0xfb, 0x94, 0xc3};

// A node has at least two and at most nine children, and ends at the first child from the third on whose hash is a multiple of
// the mean branching factor.
constexpr size_t kBranching = 4;
constexpr size_t kChildrenMax = 2 * kBranching + 1;

Hash keyed(const uint8_t* key, const void* data, size_t size) noexcept {
  blake3_hasher hasher;
  blake3_hasher_init_keyed(&hasher, key);
  blake3_hasher_update(&hasher, data, size);
  Hash out;
  blake3_hasher_finalize(&hasher, reinterpret_cast<uint8_t*>(out.bytes.data()), out.bytes.size());
  return out;
}

uint64_t word(const Hash& hash, size_t index) noexcept {
  uint64_t value = 0;
  for (size_t i = 8; i-- > 0;) value = value << 8 | std::to_integer<uint64_t>(hash.bytes[8 * index + i]);
  return value;
}

// A node of the tree: like a chunk, but lengths add up beyond 32 bits.
struct Node {
  Hash hash;
  uint64_t length = 0;
};

size_t count_children(std::span<const Node> level) {
  if (level.size() <= 2) return level.size();
  const size_t end = std::min(level.size(), kChildrenMax);
  for (size_t i = 2; i < end; ++i) {
    if (level[i].hash.last_word() % kBranching == 0) return i + 1;
  }
  return end;
}

Node join(std::span<const Node> children) {
  std::string lines;
  Node parent;
  for (const Node& child : children) {
    lines += to_text(child.hash) + " : " + std::to_string(child.length) + '\n';
    parent.length += child.length;
  }
  parent.hash = keyed(kNodeKey.data(), lines.data(), lines.size());
  return parent;
}

}  // namespace

uint64_t Hash::last_word() const noexcept { return word(*this, 3); }

std::string to_text(const Hash& hash) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text(64, '0');
  for (size_t i = 0; i < 4; ++i) {
    uint64_t value = word(hash, i);
    for (size_t digit = 16; digit-- > 0; value >>= 4) text[16 * i + digit] = kDigits[value & 15];
  }
  return text;
}

std::optional<Hash> find_from_text(std::string_view text) {
  if (!is_hex(text, 64)) return std::nullopt;
  Hash hash;
  for (size_t i = 0; i < 32; ++i) {
    const auto nibble = [&](size_t at) { return text[at] <= '9' ? text[at] - '0' : text[at] - 'a' + 10; };
    const size_t at = 16 * (i / 8) + 2 * (7 - i % 8);
    hash.bytes[i] = static_cast<std::byte>(nibble(at) << 4 | nibble(at + 1));
  }
  return hash;
}

Hash chunk_hash(Bytes chunk) noexcept { return keyed(kDataKey.data(), chunk.data(), chunk.size()); }

Hash xorb_hash(std::span<const Chunk> chunks) {
  if (chunks.empty()) return {};
  std::vector<Node> level;
  level.reserve(chunks.size());
  for (const Chunk& chunk : chunks) level.push_back({chunk.hash, chunk.length});
  while (level.size() > 1) {
    size_t written = 0;
    for (size_t read = 0; read < level.size();) {
      const size_t children = count_children(std::span(level).subspan(read));
      level[written++] = join(std::span(level).subspan(read, children));
      read += children;
    }
    level.resize(written);
  }
  return level.front().hash;
}

Hash file_hash(std::span<const Chunk> chunks) {
  if (chunks.empty()) return {};
  return keyed_hash(Hash{}, xorb_hash(chunks));
}

Hash term_hash(std::span<const Hash> chunk_hashes) noexcept {
  static_assert(sizeof(Hash) == 32);
  return keyed(kVerificationKey.data(), chunk_hashes.data(), chunk_hashes.size_bytes());
}

Hash keyed_hash(const Hash& key, const Hash& message) noexcept {
  return keyed(reinterpret_cast<const uint8_t*>(key.bytes.data()), message.bytes.data(), message.bytes.size());
}

}  // namespace lyceum::xet
