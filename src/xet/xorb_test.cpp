#include "xet/xorb.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "xet/plain_xorb.h"
#include "xet/testing_content.h"

namespace lyceum::xet {
namespace {

// Hands out at most `step` bytes at a time, as a network would.
ReadBytes reader_of(const std::string& data, size_t step = 1000) {
  return [&data, step, at = size_t{0}](std::span<std::byte> into) mutable {
    const size_t count = std::min({into.size(), step, data.size() - at});
    std::memcpy(into.data(), data.data() + at, count);
    at += count;
    return count;
  };
}

std::string read_all(const std::string& data, std::vector<Chunk>* chunks = nullptr) {
  XorbReader reader(reader_of(data));
  std::string raw;
  while (const auto chunk = reader.next()) raw += as_text(*chunk);
  if (chunks) *chunks = reader.chunks();
  return raw;
}

std::string plain(const std::vector<std::string>& chunks) {
  std::string out;
  for (const std::string& chunk : chunks) {
    out += std::string(as_text(plain_chunk_header(static_cast<uint32_t>(chunk.size())))) + chunk;
  }
  return out;
}

// The recorded xorb holds chunks of all three schemes.
TEST(Xorb, ReadsWhatTheClientSends) {
  std::vector<Chunk> chunks;
  const std::string raw = read_all(testing::golden("upload_0.xorb"), &chunks);
  EXPECT_EQ(to_text(xorb_hash(chunks)), testing::uploaded_xorb_name());
  for (const auto& file : testing::uploaded_files()) {
    EXPECT_NE(raw.find(testing::content(file.size, file.seed, file.kind)), std::string::npos) << file.kind;
  }
}

TEST(Xorb, SkipsFooter) {
  const std::string body = plain({"abc", "defg"});
  EXPECT_EQ(read_all(body + "XETBLOB" + std::string(1, '\1') + std::string(100, 'x')), "abcdefg");
}

TEST(Xorb, EveryTruncationIsRefused) {
  const std::string whole = testing::golden("upload_0.xorb");
  for (size_t size = 0; size < whole.size(); size += 997) {
    std::vector<Chunk> chunks;
    try {
      read_all(whole.substr(0, size), &chunks);
      EXPECT_NE(to_text(xorb_hash(chunks)), testing::uploaded_xorb_name());
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::invalid_argument);
    }
  }
}

TEST(Xorb, EveryFlippedByteIsNoticed) {
  const std::string whole = testing::golden("upload_0.xorb");
  for (size_t at = 0; at < whole.size(); at += 1999) {
    std::string bad = whole;
    bad[at] = static_cast<char>(bad[at] ^ 0x11);
    std::vector<Chunk> chunks;
    try {
      read_all(bad, &chunks);
      EXPECT_NE(to_text(xorb_hash(chunks)), testing::uploaded_xorb_name()) << at;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::invalid_argument);
    }
  }
}

TEST(Xorb, RefusesLimitsAndNonsense) {
  EXPECT_THROW(read_all(""), Error);
  EXPECT_THROW(read_all(plain({""})), Error);
  EXPECT_THROW(read_all(plain({std::string(kChunkBytesMax + 1, 'x')})), Error);
  EXPECT_THROW(read_all(plain(std::vector<std::string>(kXorbChunksMax + 1, "x"))), Error);
  EXPECT_THROW(read_all(plain(std::vector<std::string>(513, std::string(kChunkBytesMax, 'x')))), Error);
  EXPECT_NO_THROW(read_all(plain(std::vector<std::string>(512, std::string(kChunkBytesMax, 'x')))));
  std::string scheme = plain({"abc"});
  scheme[4] = 7;
  EXPECT_THROW(read_all(scheme), Error);
  std::string version = plain({"abc"});
  version[0] = 1;
  EXPECT_THROW(read_all(version), Error);
}

// A frame that would unpack to far more than its header says must stop at the declared length.
TEST(Xorb, DecompressionBomb_regression) {
  std::string whole = testing::golden("upload_0.xorb");
  whole[5] = 16;  // declared raw length of the first, LZ4-compressed chunk becomes 16
  whole[6] = whole[7] = 0;
  EXPECT_THROW(read_all(whole), Error);
}

TEST(PlainXorb, PiecesCoverAnyRange) {
  const std::vector<std::string> chunks = {"a", "bcdef", std::string(300, 'g'), "hi"};
  const std::string whole = plain(chunks);
  std::vector<uint32_t> lengths;
  for (const auto& chunk : chunks) lengths.push_back(static_cast<uint32_t>(chunk.size()));
  const PlainXorb layout(lengths);
  ASSERT_EQ(layout.size(), whole.size());
  EXPECT_EQ(layout.length(2), 300u);
  for (uint64_t begin = 0; begin <= whole.size(); ++begin) {
    for (uint64_t end = begin; end <= whole.size(); ++end) {
      std::string out;
      layout.for_each_piece(begin, end, [&](const PlainXorb::Piece& piece) {
        const auto header = plain_chunk_header(layout.length(piece.chunk));
        out += as_text(Bytes(header).subspan(piece.header_begin, piece.header_end - piece.header_begin));
        out += chunks[piece.chunk].substr(piece.data_begin, piece.data_end - piece.data_begin);
      });
      ASSERT_EQ(out, whole.substr(begin, end - begin)) << begin << " " << end;
    }
  }
}

}  // namespace
}  // namespace lyceum::xet
