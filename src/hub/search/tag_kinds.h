// tag_kinds.h: what kind of thing a tag says: a task, a licence, a language … Tags without a prefix are known by tables.
#pragma once

#include <string_view>

#include "hub/hub.h"

namespace lyceum::hub::search {

enum class TagKind : uint8_t { other, task, library, license, language, format, base_model, size_categories, dataset, task_ids, region };

struct TagMeaning {
  TagKind kind = TagKind::other;
  std::string_view label;   // the tag without its prefix
};
TagMeaning meaning_of(RepoType type, std::string_view tag);
std::string_view kind_name(TagKind kind);          // as facets and *-tags-by-type call it

// The classes of a model's size, by number of parameters: [0, 1B), [1B, 3B), …
struct SizeClass {
  std::string_view name;
  uint64_t below;           // parameters
};
inline constexpr SizeClass kSizeClasses[] = {{"<1B", 1'000'000'000},      {"1B-3B", 3'000'000'000},      {"3B-6B", 6'000'000'000},      {"6B-12B", 12'000'000'000},
                                             {"12B-32B", 32'000'000'000}, {"32B-128B", 128'000'000'000}, {"128B-500B", 500'000'000'000}, {">500B", UINT64_MAX}};
inline constexpr size_t kSizeClassCount = std::size(kSizeClasses);
size_t size_class(uint64_t parameters);

}  // namespace lyceum::hub::search
