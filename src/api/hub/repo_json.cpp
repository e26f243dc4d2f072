#include "api/hub/repo_json.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "api/services.h"
#include "git/lfs_pointer.h"
#include "hub/catalogue.h"
#include "hub/downloads.h"
#include "hub/model_facts.h"

namespace lyceum::api {
namespace {

// What the makers share: stored facts, the listing of files and the configuration are read at most once. Files are looked at only when
// the stored facts are not of the commit that is asked about.
class Facts {
 public:
  Facts(Context& context, const hub::Repo& repo, const RepoView& view) : context_(context), repo_(repo), view_(view) {}

  hub::Hub& hub() { return context_.services.hub; }
  Context& context() { return context_; }
  const hub::Repo& repo() const { return repo_; }
  const RepoView& view() const { return view_; }
  bool entry() const { return repo_.head.empty(); }
  const std::string& commit() const { return view_.commit.empty() ? repo_.head : view_.commit; }
  const hub::RepoFacts& stored() {
    if (!stored_) stored_ = hub().catalogue().facts(repo_, needs_details());
    return *stored_;
  }
  // The stored value of this key, if it is about the commit.
  const json::value* find_stored(std::string_view key) {
    if (!entry() && (commit() != repo_.head || !stored().current)) return nullptr;
    return stored().details.if_contains(key);
  }
  bool known() { return entry() || (commit() == repo_.head && stored().current); }
  const std::vector<hub::FileEntry>& files() {
    if (!files_) files_ = entry() ? std::vector<hub::FileEntry>() : hub().tree(repo_, commit(), "", true, false);
    return *files_;
  }
  const std::optional<json::object>& config() {
    if (config_) return *config_;
    const json::value* stored = find_stored("config");
    if (stored && stored->is_object()) config_ = stored->as_object();
    else config_ = known() ? std::optional<json::object>() : hub::find_config(hub(), repo_, files());
    return *config_;
  }

 private:
  bool needs_details() const {
    static constexpr std::string_view kDetailed[] = {"config", "transformersInfo", "safetensors", "gguf", "siblings", "usedStorage", "mask_token", "mainSize"};
    return entry() || std::any_of(std::begin(kDetailed), std::end(kDetailed), [&](std::string_view key) { return view_.fields.contains(key); });
  }

  Context& context_;
  const hub::Repo& repo_;
  const RepoView& view_;
  std::optional<hub::RepoFacts> stored_;
  std::optional<std::vector<hub::FileEntry>> files_;
  std::optional<std::optional<json::object>> config_;
};

using Value = std::optional<json::value>;  // nullopt: the field is left out

Value optional_value(std::optional<json::object> object) { return object ? Value(std::move(*object)) : std::nullopt; }
Value text_or_none(const std::string& text) { return text.empty() ? std::nullopt : Value(text); }

Value siblings(Facts& facts) {
  json::array out;
  const json::value* stored = facts.view().file_sizes ? nullptr : facts.find_stored("siblings");
  if (stored && stored->is_array()) {
    for (const json::value& path : stored->as_array()) out.push_back(json::object{{"rfilename", path}});
    return out;
  }
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
  if (const json::value* stored = facts.find_stored("usedStorage")) return *stored;
  uint64_t total = 0;
  for (const hub::FileEntry& entry : facts.files())
    if (!entry.is_folder) total += entry.size;
  return total;
}

// A fact about weights: as stored, else from the files' headers.
Value weights(Facts& facts, std::string_view key, std::optional<json::object> (*derive)(hub::Hub&, const hub::Repo&, const std::vector<hub::FileEntry>&)) {
  if (facts.repo().repo_id.type != hub::RepoType::model) return std::nullopt;
  if (const json::value* stored = facts.find_stored(key)) return *stored;
  if (facts.known()) return std::nullopt;
  auto derived = derive(facts.hub(), facts.repo(), facts.files());
  return derived ? Value(std::move(*derived)) : std::nullopt;
}

Value sha(Facts& facts) {
  if (!facts.entry()) return json::value(facts.commit());
  const json::value* stored = facts.find_stored("sha");
  return stored ? Value(*stored) : std::nullopt;
}

Value base_models(Facts& facts) {
  json::array out;
  for (const std::string& tag : facts.repo().tags) {
    const std::string_view rest = std::string_view(tag).starts_with("base_model:") ? std::string_view(tag).substr(11) : std::string_view();
    if (!rest.empty() && rest.find(':') == std::string_view::npos) out.emplace_back(rest);
  }
  return out.empty() ? std::nullopt : Value(std::move(out));
}

Value children_count(Facts& facts) {
  uint64_t total = 0;
  for (const auto& [relation, count] : facts.hub().catalogue().children(facts.context().caller, facts.repo().repo_id)) total += count;
  return total;
}

Value mask_token(Facts& facts) {
  if (!facts.config()) return std::nullopt;
  const json::object* tokenizer = find_object(*facts.config(), "tokenizer_config");
  const json::value* token = tokenizer ? tokenizer->if_contains("mask_token") : nullptr;
  return token ? Value(*token) : std::nullopt;
}

Value from_card(Facts& facts, std::string_view key) {
  const auto* value = facts.repo().card.if_contains(key);
  return value && !value->is_null() ? Value(*value) : std::nullopt;
}

Value transformers_info(Facts& facts) {
  return facts.config() ? optional_value(hub::find_transformers_info(facts.repo(), *facts.config())) : std::nullopt;
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
    {"sha", Field::basic, sha},
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
    {"trendingScore", Field::basic, [](Facts& f) -> Value { return f.stored().trending / 1000; }},
    {"sdk", Field::basic, [](Facts& f) -> Value { return text_or_none(f.repo().sdk); }},
    {"cardData", Field::full, [](Facts& f) -> Value { return f.repo().card; }},
    {"config", Field::full, [](Facts& f) -> Value { return is_model(f) ? optional_value(f.config()) : std::nullopt; }},
    {"transformersInfo", Field::full, [](Facts& f) -> Value { return is_model(f) ? transformers_info(f) : std::nullopt; }},
    {"safetensors", Field::full, [](Facts& f) -> Value { return weights(f, "safetensors", hub::find_parameter_counts); }},
    {"gguf", Field::full, [](Facts& f) -> Value { return weights(f, "gguf", hub::find_gguf); }},
    {"model-index", Field::full, [](Facts& f) -> Value { return is_model(f) ? Value(from_card(f, "model-index").value_or(nullptr)) : std::nullopt; }},
    {"widgetData", Field::full, [](Facts& f) -> Value { return from_card(f, "widget"); }},
    {"siblings", Field::full, siblings},
    {"spaces", Field::full, [](Facts& f) -> Value { return is_space(f) ? std::nullopt : Value(json::array{}); }},
    {"usedStorage", Field::full, used_storage},
    {"subdomain", Field::full, [](Facts& f) -> Value { return is_space(f) ? Value(subdomain(f.repo())) : std::nullopt; }},
    {"downloadsAllTime", Field::asked, [](Facts& f) -> Value { return f.stored().downloads_all + static_cast<int64_t>(f.hub().downloads().pending(f.repo().id)); }},
    {"baseModels", Field::asked, base_models},
    {"childrenModelCount", Field::asked, children_count},
    {"inference", Field::asked, [](Facts& f) -> Value { return f.stored().runnable ? Value("warm") : std::nullopt; }},
    {"inferenceProviderMapping", Field::asked, [](Facts&) -> Value { return json::array{}; }},
    {"mask_token", Field::asked, mask_token},
    {"evalResults", Field::asked, [](Facts&) -> Value { return json::array{}; }},
    {"resourceGroup", Field::asked, [](Facts&) -> Value { return nullptr; }},
    {"mainSize", Field::asked, used_storage},
    {"citation", Field::asked, [](Facts& f) -> Value { return from_card(f, "citation"); }},
    {"paperswithcode_id", Field::asked, [](Facts& f) -> Value { return from_card(f, "paperswithcode_id"); }},
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
  Facts facts(context, repo, view);
  for (const Field& field : kFields) {
    if (!view.fields.contains(field.name)) continue;
    if (auto value = field.make(facts)) out[field.name] = std::move(*value);
  }
  return out;
}

}  // namespace lyceum::api
