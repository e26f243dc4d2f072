// settings.h: the one table of the server's settings. A row gives the flag (--name), the environment variable, the key in the
// settings file (--config FILE, "name = value" lines), the default and the documentation (docs/settings.md is made from it).
// A flag beats the environment, which beats the file, which beats the default.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>

#include "cli/options.h"

namespace lyceum::cli {

struct SettingRow {
  std::string_view name;
  std::string_view environment;
  std::string_view fallback;
  std::string_view meaning;
};

std::span<const SettingRow> setting_rows();
std::string settings_markdown();

class Settings {
 public:
  Settings();
  void bind(Options& options);        // adds every row as an option; the object must outlive parsing
  void bind_store(Options& options);  // only those that say where the hub keeps its things, but for its data folder
  const std::string& text(std::string_view name) const;
  int64_t number(std::string_view name) const;   // Error(invalid_argument) naming the setting
  bool yes(std::string_view name) const;

 private:
  void bind_rows(Options& options, bool store_only);
  std::map<std::string, std::string, std::less<>> values_;
};

}  // namespace lyceum::cli
