// A file's content with the headers that every client reads (also on HEAD and on 404).
//
// Files come from people, so none may act on our origin: types a browser would run are sent as attachments, and every answer
// carries nosniff and a Content-Security-Policy that sandboxes it without any right.
#include "api/answer.h"
#include "api/hub/handlers.h"
#include "api/services.h"
#include "api/xet/xet.h"
#include "hub/downloads.h"

namespace lyceum::api {
namespace {

struct MediaType {
  std::string_view extension, type;
  bool safe_inline;  // may a browser show it in place?
};

constexpr MediaType kTypes[] = {
    {".png", "image/png", true}, {".jpg", "image/jpeg", true}, {".jpeg", "image/jpeg", true}, {".gif", "image/gif", true},
    {".webp", "image/webp", true}, {".svg", "image/svg+xml", false}, {".wav", "audio/wav", true}, {".mp3", "audio/mpeg", true},
    {".flac", "audio/flac", true}, {".mp4", "video/mp4", true}, {".webm", "video/webm", true}, {".html", "text/plain; charset=utf-8", false},
    {".htm", "text/plain; charset=utf-8", false}, {".json", "application/json", true}, {".jsonl", "text/plain; charset=utf-8", true},
    {".md", "text/plain; charset=utf-8", true}, {".txt", "text/plain; charset=utf-8", true}, {".csv", "text/plain; charset=utf-8", true},
    {".py", "text/plain; charset=utf-8", true}, {".yaml", "text/plain; charset=utf-8", true}, {".yml", "text/plain; charset=utf-8", true},
    {".jinja", "text/plain; charset=utf-8", true}, {".toml", "text/plain; charset=utf-8", true}};

MediaType type_of(std::string_view path) {
  for (const MediaType& one : kTypes)
    if (path.ends_with(one.extension)) return one;
  return {"", "application/octet-stream", false};
}

// filename* carries any name; filename is the ASCII fallback.
std::string disposition(std::string_view path, bool inline_allowed) {
  const std::string name(path.substr(path.rfind('/') + 1));
  std::string ascii;
  for (const char c : name) ascii += c < 0x20 || c > 0x7e || c == '"' || c == '\\' ? '_' : c;
  return std::string(inline_allowed ? "inline" : "attachment") + "; filename*=UTF-8''" + http::percent_encode(name) + "; filename=\"" + ascii + "\";";
}

http::Response entry_not_found(const std::string& commit) {
  http::Response response = error_answer(Error(Code::not_found, "Entry not found", "EntryNotFound"));
  response.headers.set("X-Repo-Commit", commit);  // feeds the clients' cache of files known not to exist
  return response;
}

void add_xet_headers(const Context& context, const std::string& commit, const std::string& hash, http::Response& response) {
  const std::string& base = context.request.base_url;
  const std::string api = base + "/api/" + std::string(hub::plural(context.repo->repo_id.type)) + "/" + http::percent_encode(context.repo->repo_id.owner) + "/" +
                          http::percent_encode(context.repo->repo_id.name);
  response.headers.set("X-Xet-Hash", hash);
  response.headers.add("Link", "<" + api + "/xet-read-token/" + commit + ">; rel=\"xet-auth\", <" +
                                   xet_base_url(context.request, context.services.hub) + "/v1/reconstructions/" + hash + ">; rel=\"xet-reconstruction-info\"");
}

bool wants_xet_info(const http::Request& request) {
  return request.headers.find("Accept").value_or("").find("application/vnd.xet-fileinfo+json") != std::string_view::npos;
}

// Clients that read by chunks ask what a file is before they ask for its bytes; a plain GET does not pay for an index that it will not use.
bool asks_for_description(const http::Request& request) { return request.method == "HEAD" || request.headers.find("Range") == "bytes=0-0" || wants_xet_info(request); }

void add_file_headers(const Context& context, const std::string& commit, const hub::FileEntry& entry, http::Response& response) {
  const bool large = !entry.sha256.empty();
  response.headers.set("X-Repo-Commit", commit);
  response.headers.set("ETag", "\"" + (large ? entry.sha256 : entry.oid) + "\"");
  response.headers.set("Accept-Ranges", "bytes");
  response.headers.set("Cache-Control", context.repo->is_private ? "private, no-cache" : "no-cache");
  response.headers.set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox");
  if (!is_true(context.request.find_query("noContentDisposition"))) {
    const bool download = context.request.find_query("download").has_value();
    response.headers.set("Content-Disposition", disposition(entry.path, type_of(entry.path).safe_inline && !download));
  } else if (!type_of(entry.path).safe_inline) {
    response.headers.set("Content-Disposition", "attachment");
  }
  if (!large) return;
  response.headers.set("X-Linked-Etag", "\"" + entry.sha256 + "\"");
  response.headers.set("X-Linked-Size", std::to_string(entry.size));
  if (is_hex(entry.xet_hash, 64)) {
    add_xet_headers(context, commit, entry.xet_hash, response);
  } else if (context.services.xet_indexer && asks_for_description(context.request)) {
    context.services.xet_indexer->enqueue(entry.sha256);  // came through LFS or git: the next asker gets the Xet view
  }
}

bool is_unchanged(const http::Request& request, const hub::FileEntry& entry) {
  const auto known = request.headers.find("If-None-Match");
  return known && known->find(entry.sha256.empty() ? entry.oid : entry.sha256) != std::string_view::npos;
}

http::Response content(const Context& context, const hub::FileEntry& entry) {
  hub::Hub& hub = context.services.hub;
  if (is_unchanged(context.request, entry)) return http::Response{.status = 304, .headers = {}, .body = {}, .file = {}, .parts = {}, .stream = {}};
  if (!entry.sha256.empty()) {
    const MediaType& type = type_of(entry.path);
    const std::string url = hub.blob_url(entry.sha256, disposition(entry.path, type.safe_inline), std::string(type.type));
    if (!url.empty()) return redirect_answer(url);  // the store itself sends the bytes; clients follow such a link as they follow Hugging Face's
  }
  if (!entry.sha256.empty()) return http::ranged_file(context.request, hub.blob_path(entry.sha256), entry.size, type_of(entry.path).type);
  return http::ranged_bytes(context.request, hub.read_small(*context.repo, entry), type_of(entry.path).type);
}

// The bytes of content that this answer will send.
uint64_t content_bytes(const http::Request& request, const http::Response& response) {
  if (request.method == "HEAD" || response.status >= 300) return 0;
  uint64_t total = response.file ? response.file->length : response.body.size();
  for (const auto& [text, part] : response.parts) total += part.length;
  return total;
}

void count_download(Context& context, const std::string& path, const http::Response& response) {
  const http::Request& request = context.request;
  const auto agent = request.headers.find("User-Agent");
  context.services.hub.downloads().record(*context.repo, {path, request.remote, agent.value_or(""), content_bytes(request, response)});
}

// @huggingface/hub asks for this instead of the content when it can rebuild the file from chunks.
http::Response xet_info(const Context& context, const std::string& commit, const hub::FileEntry& entry) {
  http::Response response = json_answer(json::object{{"hash", entry.xet_hash}, {"size", entry.size}, {"etag", "\"" + entry.sha256 + "\""}});
  response.headers.set("Content-Type", "application/vnd.xet-fileinfo+json");
  add_file_headers(context, commit, entry, response);
  response.headers.set("Content-Disposition", "attachment");
  return response;
}

// "/datasets/ns/name/resolve/…" has one segment more than "/ns/name/resolve/…".
size_t segments_before_revision(const Context& context) { return context.repo->repo_id.type == hub::RepoType::model ? 3 : 4; }

}  // namespace

http::Response resolve_file(Context& context) {
  hub::Hub& hub = context.services.hub;
  const RevisionPath where = split_revision_path(context.request, segments_before_revision(context));
  const std::string commit = hub.resolve_revision(*context.repo, where.revision);
  const auto entry = hub.find_entry(*context.repo, commit, where.path);
  if (!entry || entry->is_folder) return entry_not_found(commit);
  if (wants_xet_info(context.request) && is_hex(entry->xet_hash, 64)) {
    http::Response info = xet_info(context, commit, *entry);
    count_download(context, where.path, http::Response{.status = 304, .headers = {}, .body = {}, .file = {}, .parts = {}, .stream = {}});
    return info;
  }
  http::Response response = content(context, *entry);
  add_file_headers(context, commit, *entry, response);
  // @huggingface/hub asks for "bytes=0-0" to learn the size, and reads it from here only.
  if (entry->size == 0 && context.request.headers.find("Range")) response.headers.set("Content-Range", "bytes */0");
  count_download(context, where.path, response);
  const bool indexed = entry->sha256.empty() || is_hex(entry->xet_hash, 64);  // else the next asker is to hear of its Xet view
  if (indexed) context.file_to_keep = where.path;
  return response;
}

http::Response serve_raw(Context& context) {
  hub::Hub& hub = context.services.hub;
  const RevisionPath where = split_revision_path(context.request, segments_before_revision(context));
  const std::string commit = hub.resolve_revision(*context.repo, where.revision);
  auto entry = hub.find_entry(*context.repo, commit, where.path);
  if (!entry || entry->is_folder) return entry_not_found(commit);
  http::Response response = http::ranged_bytes(context.request, hub.read_small(*context.repo, *entry), "text/plain; charset=utf-8");
  entry->sha256.clear();  // the pointer text is what is served: the git blob is its identity
  add_file_headers(context, commit, *entry, response);
  return response;
}

}  // namespace lyceum::api
