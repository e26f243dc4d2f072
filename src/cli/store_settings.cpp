#include "cli/store_settings.h"

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "base/files.h"

namespace lyceum::cli {
namespace {

std::string s3_secret(const Settings& settings) {
  const std::string& path = settings.text("s3-secret-file");
  if (path.empty()) {
    const char* const value = std::getenv("LYCEUM_S3_SECRET");
    return value == nullptr ? "" : value;
  }
  std::string secret = read_file(path, 4096);
  while (!secret.empty() && (secret.back() == '\n' || secret.back() == '\r')) secret.pop_back();
  return secret;
}

}  // namespace

hub::HubOptions hub_options(const Settings& settings, const std::filesystem::path& data_folder) {
  hub::HubOptions options;
  options.data_folder = std::filesystem::absolute(data_folder);
  options.shared_folder = settings.text("shared");
  options.store.target = settings.text("database");
  options.store.connections_max = static_cast<size_t>(std::max<int64_t>(2, settings.number("database-connections")));
  options.s3.endpoint = settings.text("s3-endpoint");
  options.s3.bucket = settings.text("s3-bucket");
  options.s3.prefix = settings.text("s3-prefix");
  options.s3.region = settings.text("s3-region");
  options.s3.key_id = settings.text("s3-key-id");
  options.s3.secret = s3_secret(settings);
  options.s3.path_style = settings.yes("s3-path-style");
  options.s3.redirect = settings.yes("s3-redirect");
  options.s3.cache_bytes = static_cast<uint64_t>(settings.number("s3-cache-gib")) << 30;
  return options;
}

}  // namespace lyceum::cli
