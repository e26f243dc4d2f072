#include "api/answer.h"

#include <algorithm>
#include <charconv>

#include "http/message.h"

namespace lyceum::api {
namespace {

// A header value may not hold line breaks; messages can quote what a client sent.
std::string header_safe(std::string_view text) {
  std::string out;
  for (const char c : text) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  return out.substr(0, 1024);
}

}  // namespace

http::Response json_answer(const json::value& value, int status) { return http::Response::json(json::serialize(value), status); }

http::Response redirect_answer(std::string_view url) {
  http::Response response{.status = 302, .headers = {}, .body = {}, .file = {}, .parts = {}, .stream = {}};
  response.headers.set("Location", url);
  return response;
}

http::Response error_answer(const Error& error) {
  http::Response response = json_answer(json::object{{"error", error.what()}}, http_status(error.code()));
  if (!error.tag().empty()) response.headers.set("X-Error-Code", error.tag());
  response.headers.set("X-Error-Message", header_safe(error.what()));
  return response;
}

std::string read_body(const Context& context, size_t limit_bytes) {
  return context.request.body ? context.request.body->read_all(limit_bytes) : std::string();
}

json::object read_json_body(const Context& context, size_t limit_bytes) {
  const std::string text = read_body(context, limit_bytes);
  if (text.empty()) return {};
  json::value value = parse_json(text, "request body", limit_bytes);
  get_object(value, "request body");
  return std::move(value.as_object());
}

json::object read_form_or_json(const Context& context, size_t limit_bytes) {
  const auto type = context.request.headers.find("Content-Type");
  if (!type || !type->starts_with("application/x-www-form-urlencoded")) return read_json_body(context, limit_bytes);
  json::object out;
  for (const auto& [name, value] : http::parse_form(read_body(context, limit_bytes))) out[name] = value;
  return out;
}

bool is_true(const std::optional<std::string>& text) {
  return text && (text->empty() || *text == "true" || *text == "True" || *text == "1");
}

std::string web_prefix(hub::RepoType type) { return type == hub::RepoType::model ? "" : std::string(hub::plural(type)) + "/"; }

std::string repo_path(const hub::RepoId& id) {
  return "/" + web_prefix(id.type) + http::percent_encode(id.owner) + "/" + http::percent_encode(id.name);
}

std::string repo_url(const http::Request& request, const hub::RepoId& id) { return request.base_url + repo_path(id); }

std::string escape_path(std::string_view path) {
  std::string out;
  while (true) {
    const size_t slash = path.find('/');
    out += http::percent_encode(path.substr(0, slash));
    if (slash == std::string_view::npos) return out;
    out += '/';
    path.remove_prefix(slash + 1);
  }
}

std::string escaped_tail(const http::Request& request, size_t segments) {
  std::string_view path = request.path;
  for (size_t i = 0; i < segments + 1; ++i) {
    const size_t slash = path.find('/');
    if (slash == std::string_view::npos) return "";
    path.remove_prefix(slash + 1);
  }
  return std::string(path);
}

RevisionPath split_revision_path(const http::Request& request, size_t segments) {
  const std::string tail = escaped_tail(request, segments);
  const size_t raw_segments = tail.starts_with("refs/") ? 3 : 1;
  size_t end = 0;
  for (size_t i = 0; i < raw_segments && end != std::string::npos; ++i) end = tail.find('/', i == 0 ? 0 : end + 1);
  RevisionPath out;
  out.revision = http::percent_decode(tail.substr(0, end));
  if (end != std::string::npos) out.path = http::percent_decode(tail.substr(end + 1));
  while (!out.path.empty() && out.path.back() == '/') out.path.pop_back();
  return out;
}

Page find_page(const http::Request& request, size_t default_limit, size_t limit_max, bool offset_cursor) {
  const auto number = [&](std::string_view name, size_t fallback) {
    const auto text = request.find_query(name);
    size_t value = fallback;
    if (!text) return value;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (error != std::errc{} || end != text->data() + text->size())
      throw Error(Code::invalid_argument, std::string(name) + " must be a whole number.");
    return value;
  };
  return {offset_cursor ? number("cursor", 0) : 0, std::clamp<size_t>(number("limit", default_limit), 1, limit_max)};
}

http::Response page_answer(const http::Request& request, const Page& page, json::array items) {
  const bool more = items.size() > page.limit;
  if (more) items.resize(page.limit);
  http::Response response = json_answer(std::move(items));
  if (more) add_next_link(response, request, page.offset + page.limit);
  return response;
}

void add_next_link(http::Response& response, const http::Request& request, size_t next_offset) { add_next_link(response, request, std::to_string(next_offset)); }

void add_next_link(http::Response& response, const http::Request& request, const std::string& cursor) {
  std::string query;
  for (const auto& [name, value] : request.query) {
    if (name == "cursor") continue;
    query += http::percent_encode(name) + "=" + http::percent_encode(value) + "&";
  }
  response.headers.add("Link", "<" + request.base_url + request.path + "?" + query + "cursor=" + http::percent_encode(cursor) + ">; rel=\"next\"");
}

}  // namespace lyceum::api
