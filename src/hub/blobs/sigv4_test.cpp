// The examples that AWS publishes for S3 ("Examples: Signature Calculations", header and query form), with their keys and results.
#include "hub/blobs/sigv4.h"

#include <gtest/gtest.h>

namespace lyceum::hub {
namespace {

constexpr int64_t kNow = 1369353600000;  // 2013-05-24T00:00:00Z
const std::string kEmpty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

SigningKey key() { return {"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1"}; }

S3Request request(std::string path, std::map<std::string, std::string> query = {}, std::map<std::string, std::string> headers = {}) {
  return {"GET", "examplebucket.s3.amazonaws.com", std::move(path), std::move(query), std::move(headers), kEmpty};
}

std::string signature(S3Request signed_request) {
  sign(signed_request, key(), kNow);
  const std::string text = signed_request.headers["authorization"];
  return text.substr(text.find("Signature=") + 10);
}

TEST(SigV4, GetObject) {
  EXPECT_EQ(signature(request("/test.txt", {}, {{"range", "bytes=0-9"}})), "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST(SigV4, PutObject) {
  S3Request put = request("/test$file.text", {}, {{"date", "Fri, 24 May 2013 00:00:00 GMT"}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"}});
  put.method = "PUT";
  put.payload_sha256 = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
  EXPECT_EQ(signature(put), "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

TEST(SigV4, QueryWithoutValue) { EXPECT_EQ(signature(request("/", {{"lifecycle", ""}})), "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"); }

TEST(SigV4, ListObjects) {
  EXPECT_EQ(signature(request("/", {{"max-keys", "2"}, {"prefix", "J"}})), "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST(SigV4, PresignedLink) {
  const std::string link = presigned_path(request("/test.txt"), key(), kNow, 86400);
  EXPECT_EQ(link, "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z"
                  "&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

TEST(SigV4, EncodesByTheStandard) {
  EXPECT_EQ(encode_uri("a b/ü=~-._", false), "a%20b%2F%C3%BC%3D~-._");
  EXPECT_EQ(query_text({{"b", "2"}, {"a b", "1&"}, {"a-b", ""}}), "a%20b=1%26&a-b=&b=2");
}

}  // namespace
}  // namespace lyceum::hub
