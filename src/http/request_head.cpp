#include "http/request_head.h"

#include <algorithm>
#include <atomic>

#include "base/error.h"
#include "base/random.h"

namespace lyceum::http {
namespace {

bool all_of(std::string_view text, std::string_view punctuation, size_t length_max) {
  return !text.empty() && text.size() <= length_max && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || punctuation.find(c) != std::string_view::npos;
  });
}

// The first of a comma-separated list: the proxy nearest to the client.
std::string_view first_of(std::optional<std::string_view> list) {
  if (!list) return {};
  std::string_view value = list->substr(0, list->find(','));
  while (value.starts_with(' ')) value.remove_prefix(1);
  while (value.ends_with(' ')) value.remove_suffix(1);
  return value;
}

}  // namespace

void set_target(Request& request, std::string_view target) {
  const auto refuse = [] { throw Error(Code::invalid_argument, "The request target is not a path"); };
  request.target = target;
  if (!target.starts_with('/') && target != "*") {
    const size_t scheme = target.find("://");
    if (scheme == std::string_view::npos || scheme > 5) refuse();
    const size_t slash = target.find_first_of("/?", scheme + 3);
    request.target = slash == std::string_view::npos ? "/" : std::string(target.substr(slash));
    if (request.target[0] == '?') request.target.insert(0, "/");
  }
  request.target = request.target.substr(0, request.target.find('#'));
  const size_t question = request.target.find('?');
  request.path = request.target.substr(0, question);
  if (question != std::string::npos) request.query = parse_query(std::string_view(request.target).substr(question + 1));
}

std::string base_url_of(const Headers& headers, std::string_view public_url, std::string_view fallback_host, bool secure) {
  if (!public_url.empty()) {
    while (public_url.ends_with('/')) public_url.remove_suffix(1);
    return std::string(public_url);
  }
  const std::string_view proto = first_of(headers.find("X-Forwarded-Proto"));
  std::string_view host = first_of(headers.find("X-Forwarded-Host"));
  if (!all_of(host, ".-_:[]", 255)) host = first_of(headers.find("Host"));
  if (!all_of(host, ".-_:[]", 255)) host = fallback_host;
  std::string_view prefix = first_of(headers.find("X-Forwarded-Prefix"));
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  if (!prefix.starts_with('/') || prefix.starts_with("//") || !all_of(prefix, "/.-_~", 255)) prefix = {};
  const bool https = proto.empty() ? secure : equal_no_case(proto, "https");
  return (https ? "https://" : "http://") + std::string(host) + std::string(prefix);
}

std::string request_id_of(const Headers& headers) {
  static const std::string process = secure_alphanumeric(12);
  static std::atomic<uint64_t> counter{0};
  const auto given = headers.find("X-Request-Id");
  if (given && all_of(*given, "-_.:=;", 128)) return std::string(*given);
  return process + "-" + std::to_string(++counter);
}

}  // namespace lyceum::http
