#include "api/openai/multipart.h"

#include <algorithm>

#include "base/error.h"
#include "http/message.h"

namespace lyceum::api {
namespace {

constexpr size_t kPartsMax = 64, kHeaderBytesMax = 8192, kBoundaryMax = 70;   // the last as RFC 2046 says

[[noreturn]] void refuse(const std::string& why) { throw Error(Code::invalid_argument, "The multipart body " + why); }

std::string_view trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t"), end = text.find_last_not_of(" \t");
  return begin == std::string_view::npos ? std::string_view() : text.substr(begin, end - begin + 1);
}

// The value of `; name=value` or `; name="value"`, with \" and \\ undone.
std::optional<std::string> find_parameter(std::string_view header, std::string_view name) {
  for (size_t at = header.find(';'); at < header.size();) {
    const size_t equals = header.find('=', at);
    if (equals == std::string_view::npos) return std::nullopt;
    const std::string_view key = trim(header.substr(at + 1, equals - at - 1));
    std::string value;
    size_t end = equals + 1;
    if (end < header.size() && header[end] == '"') {
      for (++end; end < header.size() && header[end] != '"'; ++end) {
        if (header[end] == '\\' && end + 1 < header.size() && (header[end + 1] == '"' || header[end + 1] == '\\')) ++end;
        value += header[end];
      }
      end = header.find(';', end);
    } else {
      end = header.find(';', end);
      value = trim(header.substr(equals + 1, end == std::string_view::npos ? end : end - equals - 1));
    }
    if (http::equal_no_case(key, name)) return value;
    at = end;
  }
  return std::nullopt;
}

FormPart read_part(std::string_view part) {
  const size_t end = part.find("\r\n\r\n");
  if (end == std::string_view::npos || end > kHeaderBytesMax) refuse("has a part without headers, or with more than 8 KiB of them");
  FormPart out;
  bool named = false;
  for (std::string_view head = part.substr(0, end + 2); !head.empty();) {
    const size_t line_end = head.find("\r\n");
    const std::string_view line = head.substr(0, line_end);
    head.remove_prefix(line_end + 2);
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || !http::equal_no_case(trim(line.substr(0, colon)), "Content-Disposition")) continue;
    const auto name = find_parameter(line.substr(colon + 1), "name");
    if (!name) continue;
    out.name = *name;
    named = true;
  }
  if (!named) refuse("has a part without a name");
  out.body = part.substr(end + 4);
  return out;
}

}  // namespace

FormData FormData::parse(std::string_view content_type, std::string_view body) {
  const std::string_view type = trim(content_type.substr(0, content_type.find(';')));
  const auto boundary = find_parameter(content_type, "boundary");
  if (!http::equal_no_case(type, "multipart/form-data") || !boundary) throw Error(Code::invalid_argument, "Content-Type must be multipart/form-data with a boundary");
  if (boundary->empty() || boundary->size() > kBoundaryMax) refuse("has a boundary of no or more than 70 characters");
  const std::string mark = "--" + *boundary, between = "\r\n" + mark;
  size_t at = body.starts_with(mark) ? 0 : body.find(between);
  if (at == std::string_view::npos) refuse("does not contain its boundary");
  at += at == 0 ? mark.size() : between.size();
  FormData out;
  while (!body.substr(at).starts_with("--")) {
    const size_t line = body.find("\r\n", at), end = body.find(between, at);
    if (line == std::string_view::npos || end == std::string_view::npos) refuse("ends before its last boundary");
    if (out.parts_.size() == kPartsMax) refuse("has more than 64 parts");
    out.parts_.push_back(read_part(line + 2 <= end ? body.substr(line + 2, end - line - 2) : std::string_view()));
    at = end + between.size();
  }
  return out;
}

const FormPart* FormData::find(std::string_view name) const noexcept {
  const auto found = std::ranges::find(parts_, name, &FormPart::name);
  return found == parts_.end() ? nullptr : &*found;
}

std::optional<std::string> FormData::text(std::string_view name) const {
  const FormPart* part = find(name);
  if (part == nullptr || part->body.empty()) return std::nullopt;
  return std::string(part->body);
}

std::vector<std::string> FormData::texts(std::string_view name) const {
  std::vector<std::string> out;
  for (const FormPart& part : parts_) {
    if (part.name == name || part.name == std::string(name) + "[]") out.emplace_back(part.body);
  }
  return out;
}

}  // namespace lyceum::api
