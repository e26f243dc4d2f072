#include "cli/settings.h"

#include <fmt/format.h>

#include <charconv>

#include "base/error.h"

namespace lyceum::cli {
namespace {

constexpr SettingRow kRows[] = {
    {"address", "LYCEUM_ADDRESS", "127.0.0.1", "address to listen on; 0.0.0.0 opens the hub to the network"},
    {"port", "LYCEUM_PORT", "7860", "port to listen on; 0 takes any free one"},
    {"data", "LYCEUM_DATA", "data", "folder that holds everything: database, repositories, large files, keys"},
    {"public-url", "LYCEUM_PUBLIC_URL", "", "address that clients use, when a proxy in front changes it; empty: from each request"},
    {"web", "LYCEUM_WEB", "web/dist", "folder with the built web pages"},
    {"starter", "LYCEUM_STARTER", "", "folder with starter content, imported where it is not there yet; empty: none"},
    {"administrator", "LYCEUM_ADMINISTRATOR", "admin", "name of the administrator that the first start creates"},
    {"anonymous-inference", "LYCEUM_ANONYMOUS_INFERENCE", "true", "may callers without a token run public models?"},
    {"workers", "LYCEUM_WORKERS", "64", "requests handled at the same time"},
    {"engine-threads", "LYCEUM_ENGINE_THREADS", "0", "threads of each engine process; 0: one per core"},
    {"engines-max", "LYCEUM_ENGINES_MAX", "4", "engine processes kept in memory; the least recently used one leaves first"},
};

}  // namespace

std::span<const SettingRow> setting_rows() { return kRows; }

std::string settings_markdown() {
  std::string out =
      "# Settings of `lyceum serve`\n\nMade by `lyceum doctor --settings`; do not edit. A flag beats the environment, which beats "
      "the settings file (`--config FILE`, lines `name = value`), which beats the default.\n\n"
      "| flag and file key | environment | default | meaning |\n|---|---|---|---|\n";
  for (const SettingRow& row : kRows) {
    out += fmt::format("| `--{}` | `{}` | {} | {} |\n", row.name, row.environment,
                       row.fallback.empty() ? "empty" : "`" + std::string(row.fallback) + "`", row.meaning);
  }
  return out;
}

Settings::Settings() {
  for (const SettingRow& row : kRows) values_[std::string(row.name)] = row.fallback;
}

void Settings::bind(Options& options) {
  for (const SettingRow& row : kRows) {
    options.add_option("--" + std::string(row.name), values_[std::string(row.name)], std::string(row.meaning)).envname(std::string(row.environment)).capture_default_str();
  }
  options.set_config("--config", "settings file");
}

const std::string& Settings::text(std::string_view name) const {
  const auto it = values_.find(name);
  LYCEUM_CHECK(it != values_.end(), "unknown setting");
  return it->second;
}

int64_t Settings::number(std::string_view name) const {
  const std::string& value = text(name);
  int64_t out = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), out);
  if (error != std::errc() || end != value.data() + value.size() || out < 0) {
    throw Error(Code::invalid_argument, fmt::format("setting --{} must be a whole number, not '{}'", name, value));
  }
  return out;
}

bool Settings::yes(std::string_view name) const {
  const std::string& value = text(name);
  if (value == "true" || value == "1" || value == "yes" || value == "on") return true;
  if (value == "false" || value == "0" || value == "no" || value == "off") return false;
  throw Error(Code::invalid_argument, fmt::format("setting --{} must be true or false, not '{}'", name, value));
}

}  // namespace lyceum::cli
