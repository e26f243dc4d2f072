#include "api/hub/lfs_messages.h"

#include <gtest/gtest.h>

namespace lyceum::api {
namespace {

template <typename Parse>
auto parsed(Parse parse, const std::string& text) {
  return parse(get_object(parse_json(text, "test"), "test"));
}

template <typename Parse>
Code refusal(Parse parse, const std::string& text) {
  try {
    parsed(parse, text);
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << text << " was accepted";
  return Code::internal;
}

std::vector<LfsPart> parts_of_a(const json::object& body) { return parse_lfs_parts(body, "a"); }

TEST(LfsMessages, Batch) {
  const LfsBatch batch = parsed(parse_lfs_batch, R"({"transfers": ["basic", "xet"], "ref": {"name": "refs/heads/v1"}, "hash_algo": "sha_256",
    "objects": [{"oid": ")" + std::string(64, 'a') + R"(", "size": 5}, {"oid": "A", "size": 5}, {"oid": ")" + std::string(64, 'a') + R"(", "size": -1}]})");
  EXPECT_TRUE(batch.xet);
  EXPECT_FALSE(batch.multipart);
  EXPECT_EQ(batch.revision, "v1");
  ASSERT_EQ(batch.objects.size(), 3u);
  EXPECT_TRUE(batch.objects[0].sound());
  EXPECT_FALSE(batch.objects[1].sound());
  EXPECT_FALSE(batch.objects[2].sound());
  EXPECT_EQ(parsed(parse_lfs_batch, R"({"objects": []})").revision, "main");
}

TEST(LfsMessages, WhatABatchMustNotBe) {
  EXPECT_EQ(refusal(is_lfs_upload, R"({"operation": "remove"})"), Code::unprocessable);
  EXPECT_EQ(refusal(is_lfs_upload, "{}"), Code::invalid_argument);
  EXPECT_EQ(refusal(parse_lfs_batch, "{}"), Code::unprocessable);
  EXPECT_EQ(refusal(parse_lfs_batch, R"({"hash_algo": "sha1", "objects": []})"), Code::conflict);
  EXPECT_EQ(refusal(parse_lfs_batch, R"({"objects": [1]})"), Code::invalid_argument);
  std::string many = R"({"oid": "a", "size": 1})";
  for (size_t i = 0; i < kLfsObjectsMax; ++i) many += R"(, {"oid": "a", "size": 1})";
  EXPECT_EQ(refusal(parse_lfs_batch, R"({"objects": [)" + many + "]}"), Code::too_large);
}

TEST(LfsMessages, Parts) {
  const auto parts = parsed(parts_of_a, R"({"oid": "a", "parts": [{"partNumber": 1, "etag": "\"x\""}, {"partNumber": 2, "etag": "y"}]})");
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].etag, "x");
  EXPECT_EQ(parts[1].etag, "y");
  EXPECT_EQ(refusal(parts_of_a, R"({"oid": "b", "parts": []})"), Code::unprocessable);
  EXPECT_EQ(refusal(parts_of_a, "{}"), Code::unprocessable);
  EXPECT_EQ(refusal(parts_of_a, R"({"parts": [{"partNumber": 2, "etag": "y"}]})"), Code::unprocessable);
  EXPECT_EQ(refusal(parts_of_a, R"({"parts": [{"partNumber": 1}]})"), Code::invalid_argument);
}

}  // namespace
}  // namespace lyceum::api
