#include "http/range.h"

#include <charconv>

#include "base/error.h"
#include "base/random.h"
#include "http/message.h"
#include "http/server.h"

namespace lyceum::http {
namespace {

constexpr size_t kRangesMax = 4096;

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::optional<uint64_t> find_number(std::string_view text) {
  uint64_t value = 0;
  if (text.empty() || text.size() > 19) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// false: malformed. A range that lies behind the end is good, but adds nothing.
bool add_range(std::string_view spec, uint64_t size, std::vector<ByteRange>& ranges) {
  const size_t dash = spec.find('-');
  if (dash == std::string_view::npos) return false;
  const auto last = find_number(spec.substr(dash + 1));
  if (dash == 0) {
    if (!last) return false;
    const uint64_t length = std::min(*last, size);
    if (length > 0) ranges.push_back({size - length, length});
    return true;
  }
  const auto first = find_number(spec.substr(0, dash));
  const bool open_ended = dash + 1 == spec.size();
  if (!first || (!last && !open_ended) || (last && *last < *first)) return false;
  if (*first < size) ranges.push_back({*first, (open_ended ? size : std::min(size, *last + 1)) - *first});
  return true;
}

std::string content_range(const ByteRange& range, uint64_t size) {
  return "bytes " + std::to_string(range.offset) + "-" + std::to_string(range.offset + range.length - 1) + "/" + std::to_string(size);
}

Response unsatisfiable(uint64_t size) {
  Response response = error_response(Error(Code::range_unsatisfiable, "No byte of the requested range exists: the content has " + std::to_string(size) + " bytes"));
  response.headers.set("Content-Range", "bytes */" + std::to_string(size));
  return response;
}

// The ranges to send; nullopt = the whole content.
std::optional<std::vector<ByteRange>> wanted_ranges(const Request& request, uint64_t size) {
  const auto header = request.headers.find("Range");
  if (!header || size == 0 || (request.method != "GET" && request.method != "HEAD")) return std::nullopt;
  auto ranges = find_ranges(*header, size);
  if (!ranges) return std::nullopt;
  uint64_t sum = 0;
  for (const ByteRange& range : *ranges) {
    sum += range.length;
    if (sum / 2 > size) return std::nullopt;
  }
  return ranges;
}

// Calls add(text before the range, range) for every part and then once with the closing text and an empty range.
template <typename Add>
void for_multipart(Response& response, const std::vector<ByteRange>& ranges, uint64_t size, std::string_view content_type, const Add& add) {
  const std::string boundary = secure_alphanumeric(24);
  response.headers.set("Content-Type", "multipart/byteranges; boundary=" + boundary);
  for (const ByteRange& range : ranges) {
    add("\r\n--" + boundary + "\r\nContent-Type: " + std::string(content_type) + "\r\nContent-Range: " + content_range(range, size) + "\r\n\r\n", range);
  }
  add("\r\n--" + boundary + "--\r\n", ByteRange{});
}

}  // namespace

std::optional<std::vector<ByteRange>> find_ranges(std::string_view header, uint64_t size) {
  header = trim(header);
  if (header.size() < 6 || !equal_no_case(header.substr(0, 5), "bytes")) return std::nullopt;
  header = trim(header.substr(5));
  if (!header.starts_with('=')) return std::nullopt;
  header.remove_prefix(1);
  std::vector<ByteRange> ranges;
  size_t count = 0;
  while (true) {
    const size_t comma = header.find(',');
    const std::string_view spec = trim(header.substr(0, comma));
    if (!spec.empty()) {
      if (++count > kRangesMax || !add_range(spec, size, ranges)) return std::nullopt;
    }
    if (comma == std::string_view::npos) break;
    header.remove_prefix(comma + 1);
  }
  if (count == 0) return std::nullopt;
  return ranges;
}

Response ranged_file(const Request& request, const std::filesystem::path& file, uint64_t size, std::string_view content_type) {
  Response response;
  response.headers.set("Content-Type", content_type);
  response.headers.set("Accept-Ranges", "bytes");
  const auto ranges = wanted_ranges(request, size);
  if (!ranges) {
    response.file = FileBody{file, 0, size};
    return response;
  }
  if (ranges->empty()) return unsatisfiable(size);
  response.status = 206;
  if (ranges->size() == 1) {
    response.headers.set("Content-Range", content_range(ranges->front(), size));
    response.file = FileBody{file, ranges->front().offset, ranges->front().length};
    return response;
  }
  for_multipart(response, *ranges, size, content_type, [&](std::string text, const ByteRange& range) {
    response.parts.emplace_back(std::move(text), FileBody{file, range.offset, range.length});
  });
  return response;
}

Response ranged_bytes(const Request& request, std::string bytes, std::string_view content_type) {
  Response response;
  response.headers.set("Content-Type", content_type);
  response.headers.set("Accept-Ranges", "bytes");
  const uint64_t size = bytes.size();
  const auto ranges = wanted_ranges(request, size);
  if (!ranges) {
    response.body = std::move(bytes);
    return response;
  }
  if (ranges->empty()) return unsatisfiable(size);
  response.status = 206;
  if (ranges->size() == 1) {
    response.headers.set("Content-Range", content_range(ranges->front(), size));
    response.body = bytes.substr(ranges->front().offset, ranges->front().length);
    return response;
  }
  for_multipart(response, *ranges, size, content_type, [&](const std::string& text, const ByteRange& range) {
    response.body += text;
    response.body.append(bytes, range.offset, range.length);
  });
  return response;
}

}  // namespace lyceum::http
