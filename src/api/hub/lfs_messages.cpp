#include "api/hub/lfs_messages.h"

#include <algorithm>

#include "base/bytes.h"

namespace lyceum::api {
namespace {

bool offers(const json::object& body, std::string_view transfer) {
  const json::array* transfers = find_array(body, "transfers");
  return transfers && std::find(transfers->begin(), transfers->end(), json::value(transfer)) != transfers->end();
}

std::string unquoted(std::string text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') return text.substr(1, text.size() - 2);
  return text;
}

}  // namespace

bool LfsObject::sound() const noexcept { return is_hex(oid, 64) && size >= 0; }

bool is_lfs_upload(const json::object& body) {
  const std::string operation = get_string(body, "operation");
  if (operation != "upload" && operation != "download") throw Error(Code::unprocessable, "operation is upload or download.");
  return operation == "upload";
}

LfsObject parse_lfs_object(const json::object& body) { return {get_string(body, "oid"), get_int(body, "size")}; }

LfsBatch parse_lfs_batch(const json::object& body) {
  // "sha256" from git-lfs, "sha_256" from JavaScript, absent from older clients.
  const std::string algorithm = find_string(body, "hash_algo").value_or("sha256");
  if (algorithm != "sha256" && algorithm != "sha_256") throw Error(Code::conflict, "Only sha256 is supported.");
  const json::array* objects = find_array(body, "objects");
  if (!objects) throw Error(Code::unprocessable, "objects is missing.");
  if (objects->size() > kLfsObjectsMax) throw Error(Code::too_large, "At most 10000 objects can be asked about at once.");
  LfsBatch out;
  out.xet = offers(body, "xet");
  out.multipart = offers(body, "multipart");
  if (const json::object* ref = find_object(body, "ref")) out.revision = find_string(*ref, "name").value_or("main");
  if (out.revision.starts_with("refs/heads/")) out.revision.erase(0, 11);
  for (const json::value& one : *objects) out.objects.push_back(parse_lfs_object(get_object(one, "objects[]")));
  return out;
}

std::vector<LfsPart> parse_lfs_parts(const json::object& body, const std::string& oid) {
  if (find_string(body, "oid").value_or(oid) != oid) throw Error(Code::unprocessable, "This link completes another object.");
  const json::array* parts = find_array(body, "parts");
  if (!parts) throw Error(Code::unprocessable, "parts is missing.");
  std::vector<LfsPart> out;
  for (const json::value& one : *parts) {
    const json::object& part = get_object(one, "parts[]");
    out.push_back({get_int(part, "partNumber"), unquoted(get_string(part, "etag"))});
    if (out.back().number != static_cast<int64_t>(out.size())) throw Error(Code::unprocessable, "The parts must be listed in order, from 1.");
  }
  return out;
}

}  // namespace lyceum::api
