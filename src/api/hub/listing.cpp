// Listing and search of models, datasets and Spaces.
#include <algorithm>
#include <map>

#include "api/answer.h"
#include "api/hub/handlers.h"
#include "api/hub/repo_json.h"
#include "api/services.h"

namespace lyceum::api {
namespace {

hub::RepoType type_of(const http::Request& request) {
  const std::string_view last = std::string_view(request.path).substr(request.path.rfind('/') + 1);
  return hub::find_repo_type(last.substr(0, last.find('-'))).value_or(hub::RepoType::model);
}

// Repeated keys are the Python client's way, commas the JavaScript client's.
void add_tags(const http::Request& request, std::string_view key, std::string_view prefix, std::vector<std::string>& out) {
  for (const std::string& text : request.all_query(key)) {
    for (size_t begin = 0; begin <= text.size();) {
      const size_t comma = std::min(text.find(',', begin), text.size());
      if (comma > begin) out.push_back(std::string(prefix) + text.substr(begin, comma - begin));
      begin = comma + 1;
    }
  }
}

std::string sort_column(const http::Request& request) {
  static constexpr std::pair<std::string_view, std::string_view> names[] = {
      {"lastModified", "modified_ms"}, {"last_modified", "modified_ms"}, {"createdAt", "created_ms"}, {"created_at", "created_ms"},
      {"downloads", "downloads"}, {"likes", "likes"}, {"likes30d", "likes"}, {"trendingScore", "downloads"}, {"trending_score", "downloads"},
      {"id", "id"}};
  const std::string asked = request.find_query("sort").value_or("trendingScore");
  for (const auto& [name, column] : names)
    if (asked == name) return std::string(column);
  return "modified_ms";
}

hub::RepoQuery query_of(const http::Request& request) {
  hub::RepoQuery query;
  query.type = type_of(request);
  query.search = request.all_query("search");
  query.author = request.find_query("author").value_or("");
  query.pipeline_tag = request.find_query("pipeline_tag").value_or("");
  query.sort = sort_column(request);
  add_tags(request, "filter", "", query.filter);
  add_tags(request, "tags", "", query.filter);
  add_tags(request, "library", "", query.filter);
  if (query.type == hub::RepoType::space) {
    add_tags(request, "datasets", "dataset:", query.filter);
    add_tags(request, "models", "model:", query.filter);
  }
  return query;
}

RepoView view_of(const http::Request& request) {
  RepoView view;
  view.fields = expand_fields(request);
  if (!view.fields.empty()) return view;
  view.fields = basic_fields();
  if (is_true(request.find_query("full"))) view.fields.insert("siblings");
  if (is_true(request.find_query("config"))) view.fields.insert("config");
  if (is_true(request.find_query("cardData")) || is_true(request.find_query("full"))) view.fields.insert("cardData");
  return view;
}

// "language:en" is of kind language; tags without a prefix are named by what they are.
std::pair<std::string, std::string> kind_of(const std::string& tag, hub::RepoType type) {
  const size_t colon = tag.find(':');
  if (colon != std::string::npos) return {tag.substr(0, colon), tag.substr(colon + 1)};
  return {type == hub::RepoType::model ? "other" : "tags", tag};
}

// A filter that is not kept must not be ignored: the answer would look filtered and not be.
void refuse_unsupported(const http::Request& request) {
  for (const char* key : {"num_parameters", "apps", "inference", "inference_provider", "benchmark"})
    if (request.find_query(key)) throw Error(Code::invalid_argument, std::string("This hub cannot filter by ") + key + " yet; leave it out.");
}

// gated is not a column of the search, so the whole list is read once and cut here.
std::vector<hub::Repo> list_gated(Context& context, hub::RepoQuery query, bool gated) {
  const size_t offset = query.offset, limit = query.limit;
  query.offset = 0;
  query.limit = 100000;
  std::vector<hub::Repo> all = context.services.hub.list_repos(context.caller, query);
  std::erase_if(all, [&](const hub::Repo& repo) { return repo.gated.empty() == gated; });
  all.erase(all.begin(), all.begin() + static_cast<ptrdiff_t>(std::min(offset, all.size())));
  all.resize(std::min(limit, all.size()));
  return all;
}

}  // namespace

http::Response list_repos(Context& context) {
  const http::Request& request = context.request;
  refuse_unsupported(request);
  hub::RepoQuery query = query_of(request);
  const Page page = find_page(request, 100, 1000);
  query.offset = page.offset;
  query.limit = page.limit + 1;  // one more tells whether another page follows
  const auto gated = request.find_query("gated");
  std::vector<hub::Repo> repos = gated ? list_gated(context, query, is_true(gated)) : context.services.hub.list_repos(context.caller, query);
  const bool more = repos.size() > page.limit;
  if (more) repos.pop_back();
  const RepoView view = view_of(request);
  json::array out;
  for (const hub::Repo& repo : repos) out.push_back(repo_json(context, repo, view));
  http::Response response = json_answer(out);
  if (more) add_next_link(response, request, page.offset + page.limit);
  return response;
}

http::Response list_tags_by_type(Context& context) {
  hub::RepoQuery query;
  query.type = type_of(context.request);
  query.limit = 10000;
  std::map<std::string, std::map<std::string, std::string>> kinds;
  for (const hub::Repo& repo : context.services.hub.list_repos(context.caller, query)) {
    for (const std::string& tag : repo.tags) {
      const auto [kind, label] = kind_of(tag, query.type);
      kinds[kind][tag] = label;
    }
    if (!repo.pipeline_tag.empty()) kinds["pipeline_tag"][repo.pipeline_tag] = repo.pipeline_tag;
    if (!repo.library_name.empty()) kinds["library"][repo.library_name] = repo.library_name;
  }
  json::object out;
  for (const auto& [kind, tags] : kinds) {
    json::array list;
    for (const auto& [id, label] : tags) list.push_back(json::object{{"id", id}, {"label", label}, {"type", kind}});
    out[kind] = std::move(list);
  }
  return json_answer(out);
}

}  // namespace lyceum::api
