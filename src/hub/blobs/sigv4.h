// sigv4.h: AWS Signature Version 4, as S3 uses it (path encoded once, payload hash always stated). Written from the public description
// "Signature Version 4 signing process"; checked against its published examples. Own code, because libcurl 7.88 signs queries wrongly.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace lyceum::hub {

struct SigningKey {
  std::string key_id, secret, region;
  std::string service = "s3";
};

struct S3Request {
  std::string method = "GET";
  std::string host;                          // as in the Host header, with the port if it is not the usual one
  std::string path = "/";                    // not encoded
  std::map<std::string, std::string> query;  // not encoded
  std::map<std::string, std::string> headers;  // to be signed; names in lower case
  std::string payload_sha256;                // hex, or kUnsignedPayload
};

inline constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";

// RFC 3986: everything but letters, digits and -._~ becomes %XX; "/" stays if asked.
std::string encode_uri(std::string_view text, bool keep_slash);
std::string query_text(const std::map<std::string, std::string>& query);  // encoded, sorted

// Adds host, x-amz-date, x-amz-content-sha256 and authorization to request.headers.
void sign(S3Request& request, const SigningKey& key, int64_t now_ms);
// The path and query of a link that works for `lifetime_s` seconds without a header. Signs request.headers (host at least).
std::string presigned_path(S3Request request, const SigningKey& key, int64_t now_ms, int64_t lifetime_s);

}  // namespace lyceum::hub
