#include "api/admin/markdown.h"

#include <cmark-gfm-core-extensions.h>
#include <cmark-gfm.h>

#include <memory>

namespace lyceum::api {
namespace {

struct CmarkFree {
  void operator()(cmark_parser* parser) const { cmark_parser_free(parser); }
  void operator()(cmark_node* node) const { cmark_node_free(node); }
  void operator()(char* text) const { cmark_get_default_mem_allocator()->free(text); }
};

}  // namespace

std::string render_markdown(std::string_view markdown, const HtmlBase& base) {
  static const bool registered = (cmark_gfm_core_extensions_ensure_registered(), true);
  static_cast<void>(registered);
  constexpr int options = CMARK_OPT_UNSAFE | CMARK_OPT_FOOTNOTES | CMARK_OPT_VALIDATE_UTF8;  // UNSAFE: the filter decides, not cmark
  const std::unique_ptr<cmark_parser, CmarkFree> parser(cmark_parser_new(options));
  for (const char* name : {"table", "strikethrough", "autolink", "tasklist"})
    if (auto* extension = cmark_find_syntax_extension(name)) cmark_parser_attach_syntax_extension(parser.get(), extension);
  cmark_parser_feed(parser.get(), markdown.data(), markdown.size());
  const std::unique_ptr<cmark_node, CmarkFree> root(cmark_parser_finish(parser.get()));
  const std::unique_ptr<char, CmarkFree> html(cmark_render_html(root.get(), options, cmark_parser_get_syntax_extensions(parser.get())));
  return html ? filter_html(html.get(), base) : "";
}

}  // namespace lyceum::api
