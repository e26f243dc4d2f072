#include "cli/hub_client.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/hash.h"

namespace lyceum::cli {
namespace {

Code code_of(int status) {
  switch (status) {
    case 401: return Code::unauthorized;
    case 403: return Code::forbidden;
    case 404: return Code::not_found;
    case 409: return Code::conflict;
    case 412: return Code::precondition_failed;
    case 413: return Code::too_large;
    case 422: return Code::unprocessable;
    case 429: return Code::too_many_requests;
    case 501: return Code::unsupported;
    case 502:
    case 503: return Code::unavailable;
    case 507: return Code::storage_full;
    default: return status >= 500 ? Code::internal : Code::invalid_argument;
  }
}

std::string error_message(const http::ClientResponse& response) {
  if (const auto header = response.headers.find("X-Error-Message")) return std::string(*header);
  try {
    const json::value body = parse_json(response.body, "answer");
    if (const json::value* error = body.as_object().if_contains("error")) {
      if (error->is_string()) return std::string(error->get_string());
      if (error->is_object()) return get_string(error->get_object(), "message");
    }
  } catch (const std::exception&) {
    // Not JSON: the body itself is the best message there is.
  }
  return response.body.substr(0, 300);
}

std::string plural(const std::string& type) { return type + "s"; }

// The part of a web address that names the repository: models have no prefix.
std::string web_path(const RepoName& repo) { return "/" + (repo.type == "model" ? "" : plural(repo.type) + "/") + repo.id; }
std::string api_path(const RepoName& repo) { return "/api/" + plural(repo.type) + "/" + repo.id; }

std::string encode_path(const std::string& path) {
  std::string out;
  size_t start = 0;
  while (true) {
    const size_t slash = path.find('/', start);
    out += http::percent_encode(std::string_view(path).substr(start, slash - start));
    if (slash == std::string::npos) return out;
    out += '/';
    start = slash + 1;
  }
}

std::string next_target(const http::ClientResponse& response, const std::string& endpoint) {
  const auto link = response.headers.find("Link");
  if (!link || link->find("rel=\"next\"") == std::string_view::npos) return {};
  const size_t open = link->find('<');
  const size_t close = link->find('>');
  if (open == std::string_view::npos || close == std::string_view::npos) return {};
  std::string url(link->substr(open + 1, close - open - 1));
  if (url.starts_with(endpoint)) url.erase(0, endpoint.size());
  return url;
}

bool valid_part(std::string_view part) {
  return !part.empty() && part.size() <= 96 && std::all_of(part.begin(), part.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.';
  });
}

}  // namespace

RepoName parse_repo_name(const std::string& text, const std::string& default_type) {
  RepoName repo;
  repo.type = default_type;
  repo.id = text;
  if (const size_t at = repo.id.find('@'); at != std::string::npos) {
    repo.revision = repo.id.substr(at + 1);
    repo.id.resize(at);
  }
  for (const char* type : {"model", "dataset", "space"}) {
    const std::string prefix = plural(type) + "/";
    if (repo.id.starts_with(prefix) && std::count(repo.id.begin(), repo.id.end(), '/') == 2) {
      repo.type = type;
      repo.id.erase(0, prefix.size());
    }
  }
  const size_t slash = repo.id.find('/');
  if (slash == std::string::npos || !valid_part(std::string_view(repo.id).substr(0, slash)) ||
      !valid_part(std::string_view(repo.id).substr(slash + 1)) || repo.revision.empty()) {
    throw Error(Code::invalid_argument, "'" + text + "' is not a repository name; write owner/name, owner/name@revision or datasets/owner/name");
  }
  return repo;
}

HubClient::HubClient(const Globals& globals) : endpoint_(globals.endpoint), token_(globals.token), client_(globals.endpoint) {}

http::ClientResponse HubClient::request(http::ClientRequest request, const std::function<bool(std::string_view)>& sink) {
  if (!token_.empty() && !request.headers.find("Authorization")) request.headers.set("Authorization", "Bearer " + token_);
  request.headers.set("User-Agent", "lyceum");
  http::ClientResponse response;
  try {
    response = client_.send(request, sink);
  } catch (const Error& error) {
    if (error.code() != Code::unavailable) throw;
    throw Error(Code::unavailable, std::string(error.what()) + "; is Lyceum running at " + endpoint_ +
                                       "? Start it with `lyceum serve`, or set --endpoint or HF_ENDPOINT");
  }
  if (response.status / 100 == 2) return response;
  const auto tag = response.headers.find("X-Error-Code");
  std::string message = error_message(response);
  if (response.status == 401 && token_.empty()) message += "; no token was given: use `hf auth login`, --token or HF_TOKEN";
  throw Error(code_of(response.status), request.method + " " + request.target + ": " + message, tag ? std::string(*tag) : "");
}

json::value HubClient::get(const std::string& target) {
  http::ClientRequest req;
  req.target = target;
  return parse_json(request(std::move(req)).body, target);
}

json::value HubClient::send(const std::string& method, const std::string& target, const json::value& body) {
  http::ClientRequest req;
  req.method = method;
  req.target = target;
  req.headers.set("Content-Type", "application/json");
  req.body = json::serialize(body);
  const auto response = request(std::move(req));
  return response.body.empty() ? json::value(nullptr) : parse_json(response.body, target);
}

std::string HubClient::whoami() { return get_string(lyceum::get_object(get("/api/whoami-v2"), "whoami"), "name"); }

RemoteTree HubClient::tree(const RepoName& repo) {
  RemoteTree out;
  const json::value info = get(api_path(repo) + "/revision/" + http::percent_encode(repo.revision));
  out.commit = get_string(lyceum::get_object(info, "repository"), "sha");
  std::string target = api_path(repo) + "/tree/" + out.commit + "?recursive=true";
  while (!target.empty()) {
    http::ClientRequest req;
    req.target = target;
    const auto response = request(std::move(req));
    const json::value page = parse_json(response.body, "tree");
    for (const json::value& item : page.as_array()) {
      const json::object& entry = lyceum::get_object(item, "tree entry");
      if (get_string(entry, "type") != "file") continue;
      RemoteFile file{get_string(entry, "path"), static_cast<uint64_t>(get_int(entry, "size")), "", get_string(entry, "oid")};
      if (const json::object* lfs = find_object(entry, "lfs")) file.sha256 = get_string(*lfs, "oid");
      out.files.push_back(std::move(file));
    }
    target = next_target(response, endpoint_);
  }
  return out;
}

std::string HubClient::read(const RepoName& repo, const std::string& path) {
  http::ClientRequest req;
  req.target = web_path(repo) + "/resolve/" + http::percent_encode(repo.revision) + "/" + encode_path(path);
  return request(std::move(req)).body;
}

std::string HubClient::read_range(const RepoName& repo, const std::string& path, uint64_t begin, uint64_t bytes) {
  if (bytes == 0) return {};
  http::ClientRequest req;
  req.target = web_path(repo) + "/resolve/" + http::percent_encode(repo.revision) + "/" + encode_path(path);
  req.headers.set("Range", fmt::format("bytes={}-{}", begin, begin + bytes - 1));
  std::string out;
  request(std::move(req), [&](std::string_view piece) {
    out += piece;
    return out.size() <= bytes;   // a server that ignores Range sends everything
  });
  if (out.size() != bytes) throw Error(Code::unprocessable, fmt::format("{}: asked for {} bytes from {} on, got {}", path, bytes, begin, out.size()));
  return out;
}

std::optional<std::string> HubClient::find_text(const RepoName& repo, const std::string& path) {
  try {
    return read(repo, path);
  } catch (const Error& error) {
    if (error.code() == Code::not_found && error.tag() == "EntryNotFound") return std::nullopt;
    throw;
  }
}

void HubClient::download(const RepoName& repo, const RemoteFile& file, const fs::path& target,
                         const std::function<void(uint64_t)>& on_bytes) {
  fs::create_directories(target.parent_path());
  const fs::path part = target.string() + ".part";
  uint64_t have = fs::exists(part) ? fs::file_size(part) : 0;
  if (have > file.size) {
    fs::remove(part);
    have = 0;
  }
  const UniqueFd fd = open_file(part, O_WRONLY | O_CREAT | O_APPEND);
  if (on_bytes) on_bytes(have);
  if (have < file.size) {
    http::ClientRequest req;
    req.target = web_path(repo) + "/resolve/" + http::percent_encode(repo.revision) + "/" + encode_path(file.path);
    if (have > 0) req.headers.set("Range", "bytes=" + std::to_string(have) + "-");
    request(std::move(req), [&](std::string_view bytes) {
      write_all(fd.get(), as_bytes(bytes), part);
      if (on_bytes) on_bytes(bytes.size());
      return true;
    });
  }
  fsync_file(fd.get(), part);
  if (fs::file_size(part) != file.size || (!file.sha256.empty() && sha256_file_hex(part) != file.sha256)) {
    fs::remove(part);
    throw Error(Code::unprocessable, file.path + ": what arrived does not match the hub's size and SHA-256; it was discarded, try again");
  }
  rename_durable(part, target);
}

void HubClient::create_repo(const RepoName& repo, bool is_private, const std::string& sdk) {
  const size_t slash = repo.id.find('/');
  json::object body{{"name", repo.id.substr(slash + 1)}, {"organization", repo.id.substr(0, slash)}, {"type", repo.type},
                    {"visibility", is_private ? "private" : "public"}};
  if (!sdk.empty()) body["sdk"] = sdk;
  try {
    send("POST", "/api/repos/create", body);
  } catch (const Error& error) {
    if (error.code() != Code::conflict) throw;
  }
}

namespace {

struct Prepared {
  const UploadFile* file;
  bool large = false;
  uint64_t size = 0;
  std::string sha256;
};

std::string load_content(const UploadFile& file) { return file.local.empty() ? file.content : read_file(file.local); }

std::string load_sample(const UploadFile& file) {
  if (file.local.empty()) return file.content.substr(0, 512);
  const UniqueFd fd = open_file(file.local, O_RDONLY);
  std::string out(512, '\0');
  const ssize_t got = ::pread(fd.get(), out.data(), out.size(), 0);
  out.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return out;
}

std::vector<Prepared> prepare(HubClient& hub, const RepoName& repo, const std::vector<UploadFile>& files) {
  json::array asked;
  std::vector<Prepared> out;
  for (const UploadFile& file : files) {
    Prepared item{&file, false, file.local.empty() ? file.content.size() : fs::file_size(file.local), ""};
    asked.push_back(json::object{{"path", file.path}, {"size", item.size}, {"sample", to_base64(as_bytes(load_sample(file)))}});
    out.push_back(std::move(item));
  }
  const json::value answer = hub.send("POST", api_path(repo) + "/preupload/" + http::percent_encode(repo.revision), json::object{{"files", asked}});
  const json::array* modes = find_array(lyceum::get_object(answer, "preupload"), "files");
  if (modes == nullptr || modes->size() != out.size()) throw Error(Code::internal, "the hub's preupload answer does not match the request");
  for (size_t i = 0; i < out.size(); ++i) {
    out[i].large = get_string((*modes)[i].as_object(), "uploadMode") == "lfs";
    if (out[i].large) out[i].sha256 = out[i].file->local.empty() ? sha256_hex(out[i].file->content) : sha256_file_hex(out[i].file->local);
  }
  return out;
}

void upload_large(HubClient& hub, const RepoName& repo, const std::vector<Prepared>& items, const std::function<void(uint64_t)>& on_bytes) {
  json::array objects;
  for (const Prepared& item : items) {
    if (item.large) objects.push_back(json::object{{"oid", item.sha256}, {"size", item.size}});
  }
  if (objects.empty()) return;
  http::ClientRequest batch;
  batch.method = "POST";
  batch.target = web_path(repo) + ".git/info/lfs/objects/batch";
  batch.headers.set("Content-Type", "application/vnd.git-lfs+json");
  batch.headers.set("Accept", "application/vnd.git-lfs+json");
  batch.body = json::serialize(json::object{{"operation", "upload"}, {"transfers", json::array{"basic"}}, {"hash_algo", "sha256"}, {"objects", objects}});
  const json::value answer = parse_json(hub.request(std::move(batch)).body, "LFS batch");
  for (const json::value& value : get_object(answer, "LFS batch").at("objects").as_array()) {
    const json::object& object = value.as_object();
    const std::string oid = get_string(object, "oid");
    const auto item = std::find_if(items.begin(), items.end(), [&](const Prepared& p) { return p.sha256 == oid; });
    if (item == items.end()) continue;
    if (const json::object* error = find_object(object, "error")) throw Error(Code::unprocessable, item->file->path + ": " + get_string(*error, "message"));
    const json::object* actions = find_object(object, "actions");
    if (actions == nullptr) {
      if (on_bytes) on_bytes(item->size);
      continue;
    }
    std::string href = get_string(get_object(actions->at("upload"), "upload action"), "href");
    if (!href.starts_with(hub.endpoint())) throw Error(Code::internal, "the hub gave an upload address of another host: " + href);
    http::ClientRequest put;
    put.method = "PUT";
    put.target = href.substr(hub.endpoint().size());
    put.headers.set("Content-Type", "application/octet-stream");
    if (item->file->local.empty()) {
      put.body = item->file->content;
    } else {
      put.body_file = item->file->local;
    }
    uint64_t counted = 0;
    put.on_sent = [&](uint64_t sent) {
      if (on_bytes && sent > counted) on_bytes(sent - counted);
      counted = sent;
    };
    hub.request(std::move(put));
  }
}

}  // namespace

CommitResult HubClient::commit(const RepoName& repo, const std::vector<UploadFile>& files, const std::string& summary,
                               const std::function<void(uint64_t)>& on_bytes) {
  const std::vector<Prepared> items = prepare(*this, repo, files);
  upload_large(*this, repo, items, on_bytes);
  std::string body = json::serialize(json::object{{"key", "header"}, {"value", {{"summary", summary}, {"description", ""}}}}) + "\n";
  for (const Prepared& item : items) {
    json::object line;
    if (item.large) {
      line = {{"key", "lfsFile"}, {"value", {{"path", item.file->path}, {"algo", "sha256"}, {"oid", item.sha256}, {"size", item.size}}}};
    } else {
      line = {{"key", "file"}, {"value", {{"path", item.file->path}, {"encoding", "base64"}, {"content", to_base64(as_bytes(load_content(*item.file)))}}}};
    }
    body += json::serialize(line) + "\n";
  }
  http::ClientRequest req;
  req.method = "POST";
  req.target = api_path(repo) + "/commit/" + http::percent_encode(repo.revision);
  req.headers.set("Content-Type", "application/x-ndjson");
  req.body = std::move(body);
  const json::value answer = parse_json(request(std::move(req)).body, "commit");
  return {get_string(lyceum::get_object(answer, "commit"), "commitOid"), get_string(answer.as_object(), "commitUrl")};
}

}  // namespace lyceum::cli
