// repo_json.h: a repository as the protocol shows it, in listings and on its own. One table names every field and how it is made;
// expensive fields (files, headers of weights) are made only when asked for.
#pragma once

#include <set>
#include <string>

#include "api/route.h"
#include "base/json.h"

namespace lyceum::api {

struct RepoView {
  std::set<std::string, std::less<>> fields;   // names of the protocol; unknown ones are ignored
  std::string commit;                          // what "sha" and the files are about; empty: the head
  bool file_sizes = false;                     // siblings carry size, blobId and lfs
};

// fields of ?expand=a&expand=b, ?expand[]=a, ?expand=a,b; empty if the request has none.
std::set<std::string, std::less<>> expand_fields(const http::Request& request);

std::set<std::string, std::less<>> basic_fields();  // of every item in a listing
std::set<std::string, std::less<>> full_fields();   // of a repository's own page

json::object repo_json(Context& context, const hub::Repo& repo, const RepoView& view);

}  // namespace lyceum::api
