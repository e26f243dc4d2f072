#include "xet/shard.h"

#include <algorithm>
#include <cstring>

#include "xet/xorb.h"

namespace lyceum::xet {
namespace {

constexpr size_t kRecord = 48;
constexpr uint64_t kHeaderVersion = 2, kFooterVersion = 1, kFooterBytes = 200;
constexpr std::array<uint8_t, 32> kTag = {'H', 'F', 'R', 'e', 'p', 'o', 'M', 'e', 't', 'a',  'D',  'a',  't',  'a',  0,   0x55,
                                          'i', 'g', 'E', 'j', '{', 0x81, 'W', 0x83, 0xa5, 0xbd, 0xd9, 0x5c, 0xcd, 0xd1, 'J', 0xa9};
constexpr uint32_t kWithTermHashes = 1u << 31, kWithSha256 = 1u << 30, kChunkEligible = 1u << 31;

[[noreturn]] void refuse(const std::string& why) { throw Error(Code::invalid_argument, "Malformed shard: " + why + "."); }

Hash read_hash(ByteReader& in) {
  Hash hash;
  std::memcpy(hash.bytes.data(), in.take(32).data(), 32);
  return hash;
}

bool is_bookend(const Hash& hash) {
  return std::all_of(hash.bytes.begin(), hash.bytes.end(), [](std::byte b) { return b == std::byte{0xff}; });
}

// Refuses a count that the remaining bytes cannot hold, before anything is reserved for it.
void require_records(const ByteReader& in, uint64_t count) {
  if (count > in.remaining() / kRecord) refuse("a count is larger than what follows");
}

ShardTerm read_term(ByteReader& in) {
  ShardTerm term;
  term.xorb = read_hash(in);
  in.skip(4);
  term.length = in.read<uint32_t>();
  term.chunk_begin = in.read<uint32_t>();
  term.chunk_end = in.read<uint32_t>();
  if (term.chunk_begin >= term.chunk_end || term.chunk_end > kXorbChunksMax) refuse("a term has no valid chunk range");
  if (term.length == 0 || term.length > kXorbRawBytesMax) refuse("a term has no valid length");
  return term;
}

ShardFile read_file(ByteReader& in, const Hash& hash) {
  ShardFile file;
  file.hash = hash;
  const auto flags = in.read<uint32_t>();
  const auto count = in.read<uint32_t>();
  in.skip(8);
  if (flags & ~(kWithTermHashes | kWithSha256)) refuse("a file has flags of an unknown meaning");
  require_records(in, uint64_t{count} * (flags & kWithTermHashes ? 2 : 1) + (flags & kWithSha256 ? 1 : 0));
  file.terms.reserve(count);
  for (uint32_t i = 0; i < count; ++i) file.terms.push_back(read_term(in));
  if (flags & kWithTermHashes) {
    file.term_hashes.reserve(count);
    for (uint32_t i = 0; i < count; ++i) {
      file.term_hashes.push_back(read_hash(in));
      in.skip(16);
    }
  }
  if (flags & kWithSha256) {
    // The digest is stored so that the text form of a Xet hash gives its plain hexadecimal form.
    file.sha256 = to_text(read_hash(in));
    in.skip(16);
  }
  return file;
}

ShardXorb read_xorb(ByteReader& in, const Hash& hash) {
  ShardXorb xorb;
  xorb.hash = hash;
  in.skip(4);
  const auto count = in.read<uint32_t>();
  in.skip(4);
  xorb.stored_bytes = in.read<uint32_t>();
  if (count == 0 || count > kXorbChunksMax) refuse("a xorb has no valid number of chunks");
  require_records(in, count);
  xorb.chunks.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    Chunk chunk;
    chunk.hash = read_hash(in);
    in.skip(4);
    chunk.length = in.read<uint32_t>();
    in.skip(8);
    xorb.chunks.push_back(chunk);
  }
  return xorb;
}

// Reads blocks up to the bookend.
template <typename Block, typename Read>
void read_section(ByteReader& in, std::vector<Block>& blocks, Read read) {
  while (true) {
    require_records(in, 1);
    const Hash hash = read_hash(in);
    if (is_bookend(hash)) break;
    blocks.push_back(read(in, hash));
  }
  in.skip(16);
}

class Writer {
 public:
  template <typename T>
  void put(T value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  void put(const Hash& hash) { out.append(reinterpret_cast<const char*>(hash.bytes.data()), hash.bytes.size()); }
  void bookend() {
    out.append(32, '\xff');
    out.append(16, '\0');
  }
  std::string out;
};

void write_xorb(Writer& to, const ShardXorb& xorb, const Hash& key) {
  uint32_t raw_bytes = 0;
  for (const Chunk& chunk : xorb.chunks) raw_bytes += chunk.length;
  to.put(xorb.hash);
  to.put<uint32_t>(0);
  to.put<uint32_t>(static_cast<uint32_t>(xorb.chunks.size()));
  to.put(raw_bytes);
  to.put(xorb.stored_bytes);
  uint32_t offset = 0;
  for (const Chunk& chunk : xorb.chunks) {
    to.put(key == Hash{} ? chunk.hash : keyed_hash(key, chunk.hash));
    to.put(offset);
    to.put(chunk.length);
    to.put<uint32_t>(chunk.hash.last_word() % 1024 == 0 ? kChunkEligible : 0);
    to.put<uint32_t>(0);
    offset += chunk.length;
  }
}

}  // namespace

Shard parse_shard(Bytes bytes) {
  if (bytes.size() > kShardBytesMax) refuse("it is longer than 72 MiB; send smaller shards");
  if (bytes.size() < 3 * kRecord) refuse("it is too short");
  ByteReader in(bytes, "shard");
  if (std::memcmp(in.take(kTag.size()).data(), kTag.data(), kTag.size()) != 0) refuse("it does not start with the shard tag");
  if (in.read<uint64_t>() != kHeaderVersion) refuse("only version 2 is supported");
  in.skip(8);
  Shard shard;
  read_section(in, shard.files, read_file);
  read_section(in, shard.xorbs, read_xorb);
  return shard;
}

std::string write_shard(const std::vector<ShardXorb>& xorbs, const ShardKey& key) {
  Writer to;
  to.out.assign(reinterpret_cast<const char*>(kTag.data()), kTag.size());
  to.put(kHeaderVersion);
  to.put(kFooterBytes);
  to.bookend();
  const uint64_t xorbs_at = to.out.size();
  for (const ShardXorb& xorb : xorbs) write_xorb(to, xorb, key.key);
  to.bookend();
  // The lookup tables of the format are optional and left out: readers then scan the section above.
  const uint64_t end = to.out.size();
  to.put(kFooterVersion);
  to.put<uint64_t>(kRecord);
  to.put(xorbs_at);
  for (int table = 0; table < 3; ++table) {
    to.put(end);
    to.put<uint64_t>(0);
  }
  to.put(key.key);
  to.put(key.created_s);
  to.put(key.expires_s);
  for (int unused = 0; unused < 9; ++unused) to.put<uint64_t>(0);
  to.put(end);
  return std::move(to.out);
}

}  // namespace lyceum::xet
