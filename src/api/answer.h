// answer.h: what the handlers of every group share: reading JSON bodies, building JSON answers, absolute URLs, paging, and
// taking "revision/path" apart.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/route.h"
#include "base/error.h"
#include "base/json.h"

namespace lyceum::api {

constexpr size_t kJsonBodyLimit = 8u << 20;

http::Response json_answer(const json::value& value, int status = 200);
// The answer to a failed request: X-Error-Code, X-Error-Message and {"error": …}. A HEAD request has the headers only.
http::Response error_answer(const Error& error);

http::Response redirect_answer(std::string_view url);  // 302

std::string read_body(const Context& context, size_t limit_bytes = kJsonBodyLimit);
// The body as a JSON object; an empty body is an empty object. Error(invalid_argument) on anything else.
json::object read_json_body(const Context& context, size_t limit_bytes = kJsonBodyLimit);

// Credentials that a browser attaches by itself (cookie, cached Basic) count only when our own page made the request. Throws
// Error(forbidden) for a method that changes something when Origin or Sec-Fetch-Site is another site's, or both are absent although required.
void require_same_origin(const http::Request& request, bool origin_required);
constexpr std::string_view kSessionCookie = "lyceum_session";
std::string session_cookie_name(const http::Request& request);  // with "__Host-" over TLS: no subdomain can set it
std::optional<std::string> find_cookie(const http::Request& request, std::string_view name);

bool is_true(const std::optional<std::string>& text);  // "true", "True", "1" and "" (a bare ?flag)

std::string web_prefix(hub::RepoType type);                                      // "", "datasets/", "spaces/"
std::string repo_url(const http::Request& request, const hub::RepoId& id);       // absolute web address of a repository
std::string repo_path(const hub::RepoId& id);                                    // "/datasets/ns/name", escaped

// Keeps '/', escapes the rest.
std::string escape_path(std::string_view path);

// A revision followed by a path inside the repository, from the escaped text after skipping `segments` leading segments of the
// request path. One segment is the revision ("refs%2Fpr%2F1"), except that clients also send "refs/pr/1/…" raw.
struct RevisionPath {
  std::string revision, path;
};
RevisionPath split_revision_path(const http::Request& request, size_t segments);
std::string escaped_tail(const http::Request& request, size_t segments);

// A form or a JSON object, as the content type says; the values of a form are strings.
json::object read_form_or_json(const Context& context, size_t limit_bytes = 1u << 20);

// Cursor paging: the cursor is the offset of the next item. next_link() is the absolute address with that cursor.
struct Page {
  size_t offset = 0, limit = 0;
};
// offset_cursor false: the cursor is something else's to read, and offset stays 0.
Page find_page(const http::Request& request, size_t default_limit, size_t limit_max, bool offset_cursor = true);
void add_next_link(http::Response& response, const http::Request& request, size_t next_offset);
// The page as an answer. `items` may hold one more than the page, which tells that there is a next one.
http::Response page_answer(const http::Request& request, const Page& page, json::array items);
void add_next_link(http::Response& response, const http::Request& request, const std::string& cursor);

}  // namespace lyceum::api
