#include "api/hub/repo_json.h"

#include <optional>
#include <vector>

#include "api/hub/file_facts.h"
#include "api/services.h"
#include "git/lfs_pointer.h"

namespace lyceum::api {
namespace {

// What the makers share: the listing of files and the configuration are read at most once.
class Facts {
 public:
  Facts(hub::Hub& hub, const hub::Repo& repo, const RepoView& view) : hub_(hub), repo_(repo), view_(view) {}

  hub::Hub& hub() { return hub_; }
  const hub::Repo& repo() const { return repo_; }
  const RepoView& view() const { return view_; }
  const std::string& commit() const { return view_.commit.empty() ? repo_.head : view_.commit; }
  const std::vector<hub::FileEntry>& files() {
    if (!files_) files_ = hub_.tree(repo_, commit(), "", true, false);
    return *files_;
  }
  const std::optional<json::object>& config() {
    if (!config_) config_ = find_config(hub_, repo_, files());
    return *config_;
  }

 private:
  hub::Hub& hub_;
  const hub::Repo& repo_;
  const RepoView& view_;
  std::optional<std::vector<hub::FileEntry>> files_;
  std::optional<std::optional<json::object>> config_;
};

using Value = std::optional<json::value>;  // nullopt: the field is left out

Value optional_value(std::optional<json::object> object) { return object ? Value(std::move(*object)) : std::nullopt; }
Value text_or_none(const std::string& text) { return text.empty() ? std::nullopt : Value(text); }

Value siblings(Facts& facts) {
  json::array out;
  for (const hub::FileEntry& entry : facts.files()) {
    if (entry.is_folder) continue;
    json::object one{{"rfilename", entry.path}};
    if (facts.view().file_sizes) {
      one["size"] = entry.size;
      one["blobId"] = entry.oid;
      if (!entry.sha256.empty()) one["lfs"] = json::object{{"sha256", entry.sha256}, {"size", entry.size}, {"pointerSize", git::format_lfs_pointer({entry.sha256, entry.size}).size()}};
    }
    out.push_back(std::move(one));
  }
  return out;
}

Value used_storage(Facts& facts) {
  uint64_t total = 0;
  for (const hub::FileEntry& entry : facts.files())
    if (!entry.is_folder) total += entry.size;
  return total;
}

Value from_card(Facts& facts, std::string_view key) {
  const auto* value = facts.repo().card.if_contains(key);
  return value && !value->is_null() ? Value(*value) : std::nullopt;
}

Value transformers_info(Facts& facts) {
  return facts.config() ? optional_value(find_transformers_info(facts.repo(), *facts.config())) : std::nullopt;
}

std::string subdomain(const hub::Repo& repo) {
  std::string out = repo.repo_id.owner + "-" + repo.repo_id.name;
  for (char& c : out) c = std::isalnum(static_cast<unsigned char>(c)) ? static_cast<char>(std::tolower(static_cast<unsigned char>(c))) : '-';
  return out;
}

struct Field {
  std::string_view name;
  enum In { basic, full, asked } in;  // shown in listings, on the repository's own page, or only when asked for
  Value (*make)(Facts&);
};

bool is_model(Facts& f) { return f.repo().repo_id.type == hub::RepoType::model; }
bool is_space(Facts& f) { return f.repo().repo_id.type == hub::RepoType::space; }

constexpr Field kFields[] = {
    {"author", Field::basic, [](Facts& f) -> Value { return json::value(f.repo().repo_id.owner); }},
    {"sha", Field::basic, [](Facts& f) -> Value { return json::value(f.commit()); }},
    {"lastModified", Field::basic, [](Facts& f) -> Value { return json::value(iso8601(f.repo().modified_ms)); }},
    {"createdAt", Field::basic, [](Facts& f) -> Value { return json::value(iso8601(f.repo().created_ms)); }},
    {"private", Field::basic, [](Facts& f) -> Value { return f.repo().is_private; }},
    {"gated", Field::basic, [](Facts& f) -> Value { return f.repo().gated.empty() ? json::value(false) : json::value(f.repo().gated); }},
    {"disabled", Field::basic, [](Facts& f) -> Value { return f.repo().disabled; }},
    {"downloads", Field::basic, [](Facts& f) -> Value { return f.repo().downloads; }},
    {"likes", Field::basic, [](Facts& f) -> Value { return f.repo().likes; }},
    {"tags", Field::basic, [](Facts& f) -> Value { return json::value_from(f.repo().tags); }},
    {"pipeline_tag", Field::basic, [](Facts& f) -> Value { return text_or_none(f.repo().pipeline_tag); }},
    {"library_name", Field::basic, [](Facts& f) -> Value { return text_or_none(f.repo().library_name); }},
    {"trendingScore", Field::basic, [](Facts&) -> Value { return 0; }},
    {"sdk", Field::basic, [](Facts& f) -> Value { return text_or_none(f.repo().sdk); }},
    {"cardData", Field::full, [](Facts& f) -> Value { return f.repo().card; }},
    {"config", Field::full, [](Facts& f) -> Value { return is_model(f) ? optional_value(f.config()) : std::nullopt; }},
    {"transformersInfo", Field::full, [](Facts& f) -> Value { return is_model(f) ? transformers_info(f) : std::nullopt; }},
    {"safetensors", Field::full, [](Facts& f) -> Value { return is_model(f) ? optional_value(find_parameter_counts(f.hub(), f.repo(), f.files())) : std::nullopt; }},
    {"gguf", Field::full, [](Facts& f) -> Value { return is_model(f) ? optional_value(find_gguf(f.hub(), f.repo(), f.files())) : std::nullopt; }},
    {"model-index", Field::full, [](Facts& f) -> Value { return is_model(f) ? Value(from_card(f, "model-index").value_or(nullptr)) : std::nullopt; }},
    {"widgetData", Field::full, [](Facts& f) -> Value { return from_card(f, "widget"); }},
    {"siblings", Field::full, siblings},
    {"spaces", Field::full, [](Facts& f) -> Value { return is_space(f) ? std::nullopt : Value(json::array{}); }},
    {"usedStorage", Field::full, used_storage},
    {"subdomain", Field::full, [](Facts& f) -> Value { return is_space(f) ? Value(subdomain(f.repo())) : std::nullopt; }},
    {"downloadsAllTime", Field::asked, [](Facts& f) -> Value { return f.repo().downloads; }},
    {"baseModels", Field::asked, [](Facts& f) -> Value { return from_card(f, "base_model"); }},
    {"childrenModelCount", Field::asked, [](Facts&) -> Value { return 0; }},
    {"inferenceProviderMapping", Field::asked, [](Facts&) -> Value { return json::array{}; }},
    {"description", Field::asked, [](Facts& f) -> Value { return from_card(f, "description"); }},
    {"models", Field::asked, [](Facts& f) -> Value { return from_card(f, "models"); }},
    {"datasets", Field::asked, [](Facts& f) -> Value { return from_card(f, "datasets"); }},
    {"xetEnabled", Field::asked, [](Facts&) -> Value { return true; }},  // huggingface_hub 0.30 to 0.35 asks before it uploads
};

std::set<std::string, std::less<>> fields_up_to(Field::In last) {
  std::set<std::string, std::less<>> out;
  for (const Field& field : kFields)
    if (field.in <= last) out.emplace(field.name);
  return out;
}

}  // namespace

std::set<std::string, std::less<>> expand_fields(const http::Request& request) {
  std::set<std::string, std::less<>> out;
  for (const char* key : {"expand", "expand[]"}) {
    for (const std::string& text : request.all_query(key)) {
      for (size_t begin = 0; begin <= text.size();) {
        const size_t comma = std::min(text.find(',', begin), text.size());
        if (comma > begin) out.insert(text.substr(begin, comma - begin));
        begin = comma + 1;
      }
    }
  }
  return out;
}

std::set<std::string, std::less<>> basic_fields() { return fields_up_to(Field::basic); }
std::set<std::string, std::less<>> full_fields() { return fields_up_to(Field::full); }

json::object repo_json(Context& context, const hub::Repo& repo, const RepoView& view) {
  json::object out{{"_id", repo.public_id}, {"id", repo.repo_id.full_name()}};
  if (repo.repo_id.type == hub::RepoType::model) out["modelId"] = repo.repo_id.full_name();
  Facts facts(context.services.hub, repo, view);
  for (const Field& field : kFields) {
    if (!view.fields.contains(field.name)) continue;
    if (auto value = field.make(facts)) out[field.name] = std::move(*value);
  }
  return out;
}

}  // namespace lyceum::api
