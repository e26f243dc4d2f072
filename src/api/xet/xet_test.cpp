// The Xet routes over a real hub in a temporary folder, fed with what hf_xet sent when the goldens were recorded.
#include "api/xet/xet.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "api/services.h"
#include "api/xet/staging.h"
#include "base/json.h"
#include "hub/test_options.h"
#include "xet/shard.h"
#include "xet/testing_content.h"

namespace lyceum::api {
namespace {

using xet::testing::golden;
using xet::testing::uploaded_files;
using xet::testing::uploaded_xorb_name;

class StringBody final : public http::BodyStream {
 public:
  explicit StringBody(std::string text) : text_(std::move(text)) {}
  size_t read(std::span<std::byte> into) override {
    const size_t count = std::min(into.size(), text_.size() - at_);
    if (count > 0) std::memcpy(into.data(), text_.data() + at_, count);
    at_ += count;
    return count;
  }
  std::optional<uint64_t> length() const override { return text_.size(); }

 private:
  std::string text_;
  size_t at_ = 0;
};

class StringWriter final : public http::BodyWriter {
 public:
  void write(std::string_view bytes) override { text += bytes; }
  bool client_gone() override { return false; }
  std::string text;
};

std::string read_range(const http::FileBody& file) {
  return file.length == 0 ? "" : read_file(file.path).substr(file.offset, file.length);
}

struct Answer {
  int status = 0;
  http::Headers headers;
  std::string body;
  json::object object() const { return json::parse(body).as_object(); }
};

class XetApi : public ::testing::Test {
 protected:
  XetApi() : hub_(hub::Hub::open(hub::test_options(folder_.path()), clock_)), services_{*hub_, reinterpret_cast<EngineManager&>(no_engines_), clock_, {}, "test"}, router_(make_router(services_)) {
    alice_ = sign_up("alice");
    bob_ = sign_up("bob");
    make_repo(alice_, "model", false);
    make_repo(bob_, "secret", true);
  }

  struct Person {
    hub::Caller caller;
    std::string token;
  };

  Person sign_up(const std::string& name) {
    const hub::User user = hub_->create_user(name, name, name + "@example.org", "", false);
    const std::string token = hub_->create_token(user, "test", hub::Scope::write);
    return {*hub_->authenticate(token), token};
  }

  void make_repo(const Person& owner, const std::string& name, bool is_private) {
    hub_->create_repo(owner.caller, {hub::RepoType::model, owner.caller.user->name, name}, is_private, "");
  }

  hub::Repo repo(const Person& owner, const std::string& name) { return hub_->get_repo(owner.caller, {hub::RepoType::model, owner.caller.user->name, name}); }

  Answer send(const std::string& method, const std::string& target, const std::string& token, const std::string& body = "", const std::string& range = "") {
    http::Request request;
    StringBody stream(body);
    request.method = method;
    request.target = target;
    request.path = target.substr(0, target.find('?'));
    if (const size_t mark = target.find('?'); mark != std::string::npos) request.query = http::parse_query(target.substr(mark + 1));
    request.base_url = "http://hub.test";
    if (!token.empty()) request.headers.set("Authorization", "Bearer " + token);
    if (!range.empty()) request.headers.set("Range", range);
    request.body = &stream;
    const http::Response response = router_.dispatch(request);
    Answer answer{response.status, response.headers, response.body};
    for (const auto& [text, file] : response.parts) answer.body += text + read_range(file);
    if (response.stream) {
      StringWriter writer;
      response.stream(writer);
      answer.body = writer.text;
    }
    return answer;
  }

  // Path of the store, as the client takes it from the token's address.
  std::string store() {
    const std::string base = send("GET", "/api/models/alice/model/xet-read-token/main", "").object().at("casUrl").as_string().c_str();
    return base.substr(std::string("http://hub.test").size());
  }

  std::string xet_token(const std::string& repo, const std::string& scope, const std::string& token) {
    const Answer answer = send("GET", "/api/models/" + repo + "/xet-" + scope + "-token/main", token);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.object().at("accessToken").as_string().c_str();
  }

  void upload_golden(const std::string& token) {
    ASSERT_EQ(send("POST", store() + "/v1/xorbs/default/" + uploaded_xorb_name(), token, golden("upload_0.xorb")).status, 200);
    const Answer answer = send("POST", store() + "/v1/shards", token, golden("upload.shard"));
    ASSERT_EQ(answer.status, 200) << answer.body;
  }

  // Does what a client does: asks how to rebuild [begin, end) of a file, follows the links, and puts the chunks together.
  std::string rebuild(const std::string& hash, const std::string& token, uint64_t begin, uint64_t end) {
    const Answer plan = send("GET", store() + "/v2/reconstructions/" + hash, token, "", "bytes=" + std::to_string(begin) + "-" + std::to_string(end - 1));
    EXPECT_EQ(plan.status, 200) << plan.body;
    if (plan.status != 200) return "";
    const json::object object = plan.object();
    std::map<std::pair<std::string, int64_t>, std::string> chunks;
    for (const auto& [xorb, links] : object.at("xorbs").as_object()) {
      for (const json::value& entry : links.as_array()) {
        for (const json::value& described : entry.at("ranges").as_array()) fetch(xorb, entry.at("url").as_string().c_str(), described, chunks);
      }
    }
    std::string out;
    for (const json::value& term : object.at("terms").as_array()) {
      std::string part;
      for (int64_t i = term.at("range").at("start").as_int64(); i < term.at("range").at("end").as_int64(); ++i) {
        part += chunks.at({term.at("hash").as_string().c_str(), i});
      }
      EXPECT_EQ(part.size(), term.at("unpacked_length").to_number<size_t>());
      out += part;
    }
    return out.substr(object.at("offset_into_first_range").to_number<size_t>(), end - begin);
  }

  void fetch(const std::string& xorb, const std::string& url, const json::value& described, std::map<std::pair<std::string, int64_t>, std::string>& chunks) {
    const auto number = [&](const char* range, const char* end) { return described.at(range).at(end).to_number<int64_t>(); };
    const std::string target = url.substr(std::string("http://hub.test").size());
    const Answer bytes = send("GET", target, "", "", "bytes=" + std::to_string(number("bytes", "start")) + "-" + std::to_string(number("bytes", "end")));
    ASSERT_EQ(bytes.status, 206) << bytes.body;
    size_t at = 0;
    xet::XorbReader reader([&](std::span<std::byte> into) {
      const size_t count = std::min(into.size(), bytes.body.size() - at);
      if (count > 0) std::memcpy(into.data(), bytes.body.data() + at, count);
      at += count;
      return count;
    });
    for (int64_t i = number("chunks", "start"); i < number("chunks", "end"); ++i) chunks[{xorb, i}] = as_text(reader.next().value());
    EXPECT_FALSE(reader.next());
  }

  TempFolder folder_;
  SystemClock clock_;
  char no_engines_ = 0;
  std::unique_ptr<hub::Hub> hub_;
  Services services_;
  http::Router router_;
  Person alice_, bob_;
};

TEST_F(XetApi, UploadBecomesWholeFiles) {
  upload_golden(xet_token("alice/model", "write", alice_.token));
  for (const auto& file : uploaded_files()) {
    const std::string content = xet::testing::content(file.size, file.seed, file.kind);
    ASSERT_TRUE(hub_->has_blob(file.sha256));
    EXPECT_EQ(read_file(hub_->blob_path(file.sha256)), content);
    EXPECT_TRUE(hub_->repo_has_blob(repo(alice_, "model"), file.sha256));
    EXPECT_EQ(find_xet_hash(*hub_, repo(alice_, "model"), file.sha256), file.hash);
  }
  EXPECT_FALSE(Staging(*hub_).has(*xet::find_from_text(uploaded_xorb_name())));
}

TEST_F(XetApi, AnyRangeRebuilds) {
  upload_golden(xet_token("alice/model", "write", alice_.token));
  const std::string token = xet_token("alice/model", "read", "");
  for (const auto& file : uploaded_files()) {
    const std::string content = xet::testing::content(file.size, file.seed, file.kind);
    for (const uint64_t begin : {uint64_t{0}, uint64_t{1}, uint64_t{12794}, uint64_t{12795}, uint64_t{20000}}) {
      for (const uint64_t end : {begin + 1, begin + 9000, uint64_t{file.size}}) {
        if (end > file.size || begin >= end) continue;
        EXPECT_EQ(rebuild(file.hash, token, begin, end), content.substr(begin, end - begin)) << begin << "-" << end;
      }
    }
    EXPECT_EQ(send("GET", store() + "/v2/reconstructions/" + file.hash, token, "", "bytes=" + std::to_string(file.size) + "-").status, 416);
    EXPECT_EQ(send("HEAD", store() + "/v1/files/" + file.hash, token).headers.find("Content-Length"), std::to_string(file.size));
  }
}

TEST_F(XetApi, StreamingShardEndsWithResult) {
  const std::string token = xet_token("alice/model", "write", alice_.token);
  ASSERT_EQ(send("POST", store() + "/v1/xorbs/default/" + uploaded_xorb_name(), token, golden("upload_0.xorb")).status, 200);
  const Answer answer = send("POST", store() + "/v2/shards", token, golden("upload.shard"));
  EXPECT_EQ(answer.status, 200);
  const std::string last = answer.body.substr(answer.body.rfind('\n', answer.body.size() - 2) + 1);
  EXPECT_EQ(json::parse(last).at("type").as_string(), "result") << answer.body;
}

TEST_F(XetApi, SecondUploadInsertsNothing) {
  const std::string token = xet_token("alice/model", "write", alice_.token);
  upload_golden(token);
  const Answer again = send("POST", store() + "/v1/xorbs/default/" + uploaded_xorb_name(), token, golden("upload_0.xorb"));
  EXPECT_EQ(again.object().at("was_inserted").as_bool(), false);
  // The shard of another repository links the files to it without their data being sent.
  const std::string other = xet_token("bob/secret", "write", bob_.token);
  EXPECT_EQ(send("POST", store() + "/v1/shards", other, golden("upload.shard")).object().at("result").as_int64(), 0);
  EXPECT_TRUE(hub_->repo_has_blob(repo(bob_, "secret"), uploaded_files()[0].sha256));
}

TEST_F(XetApi, XorbUnderAnotherNameIsRefused) {
  const std::string token = xet_token("alice/model", "write", alice_.token);
  const Answer answer = send("POST", store() + "/v1/xorbs/default/" + std::string(64, 'a'), token, golden("upload_0.xorb"));
  EXPECT_EQ(answer.status, 400);
  EXPECT_TRUE(fs::is_empty(folder_.path() / "staging" / "xorbs"));
}

TEST_F(XetApi, ShardWithoutItsXorbIsRefused) {
  const std::string token = xet_token("alice/model", "write", alice_.token);
  EXPECT_EQ(send("POST", store() + "/v1/shards", token, golden("upload.shard")).status, 400);
  const Answer streamed = send("POST", store() + "/v2/shards", token, golden("upload.shard"));
  EXPECT_NE(streamed.body.find("\"type\":\"error\""), std::string::npos);
  EXPECT_NE(streamed.body.find("not stored here"), std::string::npos);
}

TEST_F(XetApi, WrongSha256OrProofIsRefused) {
  const std::string token = xet_token("alice/model", "write", alice_.token);
  ASSERT_EQ(send("POST", store() + "/v1/xorbs/default/" + uploaded_xorb_name(), token, golden("upload_0.xorb")).status, 200);
  const std::string whole = golden("upload.shard");
  // Records of the first file: 1 head, 2 term, 3 verification, 4 SHA-256.
  for (const size_t record : {1, 3, 4}) {
    std::string bad = whole;
    bad[48 * record + 5] = static_cast<char>(bad[48 * record + 5] ^ 1);
    const Answer answer = send("POST", store() + "/v1/shards", token, bad);
    EXPECT_GE(answer.status, 400) << record;
    EXPECT_LT(answer.status, 500) << record;
  }
  for (const auto& file : uploaded_files()) EXPECT_FALSE(hub_->repo_has_blob(repo(alice_, "model"), file.sha256));
}

TEST_F(XetApi, TokensAreRequiredAndScoped) {
  const std::string xorb = store() + "/v1/xorbs/default/" + uploaded_xorb_name();
  EXPECT_EQ(send("POST", xorb, "", golden("upload_0.xorb")).status, 401);
  EXPECT_EQ(send("POST", xorb, alice_.token, golden("upload_0.xorb")).status, 401);
  EXPECT_EQ(send("POST", xorb, xet_token("alice/model", "read", ""), golden("upload_0.xorb")).status, 403);
  EXPECT_EQ(send("GET", "/api/models/alice/model/xet-write-token/main", "").status, 401);
  EXPECT_EQ(send("GET", "/api/models/alice/model/xet-write-token/main", bob_.token).status, 403);
  EXPECT_EQ(send("GET", "/api/models/bob/secret/xet-read-token/main", alice_.token).status, 404);
  EXPECT_EQ(send("GET", "/api/models/alice/model/xet-read-token/nowhere", "").status, 404);
}

TEST_F(XetApi, RightsAreThoseOfTheMoment) {
  const std::string token = xet_token("alice/model", "read", bob_.token);
  const std::string address = store();
  hub_->update_repo(alice_.caller, {hub::RepoType::model, "alice", "model"}, true, std::nullopt);
  EXPECT_EQ(send("GET", address + "/v2/reconstructions/" + uploaded_files()[0].hash, token).status, 404);
}

TEST_F(XetApi, FilesOfOtherRepositoriesDoNotExist) {
  upload_golden(xet_token("bob/secret", "write", bob_.token));
  const std::string token = xet_token("alice/model", "write", alice_.token);
  for (const auto& file : uploaded_files()) {
    EXPECT_EQ(send("GET", store() + "/v2/reconstructions/" + file.hash, token).status, 404);
    EXPECT_EQ(send("HEAD", store() + "/v1/files/" + file.hash, token).status, 404);
  }
}

TEST_F(XetApi, LinksGiveTheirRangesOnly) {
  upload_golden(xet_token("alice/model", "write", alice_.token));
  const std::string hash = uploaded_files()[0].hash;
  const json::object plan = send("GET", store() + "/v1/reconstructions/" + hash, xet_token("alice/model", "read", "")).object();
  const json::value entry = plan.at("fetch_info").as_object().begin()->value().as_array().at(0);
  const std::string target = std::string(entry.at("url").as_string()).substr(std::string("http://hub.test").size());
  const uint64_t first = entry.at("url_range").at("start").to_number<uint64_t>(), last = entry.at("url_range").at("end").to_number<uint64_t>();
  const auto range = [](uint64_t a, uint64_t b) { return std::to_string(a) + "-" + std::to_string(b); };
  EXPECT_EQ(send("GET", target, "", "", "bytes=" + range(first, last)).status, 206);
  EXPECT_EQ(send("GET", target, "", "", "bytes=" + range(first, last + 1)).status, 403);
  EXPECT_EQ(send("GET", target, "", "").status, 403);
  EXPECT_EQ(send("GET", target.substr(0, target.find('?')), "", "", "bytes=0-10").status, 403);
  const Answer many = send("GET", target, "", "", "bytes=" + range(first, first + 7) + "," + range(first + 8, first + 17));
  EXPECT_EQ(many.status, 206);
  EXPECT_TRUE(many.headers.find("Content-Type")->starts_with("multipart/byteranges"));
  EXPECT_NE(many.body.find("Content-Range: bytes " + range(first + 8, first + 17)), std::string::npos);
}

TEST_F(XetApi, DeduplicationAnswersReadersOnly) {
  upload_golden(xet_token("bob/secret", "write", bob_.token));
  const xet::Shard sent = xet::parse_shard(as_bytes(golden("upload.shard")));
  const std::string path = store() + "/v1/chunks/default/" + xet::to_text(sent.xorbs[0].chunks[0].hash);
  EXPECT_EQ(send("GET", path, xet_token("alice/model", "write", alice_.token)).status, 404);
  const Answer known = send("GET", path, xet_token("bob/secret", "write", bob_.token));
  ASSERT_EQ(known.status, 200);
  const xet::Shard answer = xet::parse_shard(as_bytes(known.body));
  ASSERT_EQ(answer.xorbs.size(), 1u);
  ASSERT_EQ(answer.xorbs[0].chunks.size(), sent.xorbs[0].chunks.size());
  xet::Hash key;  // at its place in the footer
  std::memcpy(key.bytes.data(), known.body.data() + known.body.size() - 200 + 72, 32);
  EXPECT_EQ(answer.xorbs[0].chunks[0].hash, xet::keyed_hash(key, sent.xorbs[0].chunks[0].hash));
}

TEST_F(XetApi, IndexedBlobHasTheClientsHash) {
  const std::string content = xet::testing::content(3000001, 10, "text");
  auto writer = hub_->write_blob();
  writer->write(as_bytes(content));
  const std::string sha256 = writer->finish(std::nullopt);
  hub_->link_blob(repo(alice_, "model"), sha256);
  EXPECT_FALSE(find_xet_hash(*hub_, repo(alice_, "model"), sha256));
  {
    XetIndexer indexer(*hub_);
    indexer.enqueue(sha256);
    indexer.wait_idle();
  }
  const auto hash = find_xet_hash(*hub_, repo(alice_, "model"), sha256);
  ASSERT_EQ(hash, "b21fab2fb81d3ecde3531e09ed249a5f4e6e44d2a952b89d52cb4904139b000e");  // hashes.txt
  const std::string token = xet_token("alice/model", "read", "");
  EXPECT_EQ(rebuild(*hash, token, 0, content.size()), content);
  EXPECT_EQ(rebuild(*hash, token, 1234567, 1300000), content.substr(1234567, 1300000 - 1234567));
}

TEST_F(XetApi, AbandonedXorbsAreRemoved) {
  const std::string token = xet_token("alice/model", "write", alice_.token);
  ASSERT_EQ(send("POST", store() + "/v1/xorbs/default/" + uploaded_xorb_name(), token, golden("upload_0.xorb")).status, 200);
  Staging staging(*hub_);
  EXPECT_EQ(staging.remove_older_than(kStagedLifetimeMs), 0u);
  EXPECT_EQ(staging.remove_older_than(-1000), 1u);
  EXPECT_FALSE(staging.has(*xet::find_from_text(uploaded_xorb_name())));
}

TEST_F(XetApi, ReceivedXorbsOutliveARestart) {
  const std::string token = xet_token("alice/model", "write", alice_.token);
  ASSERT_EQ(send("POST", store() + "/v1/xorbs/default/" + uploaded_xorb_name(), token, golden("upload_0.xorb")).status, 200);
  hub_.reset();
  hub_ = hub::Hub::open(hub::test_options(folder_.path()), clock_);
  const auto staged = Staging(*hub_).find(*xet::find_from_text(uploaded_xorb_name()));
  ASSERT_TRUE(staged);
  EXPECT_EQ(xet::chunk_hash(staged->chunk(3)), staged->chunks().at(3).hash);
}

TEST_F(XetApi, SideRoutesAnswer) {
  EXPECT_EQ(send("POST", "/v1/telemetry", "", "{}").status, 200);
  EXPECT_EQ(send("POST", store() + "/v1/xorb-grants/default/" + uploaded_xorb_name(), "", "{}").status, 404);
}

}  // namespace
}  // namespace lyceum::api
