#include "cli/adapter_record.h"

#include "base/files.h"
#include "tuning/write/lineage.h"

namespace lyceum::cli {

void AdapterRecord::check_manifest(const std::string& name, const std::string& found) const {
  if (manifest == found) return;
  throw Error(Code::unprocessable, "the data is not what " + name + " was trained on (its manifest hash differs), so a held-out part may have been learned; give the same data, unchanged");
}

void AdapterRecord::check_held_out(const std::string& name) const {
  if (recipe.val_size > 0) return;
  throw Error(Code::invalid_argument, name + " was trained on everything (val_size 0): there is nothing fair to measure on; tune with --set val_size=0.1");
}

AdapterRecord read_adapter_record(const std::string& name, const fs::path& folder) {
  const fs::path path = folder / "lineage.json";
  if (!fs::exists(path)) throw Error(Code::not_found, name + " has no lineage.json, so what was held out from its training is not known; tune with `lyceum tune --set val_size=0.1`");
  const json::value value = parse_json(read_file(path, 16u << 20), "lineage.json");
  AdapterRecord record;
  record.lineage = get_object(value, "lineage.json");
  const json::object& data = get_object(record.lineage.at("data"), "lineage data");
  record.recipe = tuning::recorded_recipe(record.lineage);
  record.format = find_string(data, "format").value_or("code");
  record.manifest = find_string(data, "manifest_sha256").value_or("");
  return record;
}

json::object hashes_of(const fs::path& folder) {
  json::object out;
  for (const auto& [file, hash] : tuning::weight_hashes(folder)) out[file] = hash;
  return out;
}

}  // namespace lyceum::cli
