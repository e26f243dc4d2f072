// hub_client.h: the hub's public HTTP interface as the command line uses it. It speaks only the protocol that every other
// client speaks, so it works against a hub on another machine too. Throws Error with the hub's own words.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/json.h"
#include "cli/command.h"
#include "http/client.h"

namespace lyceum::cli {

struct RepoName {
  std::string type = "model";      // "model", "dataset", "space"
  std::string id;                  // "owner/name"
  std::string revision = "main";
};

// "owner/name", "owner/name@revision", "datasets/owner/name", "spaces/owner/name". Throws Error(invalid_argument).
RepoName parse_repo_name(const std::string& text, const std::string& default_type = "model");

struct RemoteFile {
  std::string path;
  uint64_t size = 0;
  std::string sha256;   // large files; empty for files kept in git
  std::string oid;
};
struct RemoteTree {
  std::string commit;
  std::vector<RemoteFile> files;
};

struct UploadFile {
  std::string path;          // in the repository
  fs::path local;            // read from here, or:
  std::string content;
};
struct CommitResult {
  std::string commit;
  std::string url;
};

class HubClient {
 public:
  explicit HubClient(const Globals& globals);

  const std::string& endpoint() const noexcept { return endpoint_; }
  json::value get(const std::string& target);
  json::value send(const std::string& method, const std::string& target, const json::value& body);
  std::string whoami();   // user name; Error(unauthorized) with the remedy if there is no valid token

  RemoteTree tree(const RepoName& repo);
  std::string read(const RepoName& repo, const std::string& path);             // a whole small file
  std::string read_range(const RepoName& repo, const std::string& path, uint64_t begin, uint64_t bytes);   // exactly these; Error(unprocessable) if the hub sends others
  std::optional<std::string> find_text(const RepoName& repo, const std::string& path);  // nullopt on 404
  // Resumes from target + ".part"; checks size and digest before the file gets its name.
  void download(const RepoName& repo, const RemoteFile& file, const fs::path& target, const std::function<void(uint64_t)>& on_bytes);

  void create_repo(const RepoName& repo, bool is_private, const std::string& sdk = {});  // fine if it exists
  // One commit: large files through LFS, the rest inline. on_bytes counts large-file bytes sent.
  CommitResult commit(const RepoName& repo, const std::vector<UploadFile>& files, const std::string& summary,
                      const std::function<void(uint64_t)>& on_bytes = {});

  // A raw request with credentials; a non-2xx answer throws.
  http::ClientResponse request(http::ClientRequest request, const std::function<bool(std::string_view)>& sink = {});

 private:
  std::string endpoint_;
  std::string token_;
  http::Client client_;
};

}  // namespace lyceum::cli
