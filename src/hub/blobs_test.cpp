#include <netinet/in.h>
#include <sys/socket.h>

#include <thread>

#include "base/random.h"
#include "hub/blobs/disk_blob_store.h"
#include "hub/blobs/mem_blob_store.h"
#include "hub/blobs/s3_blob_store.h"
#include "hub/hub_fixture.h"

namespace lyceum::hub {
namespace {

// One contract for every blob store.
class BlobStoreContract : public ::testing::TestWithParam<const char*> {
 protected:
  BlobStoreContract() {
    const std::string_view kind = GetParam();
    if (kind == "mem") store = std::make_unique<MemBlobStore>();
    else if (kind == "s3") store = std::make_unique<S3BlobStore>(s3(), folder.path() / "cache", folder.path() / "staging");
    else store = std::make_unique<DiskBlobStore>(folder.path() / "blobs", folder.path() / "staging");
  }
  S3Options s3() const {
    S3Options options = test_s3(folder.path().string());
    options.part_bytes = 5u << 20;
    return options;
  }
  std::string put(const std::string& content) {
    const auto writer = store->write();
    writer->write(as_bytes(content));
    return writer->finish(std::nullopt);
  }
  size_t staged() const {
    const fs::path staging = folder.path() / "staging";
    return fs::exists(staging) ? static_cast<size_t>(std::distance(fs::directory_iterator(staging), fs::directory_iterator())) : 0;
  }
  TempFolder folder;
  std::unique_ptr<BlobStore> store;
};

// A disk that fails must not make clients believe that a blob was never uploaded.
TEST(DiskBlobs, ADiskThatCannotTellIsAnErrorNotAnAbsence) {
  const TempFolder folder;
  DiskBlobStore store(folder.path() / "blobs", folder.path() / "staging");
  const std::string sha256 = sha256_hex("x");
  EXPECT_FALSE(store.has(sha256) || store.keep(sha256));
  fs::create_symlink(sha256.substr(0, 2), folder.path() / "blobs" / sha256.substr(0, 2));  // a loop: looking there fails
  EXPECT_THROW(store.has(sha256), Error);
  EXPECT_THROW(store.keep(sha256), Error);
}

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

TEST_P(BlobStoreContract, ContentHashesToItsName) {
  if (std::string_view(GetParam()) == "mem") GTEST_SKIP() << "memory has no files";
  const std::string sha256 = put("content");
  EXPECT_EQ(store->hash_content(sha256), sha256);
  EXPECT_EQ(read_file(store->get_path(sha256)), "content");
}

std::vector<const char*> kinds() {
  if (environment("LYCEUM_TEST_S3").empty()) return {"disk", "mem"};
  return {"disk", "mem", "s3"};
}

INSTANTIATE_TEST_SUITE_P(All, BlobStoreContract, ::testing::ValuesIn(kinds()));

// Answers every connection with the same bytes and closes it.
class CannedServer {
 public:
  explicit CannedServer(std::string answer) : answer_(std::move(answer)), listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(::listen(listener_.get(), 8), 0);
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &length);
    url = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    thread_ = std::thread([this] { serve(); });
  }
  ~CannedServer() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  std::string url;

 private:
  void serve() {
    while (true) {
      const UniqueFd client(::accept(listener_.get(), nullptr, nullptr));
      if (!client.valid()) return;
      char buffer[4096];
      if (::read(client.get(), buffer, sizeof buffer) > 0) write_all(client.get(), as_bytes(answer_), "socket");
    }
  }
  const std::string answer_;
  UniqueFd listener_;
  std::thread thread_;
};

TEST(S3Answers, AHeaderWithoutALengthIsNoEmptyObject) {
  S3Options options;
  options.bucket = options.key_id = options.secret = "x";
  const CannedServer cut("HTTP/1.1 200 OK\r\nServer: x\r\n"), whole("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  options.endpoint = whole.url;
  EXPECT_EQ(S3Client(options).find_size("k"), 0u);
  options.endpoint = cut.url;
  EXPECT_THROW(S3Client(options).find_size("k"), Error);
}

class S3Blobs : public ::testing::Test {
 protected:
  void SetUp() override {
    if (environment("LYCEUM_TEST_S3").empty()) GTEST_SKIP() << "run through tests/with_servers.py";
    options = test_s3(folder.path().string());
    options.part_bytes = 5u << 20;
    store = open("cache");
  }
  std::unique_ptr<S3BlobStore> open(const std::string& cache) const {
    return std::make_unique<S3BlobStore>(options, folder.path() / cache, folder.path() / "staging");
  }
  std::string put(const std::string& content) {
    const auto writer = store->write();
    writer->write(as_bytes(content));
    return writer->finish(std::nullopt);
  }
  TempFolder folder;
  S3Options options;
  std::unique_ptr<S3BlobStore> store;
};

TEST_F(S3Blobs, LargeFileGoesInPartsAndComesBackWhole) {
  std::string content = secure_bytes(1 << 20);
  while (content.size() < 12'000'001) content += content;
  const std::string sha256 = put(content);
  const auto other = open("cache of another server");
  EXPECT_EQ(other->get_size(sha256), content.size());
  EXPECT_EQ(other->load(sha256, 5'242'879, 3), content.substr(5'242'879, 3));
  EXPECT_EQ(read_file(other->get_path(sha256)), content);
  EXPECT_EQ(other->hash_content(sha256), sha256);
}

TEST_F(S3Blobs, AnyCopyMayGo) {
  const std::string sha256 = put("kept in the bucket");
  fs::remove_all(folder.path() / "cache");
  EXPECT_EQ(read_file(store->get_path(sha256)), "kept in the bucket");
}

TEST_F(S3Blobs, ForeignBytesUnderANameAreNotServed) {
  const fs::path file = folder.path() / "other";
  write_file_durable(file, "other bytes");
  const std::string name = sha256_hex("the right bytes");
  S3Client(options).put_file(options.prefix + "blobs/" + name, file, 11, sha256_hex("other bytes"));
  EXPECT_THROW(store->get_path(name), Error);
  EXPECT_NE(store->hash_content(name), name);
}

// What a power cut may leave of a copy that was not flushed.
TEST_F(S3Blobs, ACopyThatAnEarlierProcessLeftCutShortIsFetchedAgain) {
  const std::string content(100'000, 'x');
  const std::string sha256 = put(content);
  fs::path copy;
  for (const auto& entry : fs::recursive_directory_iterator(folder.path() / "cache")) copy = entry.is_regular_file() ? entry.path() : copy;
  fs::permissions(copy, fs::perms::owner_all);
  fs::resize_file(copy, 0);
  EXPECT_EQ(read_file(S3BlobStore(options, folder.path() / "cache", folder.path() / "staging").get_path(sha256)), content);
}

TEST_F(S3Blobs, CopiesOverTheLimitLeaveOldestFirst) {
  const std::string old = put(std::string(1000, 'a')), young = put(std::string(1000, 'b'));
  const fs::path path = store->get_path(old);
  fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::hours(1));
  options.cache_bytes = 1500;
  const auto small = open("cache");
  { small->write()->finish(std::nullopt); }
  EXPECT_FALSE(fs::exists(path));
  EXPECT_TRUE(fs::exists(store->get_path(young)));
  EXPECT_EQ(read_file(store->get_path(old)), std::string(1000, 'a'));
}

TEST_F(S3Blobs, LinksAreSignedOnlyWhenAskedFor) {
  const std::string sha256 = put("linked");
  EXPECT_EQ(store->find_url(sha256, "", ""), "");
  options.redirect = true;
  const std::string url = open("cache")->find_url(sha256, "attachment; filename=\"a b\"", "text/plain");
  EXPECT_NE(url.find("/lyceum/" + options.prefix + "blobs/" + sha256 + "?X-Amz-Algorithm="), std::string::npos);
  EXPECT_NE(url.find("response-content-disposition=attachment%3B%20filename%3D%22a%20b%22"), std::string::npos);
  EXPECT_EQ(url.find(options.secret), std::string::npos);
}

TEST_F(S3Blobs, MissingBucketIsNamed) {
  options.bucket = "not-there";
  try {
    open("cache");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("not-there"), std::string::npos);
  }
}

TEST(S3List, IsRead) {
  const S3Page page = parse_s3_list("<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>a&amp;b</Key><Size>5</Size></Contents>"
                                    "<Contents><Key>c</Key><Size>0</Size></Contents><NextContinuationToken>t&lt;</NextContinuationToken></ListBucketResult>");
  ASSERT_EQ(page.items.size(), 2u);
  EXPECT_EQ(page.items[0].key, "a&b");
  EXPECT_EQ(page.items[0].size, 5u);
  EXPECT_EQ(page.next, "t<");
  EXPECT_THROW(parse_s3_list("<html>"), Error);
  EXPECT_THROW(parse_s3_list("<ListBucketResult><Contents><Key>a</Key>"), Error);
  EXPECT_THROW(parse_s3_list("<ListBucketResult><Contents><Key>a</Key><Size>x</Size></Contents>"), Error);
}

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

TEST_F(XetIndex, TakesManyChunks) {
  const std::string sha256 = put_blob("x");
  std::vector<std::pair<std::string, Hub::ChunkPlace>> chunks;
  for (int i = 0; i < 20000; ++i) chunks.emplace_back(sha256_hex(std::to_string(i)), Hub::ChunkPlace{sha256, static_cast<uint64_t>(i), 1});
  chunks.emplace_back(chunks[5].first, Hub::ChunkPlace{sha256, 99, 1});  // a chunk may come twice: its first place counts
  hub->index_xet({std::string(64, '1'), sha256, 1, {}}, chunks, {});
  hub->index_xet({std::string(64, '2'), sha256, 1, {}}, chunks, {});
  for (const size_t i : {0, 5, 255, 256, 777, 19999}) EXPECT_EQ(hub->find_chunk(chunks[i].first).value().offset, i);
}

}  // namespace
}  // namespace lyceum::hub
