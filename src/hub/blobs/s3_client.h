// s3_client.h: the few calls of the S3 protocol that the blob store needs, over libcurl, with retries. Any thread.
//
// A call that the server refuses for being busy, or whose connection breaks, is tried again up to five times with growing pauses.
// Errors: Error(unavailable) when the store cannot be reached, Error(internal) for a refusal (wrong key, missing bucket), naming the remedy;
// never a key's secret.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "hub/blobs/s3_options.h"
#include "hub/blobs/sigv4.h"

namespace lyceum::hub {

struct S3Item {
  std::string key;
  uint64_t size = 0;
};
struct S3Page {
  std::vector<S3Item> items;
  std::string next;  // continuation token; empty: the last page
};
S3Page parse_s3_list(std::string_view xml);                            // Error(unprocessable) for what is no listing
std::string find_xml_text(std::string_view xml, std::string_view tag);  // text of the first <tag>, entities resolved; "" if absent

class S3Client {
 public:
  explicit S3Client(S3Options options);
  ~S3Client();

  std::optional<uint64_t> find_size(const std::string& key);        // nullopt: no such object
  std::optional<int64_t> find_modified_ms(const std::string& key);  // by the store's clock, in whole seconds
  void put_text(const std::string& key, const std::string& text);   // small
  // Bytes of [offset, offset + length) in order; stops early if `sink` throws. Error(not_found) for a missing object.
  void get(const std::string& key, uint64_t offset, uint64_t length, const std::function<void(Bytes)>& sink);
  // Large files go in parts. Every request carries the SHA-256 of what it sends, which the server checks.
  void put_file(const std::string& key, const std::filesystem::path& file, uint64_t size, const std::string& sha256);
  void remove(const std::string& key);  // no error if it is not there
  S3Page list(const std::string& prefix, const std::string& next);
  std::string presigned_url(const std::string& key, int64_t lifetime_s, const std::map<std::string, std::string>& query);
  // Error unless the bucket is there and may be used.
  void check_bucket();

 private:
  struct Answer;
  struct Body;
  struct Handles;
  S3Request make_request(std::string method, const std::string& key, std::map<std::string, std::string> query = {});
  Answer call(S3Request request, const Body& body, const std::function<void(Bytes)>& sink = {});
  Answer call_once(S3Request request, const Body& body, const std::function<void(Bytes)>& sink);
  void put_parts(const std::string& key, const std::filesystem::path& file, uint64_t size);
  [[noreturn]] void fail(const S3Request& request, const Answer& answer) const;

  const S3Options options_;
  std::string scheme_, host_, path_prefix_;
  std::unique_ptr<Handles> handles_;
};

}  // namespace lyceum::hub
