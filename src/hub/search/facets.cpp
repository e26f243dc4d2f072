#include <algorithm>
#include <functional>

#include "hub/search/match.h"

namespace lyceum::hub::search {
namespace {

// More hits than this are counted by every n-th, which bounds the time of a facet count whatever was asked.
constexpr size_t kCountedMax = 50'000;

constexpr TagKind kShown[] = {TagKind::task, TagKind::library, TagKind::license, TagKind::language, TagKind::format, TagKind::base_model, TagKind::size_categories};

std::vector<uint32_t> matching_rows(const Shelf& shelf, const Query& query) {
  const Matcher matcher(shelf, query);
  std::vector<uint32_t> rows;
  if (!query.text.empty()) {
    for (const Hit& hit : find_text(shelf, matcher, query.text)) rows.push_back(hit.row);
    return rows;
  }
  matcher.gather([&](uint32_t row) {
    rows.push_back(row);
    return true;
  });
  return rows;
}

class Counter {
 public:
  explicit Counter(const Shelf& shelf) : shelf_(shelf), tags_(shelf.tag_names().size()) {}

  void add(uint32_t row) {
    const auto [begin, end] = shelf_.tags(row);
    for (const uint32_t* tag = begin; tag != end; ++tag) {
      if (tags_[*tag]++ == 0) counted_.push_back(*tag);
    }
    ++sizes_[shelf_.size_number(row)];
  }
  // All rows at once: the inverted lists know their lengths. Returns how many rows are seen.
  uint64_t add_all(const Matcher& matcher) {
    for (uint32_t tag = 0; tag < tags_.size(); ++tag) {
      tags_[tag] = shelf_.rows_with_tag(tag).count();
      if (tags_[tag] != 0) counted_.push_back(tag);
    }
    sizes_ = shelf_.size_counts();
    uint64_t seen = shelf_.rows();
    shelf_.for_each_hidden([&](uint32_t row) {
      if (matcher.visible(row)) return;
      --seen;
      --sizes_[shelf_.size_number(row)];
      const auto [begin, end] = shelf_.tags(row);
      for (const uint32_t* tag = begin; tag != end; ++tag) --tags_[*tag];
    });
    return seen;
  }
  std::vector<Facet> facets(size_t values_max, uint64_t scale) const {
    std::vector<std::vector<uint32_t>> by_kind(16);
    for (const uint32_t tag : counted_) {
      if (tags_[tag] > 0 && shelf_.tag_kind(tag) != TagKind::other) by_kind[static_cast<size_t>(shelf_.tag_kind(tag))].push_back(tag);
    }
    std::vector<Facet> out;
    for (const TagKind kind : kShown) {
      Facet facet{std::string(kind_name(kind)), {}};
      for (const uint32_t tag : most_frequent(by_kind[static_cast<size_t>(kind)], values_max)) facet.values.push_back({std::string(shelf_.tag_names().text(tag)), tags_[tag] * scale});
      if (!facet.values.empty()) out.push_back(std::move(facet));
    }
    Facet sizes{"size", {}};
    for (size_t i = 0; i < kSizeClassCount; ++i) {
      if (sizes_[i + 1] > 0) sizes.values.push_back({std::string(kSizeClasses[i].name), sizes_[i + 1] * scale});
    }
    if (!sizes.values.empty()) out.push_back(std::move(sizes));
    return out;
  }

 private:
  std::vector<uint32_t> most_frequent(std::vector<uint32_t>& tags, size_t values_max) const {
    const auto before = [this](uint32_t a, uint32_t b) { return tags_[a] != tags_[b] ? tags_[a] > tags_[b] : shelf_.tag_names().text(a) < shelf_.tag_names().text(b); };
    const auto end = tags.begin() + static_cast<ptrdiff_t>(std::min(values_max, tags.size()));
    std::partial_sort(tags.begin(), end, tags.end(), before);
    return {tags.begin(), end};
  }

  const Shelf& shelf_;
  std::vector<uint32_t> tags_;      // rows of every tag
  std::vector<uint32_t> counted_;   // tags that had one: few of a million, mostly
  std::array<uint64_t, kSizeClassCount + 1> sizes_{};   // the first: unknown
};

}  // namespace

Summary summarise(const Shelf& shelf, const Query& query, size_t values_max) {
  Counter counter(shelf);
  if (const Matcher matcher(shelf, query); query.text.empty() && matcher.matches_all()) {
    const uint64_t seen = counter.add_all(matcher);
    return {seen, false, counter.facets(values_max, 1)};
  }
  const std::vector<uint32_t> rows = matching_rows(shelf, query);
  const size_t step = rows.size() / kCountedMax + 1;
  for (size_t i = 0; i < rows.size(); i += step) counter.add(rows[i]);
  return {rows.size(), step > 1, counter.facets(values_max, step)};
}

uint64_t count_rows(const Shelf& shelf, const Query& query) {
  if (!query.text.empty()) return matching_rows(shelf, query).size();
  uint64_t count = 0;
  Matcher(shelf, query).gather([&](uint32_t) {
    ++count;
    return true;
  });
  return count;
}

std::vector<Facet> list_tags(const Shelf& shelf, const Viewer& viewer, size_t values_max) {
  Query query;
  query.type = shelf.type();
  query.viewer = viewer;
  const Matcher matcher(shelf, query);
  // Rows and tag in one number, the most frequent first: a million tags are sorted without looking each one up again.
  std::vector<std::vector<uint64_t>> by_kind(16);
  for (uint32_t tag = 0; tag < shelf.tag_names().size(); ++tag) {
    if (const uint64_t rows = shelf.rows_with_tag(tag).count(); rows > 0) by_kind[static_cast<size_t>(shelf.tag_kind(tag))].push_back(rows << 32 | (UINT32_MAX - tag));
  }
  std::vector<Facet> out;
  for (size_t kind = 0; kind < by_kind.size(); ++kind) {
    auto& tags = by_kind[kind];
    const auto end = tags.begin() + static_cast<ptrdiff_t>(std::min(values_max, tags.size()));
    if (end != tags.end()) std::nth_element(tags.begin(), end, tags.end(), std::greater<>());
    std::sort(tags.begin(), end, std::greater<>());
    tags.erase(end, tags.end());
    Facet facet{std::string(kind_name(static_cast<TagKind>(kind))), {}};
    for (const uint64_t one : tags) {
      const auto tag = static_cast<uint32_t>(UINT32_MAX - (one & UINT32_MAX));
      // A tag of private repositories only must not be told.
      bool seen = false;
      shelf.rows_with_tag(tag).for_each([&](uint32_t row) { return !(seen = matcher.visible(row)); });
      if (seen) facet.values.push_back({std::string(shelf.tag_names().text(tag)), shelf.rows_with_tag(tag).count()});
    }
    if (!facet.values.empty()) out.push_back(std::move(facet));
  }
  return out;
}

}  // namespace lyceum::hub::search
