// list_query.h: from the parameters of a listing to a query of the search index.
#pragma once

#include "api/hub/repo_json.h"
#include "http/message.h"
#include "hub/search/search.h"

namespace lyceum::api {

// "models", "datasets-tags-by-type" … at the end of the request's path.
hub::RepoType listed_type(const http::Request& request);

// search, filter, author, …, sort, direction, limit, cursor. Error(invalid_argument) on a malformed value and on a filter that this hub
// does not keep: an answer must not look filtered when it is not.
hub::search::Query list_query(const http::Request& request, hub::RepoType type);

// "min:6B,max:128B" into the query's bounds.
void read_parameter_range(const std::string& text, hub::search::Query& query);

// expand, or full, config and cardData.
RepoView list_view(const http::Request& request);

}  // namespace lyceum::api
