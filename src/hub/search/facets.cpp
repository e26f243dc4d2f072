#include <algorithm>
#include <functional>

#include "hub/search/match.h"

namespace lyceum::hub::search {
namespace {

// More hits than this are counted by every n-th, which bounds the time of a facet count whatever was asked.
constexpr size_t kCountedMax = 50'000;

constexpr TagKind kShown[] = {TagKind::task, TagKind::library, TagKind::license, TagKind::language, TagKind::format, TagKind::base_model, TagKind::size_categories};

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

// Of every kind the `values_max` most used tags, and a few more: rows and tag in one number, so that they sort without being looked up
// again. Most of a million tags are used once or twice: how many are used how often tells which need not be taken at all.
std::vector<std::vector<uint64_t>> most_used_tags(const Shelf& shelf, size_t values_max) {
  constexpr size_t kKinds = 16, kOften = 64;  // from kOften uses on, all are taken
  std::array<std::array<uint32_t, kOften + 1>, kKinds> used{};
  const uint32_t count = shelf.tag_names().size();
  for (uint32_t tag = 0; tag < count; ++tag) ++used[static_cast<size_t>(shelf.tag_kind(tag))][std::min<size_t>(shelf.rows_with_tag(tag).count(), kOften)];
  std::array<size_t, kKinds> least{}, of_least{};  // the fewest uses that count, and how many tags used just so often are wanted
  for (size_t kind = 0; kind < kKinds; ++kind) {
    size_t wanted = values_max;
    least[kind] = kOften;
    of_least[kind] = SIZE_MAX;
    while (wanted > used[kind][least[kind]] && least[kind] > 1) {
      wanted -= used[kind][least[kind]--];
      of_least[kind] = wanted;
    }
  }
  std::vector<std::vector<uint64_t>> out(kKinds);
  for (uint32_t tag = 0; tag < count; ++tag) {
    const auto kind = static_cast<size_t>(shelf.tag_kind(tag));
    const uint64_t rows = shelf.rows_with_tag(tag).count();
    if (rows < least[kind] || (rows == least[kind] && of_least[kind] == 0)) continue;
    if (rows == least[kind]) --of_least[kind];
    out[kind].push_back(rows << 32 | (UINT32_MAX - tag));
  }
  return out;
}

}  // namespace

Summary summarise(const Shelf& shelf, const Query& query, const Matcher& matcher, const std::vector<Hit>& text_hits) {
  Counter counter(shelf);
  if (query.text.empty() && matcher.matches_all()) {
    const uint64_t seen = counter.add_all(matcher);
    return {seen, false, counter.facets(query.facet_values, 1)};
  }
  std::vector<uint32_t> rows;
  rows.reserve(text_hits.size());
  for (const Hit& hit : text_hits) rows.push_back(hit.row);
  if (query.text.empty()) {
    matcher.gather([&](uint32_t row) {
      rows.push_back(row);
      return true;
    });
  }
  const size_t step = rows.size() / kCountedMax + 1;
  for (size_t i = 0; i < rows.size(); i += step) counter.add(rows[i]);
  return {rows.size(), step > 1, counter.facets(query.facet_values, step)};
}

uint64_t count_rows(const Shelf& shelf, const Query& query) {
  const Matcher matcher(shelf, query);
  if (!query.text.empty()) return find_text(shelf, matcher, query.text).size();
  uint64_t count = 0;
  matcher.gather([&](uint32_t) {
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
  auto by_kind = most_used_tags(shelf, values_max);
  std::vector<Facet> out;
  for (size_t kind = 0; kind < by_kind.size(); ++kind) {
    auto& tags = by_kind[kind];
    std::sort(tags.begin(), tags.end(), std::greater<>());
    tags.resize(std::min(values_max, tags.size()));
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
