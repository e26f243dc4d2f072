// The browser front end: built files from web_folder. Addresses that are pages of the application all answer index.html.
#include <array>

#include "api/admin/handlers.h"
#include "api/answer.h"
#include "api/services.h"
#include "base/files.h"

namespace lyceum::api {
namespace {

constexpr std::string_view kPolicy =
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

std::string_view type_of(const fs::path& path) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 14> types{{
      {".js", "text/javascript; charset=utf-8"}, {".css", "text/css; charset=utf-8"}, {".svg", "image/svg+xml"}, {".png", "image/png"},
      {".ico", "image/x-icon"}, {".json", "application/json"}, {".map", "application/json"}, {".woff2", "font/woff2"}, {".woff", "font/woff"},
      {".ttf", "font/ttf"}, {".webmanifest", "application/manifest+json"}, {".txt", "text/plain; charset=utf-8"}, {".webp", "image/webp"},
      {".html", "text/html; charset=utf-8"}}};
  for (const auto& [extension, type] : types)
    if (path.extension() == extension) return type;
  return "application/octet-stream";
}

// Only plain names below the folder: no "..", nothing hidden, no links out of it.
std::optional<fs::path> find_file(const fs::path& folder, std::string_view name) {
  if (folder.empty() || name.empty() || name.find('\0') != std::string_view::npos || name.find('\\') != std::string_view::npos) return std::nullopt;
  const fs::path relative(name);
  for (const fs::path& part : relative)
    if (part.empty() || part.native().starts_with('.') || part.has_root_path()) return std::nullopt;
  std::error_code error;
  const fs::path found = folder / relative;
  return fs::symlink_status(found, error).type() == fs::file_type::regular ? std::optional(found) : std::nullopt;
}

http::Response serve(const Context& context, const fs::path& file, std::string_view cache) {
  http::Response response = http::ranged_file(context.request, file, fs::file_size(file), type_of(file));
  response.headers.set("Cache-Control", cache);
  response.headers.set("Content-Security-Policy", kPolicy);
  response.headers.set("Referrer-Policy", "same-origin");
  response.headers.set("X-Frame-Options", "DENY");
  response.headers.set("Cross-Origin-Opener-Policy", "same-origin");
  response.headers.set("Cross-Origin-Resource-Policy", "same-origin");
  return response;
}

}  // namespace

http::Response serve_asset(Context& context) {
  const auto file = find_file(context.services.web_folder / "assets", context.request.param("path"));
  if (!file) throw Error(Code::not_found, "There is no such file.");
  return serve(context, *file, "public, max-age=31536000, immutable");  // names carry a hash of the content
}

http::Response serve_page(Context& context) {
  const auto path = context.request.params.find("path");
  if (path != context.request.params.end() && path->second.find('/') == std::string::npos)
    if (const auto file = find_file(context.services.web_folder, path->second)) return serve(context, *file, "no-cache");
  const auto index = find_file(context.services.web_folder, "index.html");
  if (!index) return http::Response::text("Lyceum is running; its browser pages are not installed here. Clients use this address as HF_ENDPOINT.\n");
  return serve(context, *index, "no-cache");
}

// Asked before a page elsewhere sends a token; which origins may is decided where answers leave (access.cpp).
http::Response answer_preflight(Context& context) {
  http::Response response;
  response.status = 204;
  response.headers.set("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
  if (!context.request.headers.find("Origin")) return response;
  response.headers.set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE");
  response.headers.set("Access-Control-Allow-Headers", "Authorization, Content-Type, Range, If-None-Match, X-HF-Bill-To, X-Request-Id");
  response.headers.set("Access-Control-Max-Age", "600");
  return response;
}

http::Response refuse_unknown(Context&) { throw Error(Code::not_found, "There is no such address."); }

}  // namespace lyceum::api
