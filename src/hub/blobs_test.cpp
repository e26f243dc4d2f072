#include "hub/blobs/disk_blob_store.h"
#include "hub/blobs/mem_blob_store.h"
#include "hub/hub_fixture.h"

namespace lyceum::hub {
namespace {

// One contract for every blob store.
class BlobStoreContract : public ::testing::TestWithParam<const char*> {
 protected:
  BlobStoreContract() {
    if (std::string_view(GetParam()) == "mem") store = std::make_unique<MemBlobStore>();
    else store = std::make_unique<DiskBlobStore>(folder.path() / "blobs", folder.path() / "staging");
  }
  size_t staged() const {
    const fs::path staging = folder.path() / "staging";
    return fs::exists(staging) ? static_cast<size_t>(std::distance(fs::directory_iterator(staging), fs::directory_iterator())) : 0;
  }
  TempFolder folder;
  std::unique_ptr<BlobStore> store;
};

TEST_P(BlobStoreContract, KeepsWhatWasWritten) {
  auto writer = store->write();
  writer->write(as_bytes("hello "));
  writer->write(as_bytes("world"));
  const std::string sha256 = writer->finish(sha256_hex("hello world"));
  EXPECT_EQ(sha256, sha256_hex("hello world"));
  EXPECT_TRUE(store->has(sha256));
  EXPECT_EQ(store->get_size(sha256), 11u);
  EXPECT_EQ(store->load(sha256, 6, 100), "world");
  EXPECT_EQ(store->load(sha256, 11, 1), "");
  EXPECT_EQ(staged(), 0u);
}

TEST_P(BlobStoreContract, PutTwiceKeepsOneCopy) {
  for (int i = 0; i < 2; ++i) {
    const auto writer = store->write();
    writer->write(as_bytes("same"));
    writer->finish(std::nullopt);
  }
  size_t count = 0;
  store->for_each([&](const std::string&, uint64_t size) { count += size == 4; });
  EXPECT_EQ(count, 1u);
  EXPECT_EQ(staged(), 0u);
}

TEST_P(BlobStoreContract, PutRejectsWrongDigest) {
  {
    const auto writer = store->write();
    writer->write(as_bytes("x"));
    EXPECT_THROW(writer->finish(sha256_hex("y")), Error);
  }
  EXPECT_FALSE(store->has(sha256_hex("x")));
  EXPECT_FALSE(store->has(sha256_hex("y")));
  EXPECT_EQ(staged(), 0u);
}

TEST_P(BlobStoreContract, AbandonedUploadLeavesNothing) {
  { store->write()->write(as_bytes("half")); }
  EXPECT_EQ(staged(), 0u);
  EXPECT_FALSE(store->has(sha256_hex("half")));
}

TEST_P(BlobStoreContract, EmptyBlobIsABlob) {
  const std::string sha256 = store->write()->finish(std::nullopt);
  EXPECT_TRUE(store->has(sha256));
  EXPECT_EQ(store->get_size(sha256), 0u);
}

TEST_P(BlobStoreContract, StrangeDigestsAreAbsent) {
  for (const char* digest : {"", "../../etc/passwd", "ABCDEF", "zz"}) EXPECT_FALSE(store->has(digest));
  EXPECT_THROW(store->get_size("nope"), Error);
}

INSTANTIATE_TEST_SUITE_P(All, BlobStoreContract, ::testing::Values("disk", "mem"));

class XetIndex : public HubFixture {};

TEST_F(XetIndex, FindsFilesXorbsAndChunks) {
  const std::string sha256 = put_blob("0123456789");
  const std::string file_hash(64, '1'), xorb(64, '2'), chunk_a(64, 'a'), chunk_b(64, 'b');
  const Hub::XetFile file{file_hash, sha256, 10, {{xorb, 0, 1}, {xorb, 1, 2}}};
  hub->index_xet(file, {{chunk_a, {sha256, 0, 4}}, {chunk_b, {sha256, 4, 6}}}, {{xorb, {{chunk_a, 4}, {chunk_b, 6}}}});
  hub->index_xet(file, {}, {});
  reopen();
  const auto found = hub->find_xet_file(file_hash);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->sha256, sha256);
  EXPECT_EQ(found->size, 10u);
  ASSERT_EQ(found->terms.size(), 2u);
  EXPECT_EQ(found->terms[1].xorb, xorb);
  EXPECT_EQ(found->terms[1].chunk_begin, 1u);
  EXPECT_EQ(found->terms[1].chunk_end, 2u);
  EXPECT_EQ(hub->find_xet_file_by_sha256(sha256)->file_hash, file_hash);
  ASSERT_EQ(hub->find_xorb(xorb)->size(), 2u);
  EXPECT_EQ(hub->find_xorb(xorb)->at(1).hash, chunk_b);
  EXPECT_EQ(hub->find_xorb(xorb)->at(1).length, 6u);
  EXPECT_EQ(hub->find_chunk(chunk_b)->offset, 4u);
  EXPECT_EQ(hub->find_chunk(chunk_b)->sha256, sha256);
  EXPECT_FALSE(hub->find_chunk(std::string(64, 'c')));
  EXPECT_FALSE(hub->find_xorb("short"));
  EXPECT_FALSE(hub->find_xet_file(std::string(64, '9')));
}

TEST_F(XetIndex, RefusesAFileWhoseContentIsNotStored) {
  const Hub::XetFile file{std::string(64, '1'), std::string(64, '3'), 10, {}};
  EXPECT_EQ(code_of([&] { hub->index_xet(file, {}, {}); }), Code::not_found);
  const Hub::XetFile other_size{std::string(64, '1'), put_blob("abc"), 10, {}};
  EXPECT_EQ(code_of([&] { hub->index_xet(other_size, {}, {}); }), Code::unprocessable);
}

TEST_F(XetIndex, ShowsTheHashInListings) {
  const Repo repo = make_repo("m");
  const std::string sha256 = put_blob("weights");
  hub->link_blob(repo, sha256);
  commit(repo, {AddLargeFile{"w.bin", sha256, 7}});
  EXPECT_EQ(hub->find_entry(repo, again(repo).head, "w.bin")->xet_hash, "");
  hub->index_xet({std::string(64, '1'), sha256, 7, {}}, {}, {});
  EXPECT_EQ(hub->find_entry(repo, again(repo).head, "w.bin")->xet_hash, std::string(64, '1'));
}

TEST_F(XetIndex, TakesManyChunksQuickly) {
  const std::string sha256 = put_blob("x");
  std::vector<std::pair<std::string, Hub::ChunkPlace>> chunks;
  for (int i = 0; i < 20000; ++i) chunks.emplace_back(sha256_hex(std::to_string(i)), Hub::ChunkPlace{sha256, static_cast<uint64_t>(i), 1});
  const double start = process_cpu_seconds();
  hub->index_xet({std::string(64, '1'), sha256, 1, {}}, chunks, {});
  EXPECT_LT(process_cpu_seconds() - start, 5.0);
  EXPECT_EQ(hub->find_chunk(chunks[777].first)->offset, 777u);
}

}  // namespace
}  // namespace lyceum::hub
