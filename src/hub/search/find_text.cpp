// Free text to rows: every word must be found, in the name, the owner, a tag or the card. The last word may be unfinished, and where a
// word finds little, words that hold it or that differ by a typing error are taken too.
//
// Score of a row = sum over the words of (where it was found x how well), then multiplied by a slowly growing function of popularity, so
// that among equal texts the used one comes first and an exact name beats everything.
#include <algorithm>

#include "hub/search/match.h"

namespace lyceum::hub::search {
namespace {

constexpr size_t kWordsMax = 8;
constexpr size_t kExpansionsMax = 256;      // dictionary words that one typed word may stand for
constexpr size_t kFewRows = 20;

// Where: the name (or owner), a tag, the card. How well: whole word, beginning, typing error, inside.
constexpr unsigned kInName = 8, kInTag = 4, kInCard = 1;
constexpr unsigned kWhole = 10, kBeginning = 6, kOneError = 4, kTwoErrors = 2, kInside = 3;
constexpr int64_t kExactName = int64_t{1} << 40;

struct Expansion {
  uint32_t word = 0;
  unsigned weight = 0;
  uint64_t rows = 0;
};

uint64_t rows_of(const Shelf& shelf, uint32_t word) {
  uint64_t total = shelf.rows_named(word).count() + shelf.rows_about(word).count();
  if (const auto* tags = shelf.tags_saying(word)) {
    for (const uint32_t tag : *tags) total += shelf.rows_with_tag(tag).count();
  }
  return total;
}

unsigned weight_of(const WordMatch& match) {
  if (match.errors >= 2) return kTwoErrors;
  if (match.errors == 1) return kOneError;
  return match.whole ? kWhole : kBeginning;
}

class Expander {
 public:
  explicit Expander(const Shelf& shelf) : shelf_(shelf) {}

  std::vector<Expansion> expand(std::string_view typed) {
    add(shelf_.words().find(typed, 0, 20'000));
    if (total() < kFewRows && typed.size() >= 4) {
      for (const uint32_t word : shelf_.words().find_piece(typed, WordList::Place::inside)) add_one(word, kInside);
    }
    if (total() < kFewRows && typed.size() >= 4) add(shelf_.words().find(typed, 1, 2'000));
    if (total() == 0 && typed.size() >= 5) add(shelf_.words().find(typed, 2, 2'000));
    // The best first; of equals the most frequent.
    std::sort(out_.begin(), out_.end(), [](const Expansion& a, const Expansion& b) { return a.weight != b.weight ? a.weight > b.weight : a.rows > b.rows; });
    if (out_.size() > kExpansionsMax) out_.resize(kExpansionsMax);
    return std::move(out_);
  }

 private:
  void add(const std::vector<WordMatch>& matches) {
    for (const WordMatch& match : matches) add_one(match.word, weight_of(match));
  }
  void add_one(uint32_t word, unsigned weight) {
    const uint64_t rows = rows_of(shelf_, word);
    if (rows == 0) return;
    total_ += rows;
    out_.push_back({word, weight, rows});
  }
  uint64_t total() const { return total_; }

  const Shelf& shelf_;
  std::vector<Expansion> out_;
  uint64_t total_ = 0;
};

// Per row: how many of the words it has so far, and its score.
class Scores {
 public:
  explicit Scores(uint32_t rows) : words_(rows), score_(rows) {}

  // Rows that have word number `index`; the first call for a row counts, so the best place must come first.
  void add(const Postings& rows, uint8_t index, unsigned points) {
    rows.for_each([&](uint32_t row) {
      if (words_[row] == index) {
        words_[row] = static_cast<uint8_t>(index + 1);
        score_[row] = static_cast<uint16_t>(score_[row] + points);
      }
      return true;
    });
  }
  // Says so once for a row.
  bool take_if_all(uint32_t row, size_t words) {
    if (words_[row] != words) return false;
    words_[row] = kTaken;
    return true;
  }
  unsigned score(uint32_t row) const { return score_[row]; }

 private:
  static constexpr uint8_t kTaken = 255;
  std::vector<uint8_t> words_;
  std::vector<uint16_t> score_;
};

// Every list of rows that the expansions stand for: visit(rows, expansion, points of the place), the best place first.
template <typename Visit>
void for_each_list(const Shelf& shelf, const std::vector<Expansion>& expansions, Visit visit) {
  for (const Expansion& one : expansions) visit(shelf.rows_named(one.word), one, kInName);
  for (const Expansion& one : expansions) {
    const auto* tags = shelf.tags_saying(one.word);
    if (tags == nullptr) continue;
    for (const uint32_t tag : *tags) visit(shelf.rows_with_tag(tag), one, kInTag);
  }
  for (const Expansion& one : expansions) visit(shelf.rows_about(one.word), one, kInCard);
}

uint64_t rows_of_all(const std::vector<Expansion>& expansions) {
  uint64_t total = 0;
  for (const Expansion& one : expansions) total += one.rows;
  return total;
}

// Common words have hundreds of thousands of hits: of most, the name itself is not looked at.
class Ranker {
 public:
  Ranker(const Shelf& shelf, std::string typed) : shelf_(shelf), typed_(std::move(typed)), hash_(Shelf::hash_of_name(typed_)) {}

  int64_t rank(uint32_t row, unsigned text_score) const {
    const int64_t score = static_cast<int64_t>(text_score) * (16 + shelf_.popularity(row));
    return shelf_.hash_of_name(row) == hash_ && shelf_.is_called(row, typed_) ? score + kExactName : score;
  }

 private:
  const Shelf& shelf_;
  const std::string typed_;
  const uint16_t hash_;
};

}  // namespace

std::vector<Hit> find_text(const Shelf& shelf, const Matcher& matcher, std::string_view text) {
  std::vector<std::vector<Expansion>> words;
  for_each_word(text, [&](std::string_view word) {
    if (words.size() < kWordsMax) words.push_back(Expander(shelf).expand(lower(word)));
  });
  std::vector<Hit> out;
  if (words.empty() || matcher.impossible()) return out;
  if (std::any_of(words.begin(), words.end(), [](const auto& expansions) { return expansions.empty(); })) return out;
  Scores scores(shelf.rows());
  for (size_t i = 0; i < words.size(); ++i) {
    for_each_list(shelf, words[i], [&](const Postings& rows, const Expansion& one, unsigned place) { scores.add(rows, static_cast<uint8_t>(i), one.weight * place); });
  }
  const Ranker ranker(shelf, lower(text));
  const auto rarest = std::min_element(words.begin(), words.end(), [](const auto& a, const auto& b) { return rows_of_all(a) < rows_of_all(b); });
  for_each_list(shelf, *rarest, [&](const Postings& rows, const Expansion&, unsigned) {
    rows.for_each([&](uint32_t row) {
      if (scores.take_if_all(row, words.size()) && matcher.accepts(row)) out.push_back({row, ranker.rank(row, scores.score(row))});
      return true;
    });
  });
  return out;
}

}  // namespace lyceum::hub::search
