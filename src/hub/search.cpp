#include "base/error.h"
#include "hub/hub_impl.h"

namespace lyceum::hub {
namespace {

search::Sort sort_of(const std::string& name) {
  static constexpr std::pair<std::string_view, search::Sort> kNames[] = {{"modified_ms", search::Sort::modified}, {"created_ms", search::Sort::created},
      {"downloads", search::Sort::downloads}, {"likes", search::Sort::likes}, {"id", search::Sort::id}};
  for (const auto& [known, sort] : kNames) {
    if (name == known) return sort;
  }
  throw Error(Code::invalid_argument, "cannot sort by \"" + name.substr(0, 60) + "\"");
}

search::Query to_search(const RepoQuery& query) {
  search::Query out;
  out.type = query.type;
  out.substrings = query.search;
  out.tags = query.filter;
  out.author = query.author;
  out.pipeline_tag = query.pipeline_tag;
  out.sort = sort_of(query.sort);
  out.limit = std::min<size_t>(query.limit, 10'000);
  out.skip = std::min<size_t>(query.offset, 10'000'000);
  return out;
}

}  // namespace

std::vector<Repo> HubImpl::list_repos(const Caller& caller, const RepoQuery& query) { return catalogue_->list(caller, to_search(query)).repos; }

size_t HubImpl::count_repos(const Caller& caller, const RepoQuery& query) { return catalogue_->count(caller, to_search(query)); }

}  // namespace lyceum::hub
