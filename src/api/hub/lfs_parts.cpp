// LFS uploads in parts ("multipart"): each part is a file in staging/multipart/<repository>-<oid>/ named <number>-<etag>, so a part that fails is
// sent again alone and parts survive a restart of the server. Completion streams them in order through a BlobWriter, which checks the digest
// of the whole: an ETag says only which upload of the part is meant.
#include <charconv>

#include "api/answer.h"
#include "api/hub/handlers.h"
#include "api/hub/lfs_links.h"
#include "api/hub/lfs_messages.h"
#include "api/services.h"
#include "api/signing.h"
#include "base/files.h"
#include "base/large_file.h"
#include "base/random.h"
#include <unistd.h>

namespace lyceum::api {
namespace {

constexpr uint64_t kPartsMax = 10'000;

fs::path folder_of(const Context& context, const hub::Repo& repo, const std::string& oid) {
  return context.services.hub.data_folder() / "staging" / "multipart" / (repo.public_id + "-" + oid);
}

std::string part_key(uint64_t number) {
  const std::string digits = std::to_string(number);
  return std::string(digits.size() < 5 ? 5 - digits.size() : 0, '0') + digits;
}

uint64_t count_of(uint64_t size, uint64_t part) { return (size + part - 1) / part; }

// The file of a part, whatever its ETag; empty if it has not come.
fs::path find_part(const fs::path& folder, uint64_t number) {
  const std::string prefix = part_key(number) + "-";
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->path().filename().string().starts_with(prefix)) return it->path();
  }
  return {};
}

// Receives exactly `length` bytes into a file of its own.
void receive_part(const Context& context, const fs::path& path, uint64_t length) {
  LargeFileWriter file(path, 0600);
  uint64_t received = 0;
  while (context.request.body) {
    const std::span<std::byte> room = file.room();
    const size_t got = context.request.body->read(room);
    if (got == 0) break;
    received += got;
    if (received > length) break;
    file.filled(got);
  }
  if (received != length) throw Error(Code::unprocessable, "This part has " + std::to_string(length) + " bytes; " + (received > length ? "more" : std::to_string(received)) + " came.");
  file.finish();
}

// The list must name every part once, by the ETag it was answered with.
std::vector<fs::path> check_parts(const fs::path& folder, const std::vector<LfsPart>& parts, uint64_t count) {
  if (parts.size() != count) throw Error(Code::unprocessable, "This upload has " + std::to_string(count) + " parts; " + std::to_string(parts.size()) + " are listed.");
  std::vector<fs::path> out;
  for (uint64_t number = 1; number <= count; ++number) {
    const fs::path path = find_part(folder, number);
    if (path.empty()) throw Error(Code::unprocessable, "Part " + std::to_string(number) + " has not been uploaded.");
    if (path.filename().string().substr(part_key(number).size() + 1) != parts[number - 1].etag)
      throw Error(Code::unprocessable, "The etag of part " + std::to_string(number) + " is not the one of its upload.");
    out.push_back(path);
  }
  return out;
}

void append_file(hub::BlobWriter& writer, const fs::path& path) {
  LargeFileReader file(path);
  for (uint64_t at = 0; at < file.size();) {
    const Bytes piece = file.read(at, static_cast<size_t>(std::min<uint64_t>(LargeFileReader::kPieceBytesMax, file.size() - at)));
    writer.write(piece);
    at += piece.size();
  }
}

}  // namespace

uint64_t lfs_part_size(uint64_t size, uint64_t part_bytes) { return std::max(part_bytes, count_of(size, kPartsMax)); }

json::object lfs_parts_action(const Context& context, const std::string& oid, uint64_t size) {
  const uint64_t part = lfs_part_size(size, context.services.lfs_part_bytes);
  const int64_t expires = context.services.clock.now_ms() + kLfsLinkLife_ms;
  const std::string base = lfs_objects_path(context) + oid;
  json::object header{{"chunk_size", std::to_string(part)}};
  for (uint64_t number = 1; number <= count_of(size, part); ++number) {
    const uint64_t length = std::min(part, size - (number - 1) * part);
    header[part_key(number)] =
        sign_url(context.services.hub, context.request.base_url, "PUT", base + "/parts/" + std::to_string(number), expires, "length=" + std::to_string(length));
  }
  const std::string complete = sign_url(context.services.hub, context.request.base_url, "POST", base + "/complete", expires,
                                        "size=" + std::to_string(size) + "&part=" + std::to_string(part));
  return {{"href", complete}, {"header", std::move(header)}, {"expires_in", kLfsLinkLife_ms / 1000}};
}

http::Response lfs_upload_part(Context& context) {
  require_signed_url(context.request, context.services.hub, context.services.clock.now_ms());
  const hub::Repo repo = signed_repo(context);
  const std::string& text = context.request.param("part");
  uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  if (number < 1 || number > kPartsMax) throw Error(Code::not_found, "There is no part " + text.substr(0, 40) + ".");
  const fs::path folder = folder_of(context, repo, context.request.param("oid"));
  make_folders_durable(folder);
  const std::string tag = secure_alphanumeric(20);
  const fs::path fresh = folder / ("new-" + tag);
  try {
    receive_part(context, fresh, signed_number(context.request, "length"));
  } catch (...) {
    ::unlink(fresh.c_str());
    throw;
  }
  if (const fs::path before = find_part(folder, number); !before.empty()) ::unlink(before.c_str());
  rename_durable(fresh, folder / (part_key(number) + "-" + tag));
  http::Response response = http::Response::text("");
  response.headers.set("ETag", "\"" + tag + "\"");
  return response;
}

http::Response lfs_complete(Context& context) {
  hub::Hub& hub = context.services.hub;
  require_signed_url(context.request, hub, context.services.clock.now_ms());
  const hub::Repo repo = signed_repo(context);
  const std::string& oid = context.request.param("oid");
  const std::vector<LfsPart> parts = parse_lfs_parts(read_json_body(context), oid);
  if (hub.repo_has_blob(repo, oid)) {  // a retry, or another upload of the same file was faster
    hub.link_blob(repo, oid);          // young again, so that no collection takes it before its commit comes
    return lfs_answer(json::object{});
  }
  const fs::path folder = folder_of(context, repo, oid);
  const uint64_t size = signed_number(context.request, "size"), part = signed_number(context.request, "part");
  const auto writer = hub.write_blob();
  for (const fs::path& path : check_parts(folder, parts, count_of(size, std::max<uint64_t>(part, 1)))) append_file(*writer, path);
  writer->finish(oid);
  hub.link_blob(repo, oid);
  std::error_code ignored;
  fs::remove_all(folder, ignored);
  return lfs_answer(json::object{});
}

}  // namespace lyceum::api
