#include "api/hub/commit_spool.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace lyceum::api {
namespace {

class Slice final : public hub::SpooledContent {
 public:
  Slice(std::shared_ptr<UniqueFd> file, uint64_t offset, uint64_t size) : file_(std::move(file)), offset_(offset), size_(size) {}
  uint64_t size() const override { return size_; }
  std::string read() const override {
    std::string out(size_, '\0');
    for (size_t done = 0; done < out.size();) {
      const ssize_t got = ::pread(file_->get(), out.data() + done, out.size() - done, static_cast<off_t>(offset_ + done));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) throw_errno("read back", "a spooled commit");
      done += static_cast<size_t>(got);
    }
    return out;
  }

 private:
  std::shared_ptr<UniqueFd> file_;
  uint64_t offset_, size_;
};

}  // namespace

hub::CommitAction CommitSpool::keep(std::string path, std::string content) {
  if (content.size() <= kInMemoryMax || folder_.empty()) return hub::AddFile{std::move(path), std::move(content)};
  if (!file_) file_ = std::make_shared<UniqueFd>(open_file(folder_, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  write_all(file_->get(), as_bytes(content), folder_);
  const uint64_t offset = size_;
  size_ += content.size();
  return hub::AddSpooledFile{std::move(path), std::make_shared<Slice>(file_, offset, content.size())};
}

}  // namespace lyceum::api
