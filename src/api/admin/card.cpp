// The README as HTML: cmark-gfm for the Markdown, html_filter for everything a stranger may have written into it.
#include <cmark-gfm-core-extensions.h>
#include <cmark-gfm.h>

#include <memory>

#include "api/admin/handlers.h"
#include "api/admin/html_filter.h"
#include "api/answer.h"
#include "api/services.h"

namespace lyceum::api {
namespace {

constexpr uint64_t kReadmeLimit = 512u << 10;  // some inputs cost cmark-gfm quadratic time

struct CmarkFree {
  void operator()(cmark_parser* parser) const { cmark_parser_free(parser); }
  void operator()(cmark_node* node) const { cmark_node_free(node); }
  void operator()(char* text) const { cmark_get_default_mem_allocator()->free(text); }
};

std::string_view without_front_matter(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  if (!text.starts_with("---\n") && !text.starts_with("---\r\n")) return text;
  const size_t end = text.find("\n---", 3);
  if (end == std::string_view::npos) return text;
  const size_t line = text.find('\n', end + 1);
  return line == std::string_view::npos ? std::string_view() : text.substr(line + 1);
}

std::string render_markdown(std::string_view markdown) {
  static const bool registered = (cmark_gfm_core_extensions_ensure_registered(), true);
  static_cast<void>(registered);
  constexpr int options = CMARK_OPT_UNSAFE | CMARK_OPT_FOOTNOTES | CMARK_OPT_VALIDATE_UTF8;  // UNSAFE: the filter decides, not cmark
  const std::unique_ptr<cmark_parser, CmarkFree> parser(cmark_parser_new(options));
  for (const char* name : {"table", "strikethrough", "autolink", "tasklist"})
    if (auto* extension = cmark_find_syntax_extension(name)) cmark_parser_attach_syntax_extension(parser.get(), extension);
  cmark_parser_feed(parser.get(), markdown.data(), markdown.size());
  const std::unique_ptr<cmark_node, CmarkFree> root(cmark_parser_finish(parser.get()));
  const std::unique_ptr<char, CmarkFree> html(cmark_render_html(root.get(), options, cmark_parser_get_syntax_extensions(parser.get())));
  return html ? html.get() : "";
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
  http::Response response = http::Response::text(filter_html(render_markdown(without_front_matter(readme)), base), 200, "text/html; charset=utf-8");
  response.headers.set("Content-Security-Policy", "default-src 'none'; sandbox");
  response.headers.set("Cache-Control", "no-cache");
  return response;
}

}  // namespace lyceum::api
