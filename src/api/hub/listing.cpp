// Listing, search, facets and trending of models, datasets and Spaces.
#include "api/answer.h"
#include "api/hub/handlers.h"
#include "api/hub/list_query.h"
#include "api/hub/repo_json.h"
#include "api/services.h"
#include "hub/catalogue.h"
#include "hub/downloads.h"
#include "hub/search/tag_kinds.h"

namespace lyceum::api {
namespace {

using hub::search::Query;
using hub::search::Sort;

constexpr size_t kTagsPerKindMax = 5000;
constexpr size_t kFacetValues = 20;
constexpr size_t kImportBytesMax = 64u << 20;
constexpr hub::RepoType kTypes[] = {hub::RepoType::model, hub::RepoType::dataset, hub::RepoType::space};

json::array repos_json(Context& context, const std::vector<hub::Repo>& repos, const RepoView& view) {
  json::array out;
  for (const hub::Repo& repo : repos) out.push_back(repo_json(context, repo, view));
  return out;
}

json::value facet_json(const std::vector<hub::search::Facet>& facets) {
  json::array out;
  for (const auto& facet : facets) {
    json::array values;
    for (const auto& value : facet.values) values.push_back(json::object{{"value", value.value}, {"count", value.count}});
    out.push_back(json::object{{"name", facet.name}, {"values", std::move(values)}});
  }
  return out;
}

// As the protocol calls the kinds of tags.
std::string_view protocol_kind(hub::RepoType type, std::string_view kind) {
  if (kind == "task") return type == hub::RepoType::model ? "pipeline_tag" : "task_categories";
  if (kind == "format" || kind == "base_model") return "other";
  return kind;
}

hub::RepoType asked_type(const http::Request& request) {
  const std::string text = request.find_query("type").value_or("models");
  const auto type = hub::find_repo_type(text);
  if (!type) throw Error(Code::invalid_argument, "type must be models, datasets or spaces.");
  return *type;
}

}  // namespace

http::Response list_repos(Context& context) {
  const Query query = list_query(context.request, listed_type(context.request));
  const auto found = context.services.hub.catalogue().list(context.caller, query);
  http::Response response = json_answer(repos_json(context, found.repos, list_view(context.request)));
  if (!found.next.empty()) add_next_link(response, context.request, found.next);
  return response;
}

http::Response list_tags_by_type(Context& context) {
  const hub::RepoType type = listed_type(context.request);
  json::object out;
  for (const auto& facet : context.services.hub.catalogue().tags(context.caller, type, kTagsPerKindMax)) {
    const std::string_view kind = protocol_kind(type, facet.name);
    json::array& list = out[kind].is_null() ? out[kind].emplace_array() : out[kind].as_array();
    for (const auto& value : facet.values) {
      const std::string_view label = hub::search::meaning_of(type, value.value).label;
      list.push_back(json::object{{"id", value.value}, {"label", label}, {"type", kind}});
    }
  }
  return json_answer(out);
}

// The page's search: words with typing errors allowed, filters as in a listing, and how many hits have which property.
http::Response search_repos(Context& context) {
  const http::Request& request = context.request;
  Query query = list_query(request, asked_type(request));
  query.text = request.find_query("q").value_or("");
  if (query.text.size() > 500) throw Error(Code::invalid_argument, "q may have 500 bytes.");
  if (!request.find_query("sort")) query.sort = Sort::relevance;
  if (is_true(request.find_query("facets"))) query.facet_values = kFacetValues;
  const auto found = context.services.hub.catalogue().list(context.caller, query);
  json::object out{{"items", repos_json(context, found.repos, list_view(request))}, {"next", found.next.empty() ? json::value(nullptr) : json::value(found.next)}};
  if (found.summary) {
    out["total"] = found.summary->total;
    out["approximate"] = found.summary->approximate;
    out["facets"] = facet_json(found.summary->facets);
  }
  return json_answer(out);
}

// huggingface_hub's search_spaces. The public hub compares meanings; here it is the search of the pages: words, errors forgiven.
http::Response search_spaces(Context& context) {
  Query query = list_query(context.request, hub::RepoType::space);
  query.text = context.request.find_query("q").value_or("");
  if (query.text.size() > 500) throw Error(Code::invalid_argument, "q may have 500 bytes.");
  query.sort = Sort::relevance;
  RepoView view;
  view.fields = {"id", "author", "likes", "private", "tags", "sdk", "runtime", "trendingScore", "cardData"};
  json::array out;
  for (const hub::Repo& repo : context.services.hub.catalogue().list(context.caller, query).repos) {
    json::object item = repo_json(context, repo, view);
    const json::value card = item.contains("cardData") ? item["cardData"] : json::value(nullptr);
    item.erase("cardData");
    item["title"] = repo.repo_id.name;
    for (const char* key : {"title", "emoji", "short_description"})
      if (card.is_object() && card.as_object().contains(key)) item[key] = card.as_object().at(key);
    out.push_back(std::move(item));
  }
  return json_answer(out);
}

// A few of each type while somebody types.
http::Response quick_search(Context& context) {
  json::object out;
  const std::string text = context.request.find_query("q").value_or("").substr(0, 200);
  for (const hub::RepoType type : kTypes) {
    Query query;
    query.type = type;
    query.text = text;
    query.sort = Sort::relevance;
    query.limit = find_page(context.request, 5, 20, false).limit;
    json::array list;
    if (!text.empty()) {
      for (const hub::Repo& repo : context.services.hub.catalogue().list(context.caller, query).repos) list.push_back(json::object{{"_id", repo.public_id}, {"id", repo.repo_id.full_name()}});
    }
    out[hub::plural(type)] = std::move(list);
  }
  return json_answer(out);
}

http::Response list_trending(Context& context) {
  json::array out;
  RepoView view;
  view.fields = basic_fields();
  const auto wanted = context.request.find_query("type");
  for (const hub::RepoType type : kTypes) {
    if (wanted && *wanted != "all" && hub::find_repo_type(*wanted) != type) continue;
    Query query;
    query.type = type;
    query.limit = find_page(context.request, 10, 20, false).limit;
    for (const hub::Repo& repo : context.services.hub.catalogue().list(context.caller, query).repos) {
      const std::string_view kind = hub::plural(type);
      out.push_back(json::object{{"repoData", repo_json(context, repo, view)}, {"repoType", kind.substr(0, kind.size() - 1)}});
    }
  }
  return json_answer(json::object{{"recentlyTrending", std::move(out)}});
}

http::Response import_catalogue(Context& context) {
  const auto type = hub::find_repo_type(context.request.param("kind"));
  if (!type) throw Error(Code::not_found, "Entries are models, datasets or spaces.");
  const hub::ImportReport report = context.services.hub.catalogue().import(*type, read_body(context, kImportBytesMax));
  json::array refused;
  for (const auto& one : report.refused) refused.push_back(json::object{{"line", one.line}, {"reason", one.reason}});
  return json_answer(json::object{{"added", report.added}, {"updated", report.updated}, {"refusedCount", report.refused_count}, {"refused", std::move(refused)}});
}

http::Response list_downloads(Context& context) {
  json::array out;
  for (const hub::DownloadDay& day : context.services.hub.downloads().series(*context.repo, 365)) {
    out.push_back(json::object{{"day", iso8601(day.day * 86'400'000).substr(0, 10)}, {"downloads", day.counted}, {"requests", day.requests}, {"automatic", day.automatic},
                               {"weightBytes", day.weight_bytes}, {"clients", day.clients}});
  }
  return json_answer(out);
}

}  // namespace lyceum::api
