#include <cstdlib>

#include "base/error.h"
#include "git/object.h"

// A tree or commit that parses can be written and read again without change of meaning.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lyceum::git;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const auto entries = parse_tree(text);
    if (parse_tree(format_tree(entries)).size() != entries.size()) std::abort();
  } catch (const lyceum::Error&) {
  }
  try {
    const Commit commit = parse_commit(text);
    const Commit again = parse_commit(format_commit(commit));
    if (again.tree != commit.tree || again.parents != commit.parents) std::abort();
  } catch (const lyceum::Error&) {
  }
  return 0;
}
