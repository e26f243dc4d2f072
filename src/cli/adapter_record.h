// adapter_record.h: what an adapter's lineage record says of its training, for whoever measures it.
#pragma once

#include <filesystem>
#include <string>

#include "base/json.h"
#include "tuning/recipe.h"

namespace lyceum::cli {

struct AdapterRecord {
  tuning::Recipe recipe;
  std::string format, manifest;
  json::object lineage;

  // Throws Error(unprocessable) unless the data found is what was trained on; Error(invalid_argument) when nothing was held out.
  void check_manifest(const std::string& name, const std::string& found) const;
  void check_held_out(const std::string& name) const;
};

// Throws Error(not_found) when the folder has no lineage.json.
AdapterRecord read_adapter_record(const std::string& name, const std::filesystem::path& folder);
// File name -> SHA-256 of the weights in a folder, as JSON.
json::object hashes_of(const std::filesystem::path& folder);

}  // namespace lyceum::cli
