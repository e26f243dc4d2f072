#include "tuning/evaluate/bm25.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <set>

#include "tuning/evaluate/known_lines.h"

namespace lyceum::tuning {

namespace {

constexpr double kK1 = 1.2, kB = 0.75;

bool is_word(char c) noexcept { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }
bool is_upper(char c) noexcept { return c >= 'A' && c <= 'Z'; }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// read_all -> read, all; ReadAll -> read, all. Nothing when the word has one part only.
void add_parts(std::string_view word, std::vector<std::string>& out) {
  std::vector<std::string> parts;
  size_t begin = 0;
  for (size_t i = 0; i <= word.size(); ++i) {
    const bool end = i == word.size() || word[i] == '_';
    const bool hump = !end && i > begin && is_upper(word[i]) && !is_upper(word[i - 1]);
    if (!end && !hump) continue;
    if (i > begin) parts.push_back(lower(word.substr(begin, i - begin)));
    begin = end ? i + 1 : i;
  }
  if (parts.size() > 1) out.insert(out.end(), parts.begin(), parts.end());
}

}  // namespace

std::vector<std::string> search_terms(std::string_view text) {
  std::vector<std::string> out;
  for (size_t at = 0; at < text.size();) {
    size_t end = at;
    while (end < text.size() && is_word(text[end])) ++end;
    if (end > at && std::isdigit(static_cast<unsigned char>(text[at])) == 0) {
      out.push_back(lower(text.substr(at, end - at)));
      add_parts(text.substr(at, end - at), out);
    }
    at = std::max(end, at + 1);
  }
  return out;
}

Bm25::Bm25(const std::vector<CodeFile>& files, size_t lines) {
  for (const CodeFile& file : files) {
    const auto spans = split_lines(file.text);
    for (size_t first = 0; first < spans.size(); first += std::max<size_t>(1, lines / 2)) {
      const size_t last = std::min(first + lines, spans.size()) - 1;
      add(std::string_view(file.text).substr(spans[first].begin, spans[last].end - spans[first].begin));
      if (last + 1 == spans.size()) break;
    }
  }
  for (const Piece& piece : pieces_) mean_terms_ += static_cast<double>(piece.terms) / static_cast<double>(pieces_.size());
}

void Bm25::add(std::string_view text) {
  std::map<std::string, uint32_t> counts;
  const auto terms = search_terms(text);
  if (terms.empty()) return;
  for (const std::string& term : terms) ++counts[term];
  for (const auto& [term, count] : counts) postings_[term].push_back({static_cast<uint32_t>(pieces_.size()), count});
  pieces_.push_back({text, terms.size()});
}

std::vector<std::string_view> Bm25::search(std::string_view query, size_t count) const {
  const auto words = search_terms(query);
  std::unordered_map<uint32_t, double> scores;
  for (const std::string& term : std::set<std::string>(words.begin(), words.end())) {   // a fixed order: sums of doubles repeat
    const auto found = postings_.find(term);
    if (found == postings_.end()) continue;
    const auto holding = static_cast<double>(found->second.size());
    const double rarity = std::log(1 + (static_cast<double>(pieces_.size()) - holding + 0.5) / (holding + 0.5));
    for (const Posting& posting : found->second) {
      const double length = static_cast<double>(pieces_[posting.piece].terms) / mean_terms_;
      scores[posting.piece] += rarity * posting.count * (kK1 + 1) / (posting.count + kK1 * (1 - kB + kB * length));
    }
  }
  std::vector<std::pair<double, uint32_t>> order;
  for (const auto& [piece, score] : scores) order.emplace_back(-score, piece);
  std::sort(order.begin(), order.end());
  std::vector<std::string_view> out;
  for (size_t i = 0; i < std::min(count, order.size()); ++i) out.push_back(pieces_[order[i].second].text);
  return out;
}

}  // namespace lyceum::tuning
