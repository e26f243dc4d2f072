// download_rules.h: which request for a file of a model counts as a download, by the public hub's documented rule: a GET or HEAD of a
// query file. Most libraries have the default query files; some say their own in a small query language:
//
//   path:"config.json" OR (path_filename:"config" AND path_extension:"cfg")
//
// path = the whole path, path_prefix = the folder with its slash, path_filename = the name without its last extension, path_extension =
// that extension without the dot; _exists_:"field" = the field is not empty.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace lyceum::hub {

struct LibraryRule {
  std::string_view library, query;
};
std::span<const LibraryRule> library_rules();   // sorted by library; download_rules_table.cpp

// Does the query say yes to this path? nullopt: it is not in the language above.
std::optional<bool> evaluate_rule(std::string_view query, std::string_view path);

// Does a request for `path` count for a model of this library? "" is a model without a known library. GGUF files always count.
bool counts_as_download(std::string_view library, std::string_view path);

}  // namespace lyceum::hub
