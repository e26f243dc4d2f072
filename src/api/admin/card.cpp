// The README as HTML.
#include "api/admin/handlers.h"
#include "api/admin/markdown.h"
#include "api/answer.h"
#include "api/services.h"

namespace lyceum::api {
namespace {

constexpr uint64_t kReadmeLimit = 512u << 10;  // some inputs cost cmark-gfm quadratic time

std::string_view without_front_matter(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  if (!text.starts_with("---\n") && !text.starts_with("---\r\n")) return text;
  const size_t end = text.find("\n---", 3);
  if (end == std::string_view::npos) return text;
  const size_t line = text.find('\n', end + 1);
  return line == std::string_view::npos ? std::string_view() : text.substr(line + 1);
}

}  // namespace

http::Response render_card(Context& context) {
  hub::Hub& hub = context.services.hub;
  const hub::Repo& repo = *context.repo;
  const auto entry = hub.find_entry(repo, repo.head, "README.md");
  if (!entry || entry->is_folder || !entry->sha256.empty()) throw Error(Code::not_found, "This repository has no README.md.", "EntryNotFound");
  if (entry->size > kReadmeLimit) throw Error(Code::too_large, "README.md is over 512 KiB and is not rendered.");
  const std::string readme = hub.read_small(repo, *entry);
  const HtmlBase base{repo_path(repo.repo_id) + "/resolve/main/"};
  http::Response response = http::Response::text(render_markdown(without_front_matter(readme), base), 200, "text/html; charset=utf-8");
  response.headers.set("Content-Security-Policy", "default-src 'none'; sandbox");
  response.headers.set("Cache-Control", "no-cache");
  return response;
}

}  // namespace lyceum::api
