// message.h: what a handler sees of HTTP. Beast stays behind these types; no other room includes it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace lyceum::http {

// Header names compare without case. Order of insertion is kept on the wire.
class Headers {
 public:
  void set(std::string_view name, std::string_view value);   // replaces
  void add(std::string_view name, std::string_view value);   // appends another line
  std::optional<std::string_view> find(std::string_view name) const;   // the first
  void remove(std::string_view name);                        // every line of that name
  const std::vector<std::pair<std::string, std::string>>& all() const noexcept { return lines_; }

 private:
  std::vector<std::pair<std::string, std::string>> lines_;
};

// The request body, pulled by the handler. Chunked and Content-Length framing, gzip (Content-Encoding) and
// "Expect: 100-continue" are dealt with underneath. Blocking; throws Error on a broken or over-long body or a timeout.
class BodyStream {
 public:
  virtual ~BodyStream() = default;
  virtual size_t read(std::span<std::byte> into) = 0;             // 0 = end
  virtual std::optional<uint64_t> length() const = 0;             // Content-Length if known
  std::string read_all(size_t limit_bytes);                       // throws Error(too_large) over the limit
};

using Query = std::vector<std::pair<std::string, std::string>>;   // decoded, in order, repeats kept

struct Request {
  std::string method;        // "GET"
  std::string target;        // as sent, still escaped, with the query
  std::string path;          // escaped path without the query
  Query query;
  Headers headers;
  std::map<std::string, std::string> params;  // from the route pattern, decoded once
  std::string remote;        // address of the peer, or "unix"
  std::string request_id;    // X-Request-Id of the answer, for logs; empty outside a server
  std::string_view route;    // pattern of the route that answers, set by the router; lives as long as the router
  std::string base_url;      // what the client typed: scheme://host[:port][/prefix], from Host and X-Forwarded-*
  BodyStream* body = nullptr;
  std::function<bool()> client_gone;  // cheap poll, for handlers that work long before they answer; empty outside a server

  std::optional<std::string> find_query(std::string_view name) const;   // first value
  std::vector<std::string> all_query(std::string_view name) const;
  const std::string& param(std::string_view name) const;                // our bug if absent
};

// Writes a streamed body. Blocking; write() throws Error(unavailable) once the client has gone.
class BodyWriter {
 public:
  virtual ~BodyWriter() = default;
  virtual void write(std::string_view bytes) = 0;   // flushed at once (server-sent events)
  virtual bool client_gone() = 0;                   // cheap poll
};

// bytes [offset, offset+length) of a file, sent with sendfile(2).
struct FileBody {
  std::filesystem::path path;
  uint64_t offset = 0;
  uint64_t length = 0;
};

struct Response {
  int status = 200;
  Headers headers;
  std::string body;                                   // used unless file or stream is set
  std::optional<FileBody> file;
  // Text and file ranges sent one after another, as they are: each text comes before its range (a range of length 0 is
  // skipped). ranged_file() writes multipart/byteranges this way, text with boundary and part headers included; any
  // content that is glued together from pieces of files can be sent like this without a copy. Used if not empty.
  std::vector<std::pair<std::string, FileBody>> parts;
  std::function<void(BodyWriter&)> stream;            // chunked; may throw: the connection is then cut

  static Response json(std::string text, int status = 200);
  static Response text(std::string text, int status = 200, std::string_view type = "text/plain; charset=utf-8");
};

// A file answer that honours Range (none, one or many ranges), If-Range is ignored. size = whole representation.
// 206 + Content-Range, 200, or a 416 answer with its Content-Range. A zero-byte file answers 200 to any range. A header that is
// malformed, or whose ranges overlap so much that they ask for more than twice the file, is ignored: 200.
Response ranged_file(const Request& request, const std::filesystem::path& file, uint64_t size, std::string_view content_type);
// The same for content in memory.
Response ranged_bytes(const Request& request, std::string bytes, std::string_view content_type);

std::string percent_decode(std::string_view text, bool plus_is_space = false);  // throws Error(invalid_argument) on bad escapes
std::string percent_encode(std::string_view text);                              // unreserved characters kept, '/' escaped
Query parse_query(std::string_view query);
Query parse_form(std::string_view body);  // application/x-www-form-urlencoded

bool equal_no_case(std::string_view a, std::string_view b) noexcept;   // ASCII, as header names and coding names compare
// Does a comma-separated header value ("keep-alive, Upgrade") name this token?
bool has_token(std::string_view list, std::string_view token) noexcept;

}  // namespace lyceum::http
