// Searches, filters and cursors of any bytes over a small index: a page that respects its limit, or Error(invalid_argument).
#include "base/error.h"
#include "hub/search/search.h"

namespace {

using namespace lyceum::hub;

search::Index& index() {
  static const auto made = [] {
    auto out = search::make_memory_index();
    const char* words[] = {"llama", "qwen", "instruct", "gguf", "modèle", "tiny", "7b", "code"};
    for (int64_t id = 1; id <= 400; ++id) {
      search::Entry entry;
      entry.id = id;
      entry.owner_id = id % 7;
      entry.owner = "owner" + std::to_string(id % 7);
      entry.name = std::string(words[id % 8]) + "-" + words[id % 5] + "-" + std::to_string(id);
      entry.is_private = id % 11 == 0;
      entry.metrics = {id * 1000, static_cast<uint32_t>(id * 7 % 13), static_cast<uint32_t>(id % 3), 0, static_cast<uint32_t>(id % 5)};
      entry.parameters = static_cast<uint64_t>(id) * 100'000'000;
      entry.tags = {"license:mit", id % 2 ? "en" : "fr", "base_model:a/" + std::to_string(id % 3)};
      entry.words = "an open language model";
      out->put(RepoType::model, entry);
    }
    out->finish_load();
    return out;
  }();
  return *made;
}

}  // namespace

// First line: the cursor; second: the order and tags, separated by commas; the rest: the words.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lyceum;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t first = std::min(input.find('\n'), size), second = std::min(input.find('\n', std::min(first + 1, size)), size);
  search::Query query;
  query.cursor = input.substr(0, first);
  query.text = input.substr(std::min(second + 1, size));
  const std::string_view tags = input.substr(std::min(first + 1, size), second - std::min(first + 1, second));
  if (!tags.empty()) query.sort = static_cast<search::Sort>(static_cast<uint8_t>(tags[0]) % 10);
  for (size_t begin = 1; begin < tags.size();) {
    const size_t end = std::min(tags.find(',', begin), tags.size());
    (begin % 2 ? query.tags : query.substrings).emplace_back(tags.substr(begin, end - begin));
    begin = end + 1;
  }
  query.limit = size % 20 + 1;
  try {
    const auto page = index().find(query);
    LYCEUM_CHECK(page.ids.size() <= query.limit, "a page has at most its limit");
    for (const int64_t id : page.ids) LYCEUM_CHECK(id % 11 != 0, "nobody sees a private repository");
    query.cursor.clear();
    query.facet_values = 5;
    LYCEUM_CHECK(index().find(query).summary.value().total == index().count(query), "a summary counts what a count does");
  } catch (const Error& error) {
    LYCEUM_CHECK(error.code() == Code::invalid_argument, "a malformed query is a bad argument");
  }
  return 0;
}
