#include "hub/blobs/sigv4.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"

namespace lyceum::hub {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

std::string time_text(int64_t now_ms) {  // 20130524T000000Z
  const std::time_t seconds = now_ms / 1000;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char out[17];
  std::strftime(out, sizeof out, "%Y%m%dT%H%M%SZ", &utc);
  return out;
}

std::string hmac(std::string_view key, std::string_view message) { return *find_from_hex(hmac_sha256_hex(key, message)); }

std::string scope_of(const SigningKey& key, const std::string& time) { return time.substr(0, 8) + "/" + key.region + "/" + key.service + "/aws4_request"; }

std::string signed_names(const S3Request& request) {
  std::string out;
  for (const auto& [name, value] : request.headers) out += (out.empty() ? "" : ";") + name;
  return out;
}

std::string canonical_request(const S3Request& request) {
  std::string out = request.method + "\n" + encode_uri(request.path, true) + "\n" + query_text(request.query) + "\n";
  for (const auto& [name, value] : request.headers) out += name + ":" + value + "\n";
  return out + "\n" + signed_names(request) + "\n" + request.payload_sha256;
}

std::string signature_of(const S3Request& request, const SigningKey& key, const std::string& time) {
  const std::string to_sign = fmt::format("{}\n{}\n{}\n{}", kAlgorithm, time, scope_of(key, time), sha256_hex(canonical_request(request)));
  const std::string date_key = hmac("AWS4" + key.secret, time.substr(0, 8));
  return hmac_sha256_hex(hmac(hmac(hmac(date_key, key.region), key.service), "aws4_request"), to_sign);
}

}  // namespace

std::string encode_uri(std::string_view text, bool keep_slash) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
    if (plain || (c == '/' && keep_slash)) out.push_back(c);
    else out += {'%', kHex[byte >> 4], kHex[byte & 15]};
  }
  return out;
}

std::string query_text(const std::map<std::string, std::string>& query) {
  std::vector<std::string> parts;  // sorted as encoded, which is not always the order of the plain names
  for (const auto& [name, value] : query) parts.push_back(encode_uri(name, false) + "=" + encode_uri(value, false));
  std::sort(parts.begin(), parts.end());
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : "&") + part;
  return out;
}

void sign(S3Request& request, const SigningKey& key, int64_t now_ms) {
  const std::string time = time_text(now_ms);
  request.headers["host"] = request.host;
  request.headers["x-amz-date"] = time;
  request.headers["x-amz-content-sha256"] = request.payload_sha256;
  const std::string names = signed_names(request);
  request.headers["authorization"] = fmt::format("{} Credential={}/{}, SignedHeaders={}, Signature={}", kAlgorithm, key.key_id, scope_of(key, time), names, signature_of(request, key, time));
}

std::string presigned_path(S3Request request, const SigningKey& key, int64_t now_ms, int64_t lifetime_s) {
  const std::string time = time_text(now_ms);
  request.headers["host"] = request.host;
  request.payload_sha256 = kUnsignedPayload;
  request.query["X-Amz-Algorithm"] = kAlgorithm;
  request.query["X-Amz-Credential"] = key.key_id + "/" + scope_of(key, time);
  request.query["X-Amz-Date"] = time;
  request.query["X-Amz-Expires"] = std::to_string(lifetime_s);
  request.query["X-Amz-SignedHeaders"] = signed_names(request);
  const std::string signature = signature_of(request, key, time);
  return encode_uri(request.path, true) + "?" + query_text(request.query) + "&X-Amz-Signature=" + signature;
}

}  // namespace lyceum::hub
