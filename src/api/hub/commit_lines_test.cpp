#include "api/hub/commit_lines.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace lyceum::api {
namespace {

const std::string kHeader = R"({"key":"header","value":{"summary":"s","description":"d","parentCommit":"abcdef"}})";
const std::string kFile = R"({"key":"file","value":{"content":"aGVsbG8=","path":"a.txt","encoding":"base64"}})";

hub::CommitRequest parse(const std::string& text, size_t piece = 1 << 20, CommitLimits limits = {}) {
  CommitLines lines(limits);
  for (size_t at = 0; at < text.size(); at += piece) lines.feed(std::string_view(text).substr(at, piece));
  return lines.finish();
}

Code refusal(const std::string& text, CommitLimits limits = {}) {
  try {
    parse(text, 7, limits);
  } catch (const Error& error) {
    return error.code();
  }
  return Code::internal;
}

TEST(CommitLines, ReadsHeaderAndFileInAnyPieces) {
  for (const size_t piece : {1, 3, 64, 100000}) {
    const hub::CommitRequest request = parse(kHeader + "\n" + kFile + "\n", piece);
    EXPECT_EQ(request.summary, "s");
    EXPECT_EQ(request.parent, "abcdef");
    ASSERT_EQ(request.actions.size(), 1u);
    EXPECT_EQ(std::get<hub::AddFile>(request.actions[0]).content, "hello");
  }
}

TEST(CommitLines, TakesALastLineWithoutNewline) { EXPECT_EQ(parse(kHeader + "\n" + kFile).actions.size(), 1u); }

TEST(CommitLines, ReadsLargeFilesAndDeletions) {
  const std::string oid(64, 'a');
  const hub::CommitRequest request = parse(kHeader + "\n" + R"({"key":"lfsFile","value":{"path":"w.bin","algo":"sha256","oid":")" + oid + R"(","size":5}})" + "\n" +
                                           R"({"key":"deletedFile","value":{"path":"old"}})" + "\n" + R"({"key":"deletedFolder","value":{"path":"dir/"}})");
  ASSERT_EQ(request.actions.size(), 3u);
  EXPECT_EQ(std::get<hub::AddLargeFile>(request.actions[0]).sha256, oid);
  EXPECT_FALSE(std::get<hub::DeleteEntry>(request.actions[1]).folder);
  EXPECT_EQ(std::get<hub::DeleteEntry>(request.actions[2]).path, "dir");
}

TEST(CommitLines, RefusesACommitWithoutHeader) { EXPECT_EQ(refusal(kFile + "\n"), Code::invalid_argument); }
TEST(CommitLines, RefusesUnknownKeys) { EXPECT_EQ(refusal(kHeader + "\n{\"key\":\"copyEverything\",\"value\":{}}"), Code::invalid_argument); }
TEST(CommitLines, RefusesBrokenBase64) {
  EXPECT_EQ(refusal(kHeader + "\n" + R"({"key":"file","value":{"content":"!!","path":"a","encoding":"base64"}})"), Code::invalid_argument);
}
TEST(CommitLines, RefusesAWrongDigest) {
  EXPECT_EQ(refusal(kHeader + "\n" + R"({"key":"lfsFile","value":{"path":"w","oid":"xyz","size":1}})"), Code::invalid_argument);
}
TEST(CommitLines, RefusesTooLongLines) { EXPECT_EQ(refusal(kHeader + "\n" + kFile, {.line_bytes = 40, .total_bytes = 100, .actions = 9}), Code::too_large); }
TEST(CommitLines, RefusesTooManyActions) {
  EXPECT_EQ(refusal(kHeader + "\n" + kFile + "\n" + kFile, {.line_bytes = 4096, .total_bytes = 100, .actions = 1}), Code::too_large);
}
TEST(CommitLines, RefusesTooMuchContent) {
  EXPECT_EQ(refusal(kHeader + "\n" + kFile + "\n" + kFile, {.line_bytes = 4096, .total_bytes = 9, .actions = 9}), Code::too_large);
}

}  // namespace
}  // namespace lyceum::api
