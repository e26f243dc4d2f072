#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "hub/search/match.h"

namespace lyceum::hub::search {
namespace {

constexpr size_t kGatherAtOnce = 5'000;  // so few candidates that a walk cannot be cheaper

// Where a page ended. "key_id", or for the order by name "name_id": stable whatever is added or removed meanwhile.
struct Cursor {
  int64_t key = 0, id = 0;
  std::string name;
};

Error bad_cursor() { return {Code::invalid_argument, "the cursor is not one that this listing gave out; start from the first page"}; }

int64_t number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) throw bad_cursor();
  return value;
}

std::optional<Cursor> parse_cursor(const Query& query) {
  if (query.cursor.empty()) return std::nullopt;
  const size_t line = query.cursor.rfind('_');
  if (line == std::string::npos || query.cursor.size() > 300) throw bad_cursor();
  Cursor out;
  out.id = number(std::string_view(query.cursor).substr(line + 1));
  if (query.sort == Sort::id) out.name = query.cursor.substr(0, line);
  else out.key = number(std::string_view(query.cursor).substr(0, line));
  return out;
}

// One order for walking and gathering: the query's, with keys of rows or of text hits.
class Ranking {
 public:
  Ranking(const Shelf& shelf, const Query& query) : shelf_(shelf), sort_(query.sort), reverse_(query.ascending), cursor_(parse_cursor(query)) {}

  int64_t key(uint32_t row) const { return shelf_.key(sort_, row); }
  bool before(const Hit& a, const Hit& b) const {
    if (sort_ == Sort::id) return shelf_.before(Sort::id, a.row, b.row) != reverse_ && a.row != b.row;
    if (a.score != b.score) return (a.score > b.score) != reverse_;
    return a.row != b.row && (shelf_.id(a.row) > shelf_.id(b.row)) != reverse_;
  }
  // Not after the place where the page before ended?
  bool passed(const Hit& hit) const {
    if (!cursor_) return false;
    int order = sort_ == Sort::id ? shelf_.name(hit.row).compare(cursor_->name) : hit.score > cursor_->key ? -1 : hit.score < cursor_->key ? 1 : 0;
    if (order == 0) order = shelf_.id(hit.row) > cursor_->id ? -1 : shelf_.id(hit.row) < cursor_->id ? 1 : 0;
    return reverse_ ? order >= 0 : order <= 0;
  }
  std::string cursor_at(const Hit& hit) const {
    const std::string id = "_" + std::to_string(shelf_.id(hit.row));
    return (sort_ == Sort::id ? std::string(shelf_.name(hit.row)) : std::to_string(hit.score)) + id;
  }

 private:
  const Shelf& shelf_;
  Sort sort_;
  bool reverse_;
  std::optional<Cursor> cursor_;
};

// The best `wanted` of what is offered, in twice their space.
class TopHits {
 public:
  TopHits(const Ranking& ranking, size_t wanted) : ranking_(ranking), wanted_(wanted) {}

  void offer(const Hit& hit) {
    if (ranking_.passed(hit) || (full_ && !ranking_.before(hit, worst_))) return;
    hits_.push_back(hit);
    if (hits_.size() >= 2 * wanted_ + 64) cut();
  }
  std::vector<Hit> take() {
    const auto before = [this](const Hit& a, const Hit& b) { return ranking_.before(a, b); };
    std::sort(hits_.begin(), hits_.end(), before);
    hits_.resize(std::min(hits_.size(), wanted_));
    return std::move(hits_);
  }

 private:
  void cut() {
    const auto before = [this](const Hit& a, const Hit& b) { return ranking_.before(a, b); };
    std::nth_element(hits_.begin(), hits_.begin() + static_cast<ptrdiff_t>(wanted_ - 1), hits_.end(), before);
    hits_.resize(wanted_);
    worst_ = hits_.back();
    full_ = true;
  }

  const Ranking& ranking_;
  size_t wanted_;
  std::vector<Hit> hits_;
  Hit worst_;
  bool full_ = false;
};

// False: gave up before the page was full.
bool try_walk(const Shelf& shelf, const Query& query, const Matcher& matcher, const Ranking& ranking, size_t wanted, std::vector<Hit>& hits) {
  size_t tested = 0;
  bool gave_up = false;
  const auto passed = [&](uint32_t row) { return ranking.passed({row, ranking.key(row)}); };
  shelf.order(query.sort).walk(query.ascending, passed, [&](uint32_t row) {
    if (++tested > matcher.walk_max() + wanted) {
      gave_up = true;
      return false;
    }
    if (matcher.accepts(row)) hits.push_back({row, ranking.key(row)});
    return hits.size() < wanted;
  });
  return !gave_up;
}

std::vector<Hit> find_hits(const Shelf& shelf, const Query& query, const Matcher& matcher, const Ranking& ranking, const std::vector<Hit>& text_hits, size_t wanted) {
  if (matcher.impossible()) return {};
  TopHits best(ranking, wanted);
  if (!query.text.empty()) {
    for (Hit hit : text_hits) {
      if (query.sort != Sort::relevance) hit.score = ranking.key(hit.row);
      best.offer(hit);
    }
    return best.take();
  }
  if (matcher.candidates() > kGatherAtOnce) {
    std::vector<Hit> hits;
    if (try_walk(shelf, query, matcher, ranking, wanted, hits)) return hits;
  }
  matcher.gather([&](uint32_t row) {
    best.offer({row, ranking.key(row)});
    return true;
  });
  return best.take();
}

}  // namespace

Page find_page(const Shelf& shelf, const Query& asked) {
  Query query = asked;
  // Without words nothing is relevant; with words the order by relevance is the only one that a walk cannot follow.
  if (query.sort == Sort::relevance && query.text.empty()) query.sort = Sort::trending;
  const Matcher matcher(shelf, query);
  const Ranking ranking(shelf, query);
  const std::vector<Hit> text_hits = query.text.empty() ? std::vector<Hit>() : find_text(shelf, matcher, query.text);
  std::vector<Hit> hits = find_hits(shelf, query, matcher, ranking, text_hits, query.skip + query.limit + 1);
  hits.erase(hits.begin(), hits.begin() + static_cast<ptrdiff_t>(std::min(query.skip, hits.size())));
  Page page;
  if (hits.size() > query.limit) {
    hits.resize(query.limit);
    if (!hits.empty()) page.next = ranking.cursor_at(hits.back());
  }
  for (const Hit& hit : hits) page.ids.push_back(shelf.id(hit.row));
  if (query.facet_values > 0) page.summary = summarise(shelf, query, matcher, text_hits);
  return page;
}

}  // namespace lyceum::hub::search
