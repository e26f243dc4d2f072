#include "cli/skeleton.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>

#include "formats/gguf.h"
#include "formats/safetensors.h"

namespace lyceum::cli {
namespace {

// A file whose header is wrong is written all the same: whoever loads it says what is wrong with it.
constexpr uint64_t kTextBytesMax = 64u << 20;
constexpr uint64_t kGgufHeadFirst = 4u << 20, kGgufHeadMax = 256u << 20;

bool ends_with_any(const std::string& path, std::initializer_list<std::string_view> endings) {
  return std::any_of(endings.begin(), endings.end(), [&](std::string_view ending) { return path.ends_with(ending); });
}

// Weights for other runs and other programs lie in folders (onnx/, checkpoint-500/).
bool in_root(const std::string& path) { return path.find('/') == std::string::npos; }

void write_sparse(const fs::path& path, const std::string& head, uint64_t bytes) {
  const UniqueFd fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC);
  write_all(fd.get(), as_bytes(head), path);
  if (::ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) throw Error(Code::storage_full, path.string() + ": cannot make a file of that size here: " + std::strerror(errno));
}

void pull_safetensors(HubClient& hub, const RepoName& repo, const RemoteFile& file, const fs::path& path) {
  std::string head = hub.read_range(repo, file.path, 0, std::min<uint64_t>(file.size, 8));
  try {
    const uint64_t whole = formats::safetensors_header_bytes(as_bytes(head), file.path);
    if (whole <= file.size) head += hub.read_range(repo, file.path, 8, whole - 8);
  } catch (const Error& error) {
    if (error.code() != Code::unprocessable) throw;
  }
  write_sparse(path, head, file.size);
}

// Only parsing tells where the metadata ends.
void pull_gguf(HubClient& hub, const RepoName& repo, const RemoteFile& file, const fs::path& path) {
  std::string head;
  for (uint64_t wanted = kGgufHeadFirst;; wanted *= 4) {
    wanted = std::min({wanted, file.size, kGgufHeadMax});
    head += hub.read_range(repo, file.path, head.size(), wanted - head.size());
    try {
      formats::parse_gguf_header(as_bytes(head), file.size, file.path, formats::GgufArrays::skipped);
      break;
    } catch (const Error&) {
      if (wanted == file.size || wanted == kGgufHeadMax) break;
    }
  }
  write_sparse(path, head, file.size);
}

}  // namespace

Skeleton pull_skeleton(HubClient& hub, const RepoName& repo, const fs::path& folder) {
  RemoteTree tree = hub.tree(repo);
  RepoName pinned = repo;
  pinned.revision = tree.commit;
  bool safetensors = false;
  Skeleton out;
  for (const RemoteFile& file : tree.files) {
    if (!in_root(file.path)) continue;
    const fs::path path = folder / file.path;
    if (file.path.ends_with(".safetensors")) {
      pull_safetensors(hub, pinned, file, path);
      safetensors = true;
    } else if (file.path.ends_with(".gguf")) {
      pull_gguf(hub, pinned, file, path);
      out.models.push_back(path);
    } else if (ends_with_any(file.path, {".json", ".jinja", ".txt", ".model"}) && file.size <= kTextBytesMax) {
      write_file_durable(path, hub.read(pinned, file.path));
    }
  }
  if (safetensors) out.models.insert(out.models.begin(), folder);
  if (out.models.empty()) throw Error(Code::not_found, repo.id + " has neither *.safetensors nor *.gguf files");
  out.commit = std::move(tree.commit);
  out.files = std::move(tree.files);
  return out;
}

}  // namespace lyceum::cli
