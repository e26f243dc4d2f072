#include <gtest/gtest.h>

#include <atomic>
#include <numeric>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/html.h"
#include "base/json.h"
#include "base/large_file.h"
#include "base/lru_cache.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/random.h"
#include "base/threads.h"

namespace lyceum {
namespace {

TEST(Bytes, HexRoundTrips) {
  EXPECT_EQ(to_hex(as_bytes(std::string("\x00\xff\x10", 3))), "00ff10");
  EXPECT_EQ(find_from_hex("00ff10"), std::string("\x00\xff\x10", 3));
  EXPECT_FALSE(find_from_hex("0"));
  EXPECT_FALSE(find_from_hex("zz"));
}

TEST(Bytes, Base64RoundTripsEveryLength) {
  for (size_t length = 0; length < 50; ++length) {
    const std::string bytes = secure_bytes(length);
    EXPECT_EQ(find_from_base64(to_base64(as_bytes(bytes))), bytes);
  }
  EXPECT_FALSE(find_from_base64("a"));
  EXPECT_FALSE(find_from_base64("ab c"));
  EXPECT_FALSE(find_from_base64("====") && !find_from_base64("====")->empty());
}

TEST(ByteReader, RefusesToReadPastTheEnd) {
  ByteReader reader(as_bytes("abc"), "thing");
  EXPECT_EQ(reader.read<uint8_t>(), 'a');
  EXPECT_THROW(reader.read<uint32_t>(), Error);
}

TEST(Hash, MatchesKnownDigests) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Hasher sha1(Hasher::Kind::sha1);
  sha1.update("blob 0");
  sha1.update(std::string_view("\0", 1));
  EXPECT_EQ(sha1.finish_hex(), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
}

TEST(Files, AReadOnlyDiskIsNotTheCallersFault) {
  for (const auto& [number, code] : {std::pair(EROFS, Code::unavailable), std::pair(EACCES, Code::forbidden), std::pair(ENOSPC, Code::storage_full)}) {
    try {
      errno = number;
      throw_errno("write", "f");
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << number;
    }
  }
}

TEST(Files, DurableWriteReplacesWholeContent) {
  const TempFolder folder;
  const fs::path path = folder.path() / "a/b/c.txt";
  write_file_durable(path, "one");
  write_file_durable(path, "two");
  EXPECT_EQ(read_file(path), "two");
  EXPECT_EQ(as_text(MappedFile(path).bytes()), "two");
  EXPECT_EQ(sha256_file_hex(path), sha256_hex("two"));
  EXPECT_EQ(std::distance(fs::directory_iterator(path.parent_path()), {}), 1);
}

TEST(Files, MissingFileNamesThePath) {
  try {
    read_file("/nonexistent/file");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::not_found);
    EXPECT_NE(std::string(error.what()).find("/nonexistent/file"), std::string::npos);
  }
}

TEST(ThreadPool, RunsEveryTaskExactlyOnce) {
  for (unsigned threads : {1u, 2u, 5u}) {
    ThreadPool pool(threads);
    for (int repeat = 0; repeat < 200; ++repeat) {
      std::vector<std::atomic<int>> hits(37);
      pool.run(hits.size(), [&](size_t task, unsigned worker) {
        ASSERT_LT(worker, threads);
        hits[task].fetch_add(1);
      });
      for (const auto& hit : hits) EXPECT_EQ(hit.load(), 1);
    }
  }
}

TEST(Json, LimitsDepthAndNamesKeys) {
  EXPECT_THROW(parse_json(std::string(1000, '['), "x"), Error);
  const auto value = parse_json(R"({"a":1,"b":"t","n":null})", "x");
  EXPECT_EQ(get_int(value.as_object(), "a"), 1);
  EXPECT_EQ(find_string(value.as_object(), "n"), std::nullopt);
  EXPECT_THROW(get_string(value.as_object(), "a"), Error);
  EXPECT_EQ(pretty_json(value), "{\n  \"a\": 1,\n  \"b\": \"t\",\n  \"n\": null\n}\n");
}

TEST(Rng, SequenceIsFixedForever) {
  Rng rng(0);
  EXPECT_EQ(rng.next(), 0xe220a8397b1dcdafULL);
  EXPECT_EQ(rng.next(), 0x6e789e6aa1b965f4ULL);
  for (int i = 0; i < 1000; ++i) EXPECT_LT(rng.below(7), 7u);
}

TEST(Clock, FormatsIso8601) { EXPECT_EQ(iso8601(1755684000123), "2025-08-20T10:00:00.123Z"); }

TEST(Progress, HumanUnits) {
  EXPECT_EQ(human_bytes(1536), "1.5 KiB");
  EXPECT_EQ(human_duration(200), "3 min 20 s");
}

TEST(LruCache, DropsTheLeastRecentlyUsedByCost) {
  LruCache<int> cache(10);
  for (const char* const key : {"a", "b", "c"}) cache.put(key, key[0], 3);
  EXPECT_TRUE(cache.find("a"));
  cache.put("d", 'd', 4);
  EXPECT_FALSE(cache.find("b")) << "used longest ago";
  ASSERT_TRUE(cache.find("a"));
  EXPECT_EQ(*cache.find("a"), 'a');
  cache.put("a", 'A', 1);
  EXPECT_EQ(*cache.find("a"), 'A') << "in place of the old one, whose cost is given back";
  cache.put("e", 'e', 2);
  EXPECT_TRUE(cache.find("c"));
  cache.remove("c");
  cache.remove("c");
  EXPECT_FALSE(cache.find("c"));
  cache.put("huge", 'h', 11);
  for (const char* const key : {"huge", "a", "d", "e"}) EXPECT_FALSE(cache.find(key)) << key;
  cache.put("f", 'f', 10);
  EXPECT_TRUE(cache.find("f")) << "nothing is counted twice";
}

TEST(Html, TextCannotBecomeMarkup) { EXPECT_EQ(escape_html("<a b=\"c\">&amp; 'd'</a>"), "&lt;a b=&quot;c&quot;&gt;&amp;amp; 'd'&lt;/a&gt;"); }

TEST(LargeFileReader, ReadsAnyPiece) {
  const TempFolder disk(fs::current_path()), memory(fs::exists("/dev/shm") ? "/dev/shm" : fs::temp_directory_path());
  Rng rng(6);
  std::string content((size_t{5} << 20) + 77, '\0');
  for (char& c : content) c = static_cast<char>(rng.below(256));
  for (const fs::path& folder : {disk.path(), memory.path()}) {
    write_file_durable(folder / "f", content);
    LargeFileReader reader(folder / "f");
    ASSERT_EQ(reader.size(), content.size());
    uint64_t at = 0;
    for (int i = 0; i < 300; ++i) {
      const size_t length = static_cast<size_t>(std::min<uint64_t>(rng.below(LargeFileReader::kPieceBytesMax + 1), content.size() - at));
      EXPECT_EQ(as_text(reader.read(at, length)), std::string_view(content).substr(at, length));
      at = i % 3 == 0 ? rng.below(content.size()) : (at + length) % content.size();
    }
    EXPECT_EQ(reader.read(content.size(), 0).size(), 0u);
    EXPECT_THROW(reader.read(content.size() - 3, 4), Error);
    EXPECT_THROW(reader.read(content.size() + 1, 0), Error);
  }
}

// Whatever the pieces, on a file system with direct writes and on one without.
TEST(LargeFileWriter, WritesWhatItWasGiven) {
  const TempFolder disk(fs::current_path()), memory(fs::exists("/dev/shm") ? "/dev/shm" : fs::temp_directory_path());
  Rng rng(5);
  for (const size_t size : {size_t{0}, size_t{1}, size_t{4095}, size_t{4096}, (size_t{1} << 20) - 1, size_t{1} << 20, (size_t{3} << 20) + 5}) {
    std::string content(size, '\0');
    for (char& c : content) c = static_cast<char>(rng.below(256));
    for (const fs::path& folder : {disk.path(), memory.path()}) {
      const fs::path path = folder / std::to_string(size);
      LargeFileWriter writer(path, 0600);
      std::string_view left = content;
      bool in_place = false;
      while (!left.empty()) {
        const size_t count = std::min<size_t>(left.size(), 1 + rng.below(300'000));
        if ((in_place = !in_place)) {
          const auto room = writer.room();
          const size_t fits = std::min(count, room.size());
          std::memcpy(room.data(), left.data(), fits);
          writer.filled(fits);
          left.remove_prefix(fits);
        } else {
          writer.append(as_bytes(left.substr(0, count)));
          left.remove_prefix(count);
        }
      }
      writer.finish();
      EXPECT_TRUE(read_file(path) == content) << size << " in " << folder;
      EXPECT_EQ(fs::status(path).permissions(), fs::perms::owner_read | fs::perms::owner_write);
      EXPECT_THROW(LargeFileWriter{path}, Error);  // it exists
    }
  }
}

TEST(Memory, IsWhatThisMachineHas) {
  const MemoryState state = read_memory_state();
  EXPECT_GT(state.total, 64u << 20);
  EXPECT_GT(state.available, 0u);
  EXPECT_LE(state.available, state.total);
}

}  // namespace
}  // namespace lyceum
