// Counts words once, then keeps the count of every adjacent pair up to date while it merges the commonest pair, over
// and over: each merge touches only the words that hold the pair (an index from pair to words, allowed to hold stale
// entries). The commonest pair comes from a heap whose entries are checked against the true count when they surface.
#include "text/bpe_trainer.h"

#include <algorithm>
#include <queue>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "base/json.h"
#include "text/components.h"
#include "text/pieces.h"
#include "text/unicode.h"

namespace lyceum::text {
namespace {

constexpr std::string_view kWordPattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr size_t kVocabMax = 1u << 20;

uint64_t pair_key(int32_t left, int32_t right) {
  return (static_cast<uint64_t>(left) << 32) | static_cast<uint32_t>(right);
}
int32_t left_of(uint64_t pair) { return static_cast<int32_t>(pair >> 32); }
int32_t right_of(uint64_t pair) { return static_cast<int32_t>(pair & 0xFFFFFFFFu); }

struct PairHash {
  size_t operator()(uint64_t pair) const noexcept {
    const uint64_t mixed = pair * 0x9e3779b97f4a7c15ULL;
    return static_cast<size_t>(mixed ^ (mixed >> 32));
  }
};

struct Word {
  std::vector<int32_t> ids;
  int64_t count;
};

struct Ranked {
  int64_t count;
  uint64_t pair;
  bool operator<(const Ranked& other) const noexcept {
    return count != other.count ? count < other.count : pair > other.pair;
  }
};

class Trainer {
 public:
  explicit Trainer(const BpeTrainerOptions& options) : options_(options) {
    for (const std::string& special : options.special_tokens) add_token(special);
    for (const char32_t c : byte_alphabet()) {
      std::string text;
      append_utf8(text, c);
      add_token(text);
    }
    first_byte_ = static_cast<int32_t>(options.special_tokens.size());
    if (options.vocab_size < tokens_.size() || options.vocab_size > kVocabMax) {
      throw Error(Code::invalid_argument, "vocab_size must be between " + std::to_string(tokens_.size()) +
                                              " (256 bytes and the special tokens) and " + std::to_string(kVocabMax));
    }
  }

  void read(const std::vector<std::string_view>& documents) {
    std::unordered_map<std::string, int64_t> counts;
    const Regex words{kWordPattern};
    std::vector<Match> matches;
    for (const std::string_view document : documents) {
      const std::string text = replace_invalid_utf8(document);
      matches.clear();
      words.find_all(text, matches);
      for (const Match& match : matches) ++counts[text.substr(match.begin, match.end - match.begin)];
    }
    keep_words(counts);
  }

  void train() {
    for (uint32_t w = 0; w < words_.size(); ++w) {
      const auto& ids = words_[w].ids;
      for (size_t i = 0; i + 1 < ids.size(); ++i) change(pair_key(ids[i], ids[i + 1]), words_[w].count, w);
    }
    for (const auto& [pair, count] : counts_) heap_.push({count, pair});
    while (tokens_.size() < options_.vocab_size && !heap_.empty()) step();
  }

  std::string to_json() const {
    json::object vocab;
    for (size_t id = 0; id < tokens_.size(); ++id) vocab.emplace(tokens_[id], static_cast<int64_t>(id));
    json::array merges;
    for (const uint64_t pair : merges_) merges.emplace_back(token(left_of(pair)) + " " + token(right_of(pair)));
    json::array added;
    for (size_t id = 0; id < options_.special_tokens.size(); ++id) {
      added.push_back(json::object{{"id", static_cast<int64_t>(id)},
                                   {"content", tokens_[id]},
                                   {"single_word", false},
                                   {"lstrip", false},
                                   {"rstrip", false},
                                   {"normalized", false},
                                   {"special", true}});
    }
    const json::object byte_level{
        {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
    const json::object model{{"type", "BPE"},
                             {"dropout", nullptr},
                             {"unk_token", nullptr},
                             {"continuing_subword_prefix", nullptr},
                             {"end_of_word_suffix", nullptr},
                             {"fuse_unk", false},
                             {"byte_fallback", false},
                             {"ignore_merges", false},
                             {"vocab", std::move(vocab)},
                             {"merges", std::move(merges)}};
    return pretty_json(json::object{{"version", "1.0"},
                                    {"truncation", nullptr},
                                    {"padding", nullptr},
                                    {"added_tokens", std::move(added)},
                                    {"normalizer", nullptr},
                                    {"pre_tokenizer", byte_level},
                                    {"post_processor", nullptr},
                                    {"decoder", byte_level},
                                    {"model", model}});
  }

 private:
  const std::string& token(int32_t id) const { return tokens_[static_cast<size_t>(id)]; }

  void add_token(const std::string& text) {
    if (text.empty() || !known_.insert(text).second) {
      throw Error(Code::invalid_argument, "special token '" + text + "' is empty, given twice, or a single byte");
    }
    tokens_.push_back(text);
  }

  // Sorted, so that word numbers do not depend on the hash map's order.
  void keep_words(const std::unordered_map<std::string, int64_t>& counts) {
    std::vector<std::pair<std::string_view, int64_t>> sorted(counts.begin(), counts.end());
    std::ranges::sort(sorted);
    words_.reserve(sorted.size());
    for (const auto& [text, count] : sorted) {
      Word word{{}, count};
      word.ids.reserve(text.size());
      for (const char c : text) word.ids.push_back(first_byte_ + static_cast<unsigned char>(c));
      words_.push_back(std::move(word));
    }
  }

  void change(uint64_t pair, int64_t by, uint32_t word) {
    counts_[pair] += by;
    if (by > 0) {
      auto& holders = holders_[pair];
      if (holders.empty() || holders.back() != word) holders.push_back(word);
    }
  }

  void step() {
    const Ranked top = heap_.top();
    heap_.pop();
    const auto current = counts_.find(top.pair);
    if (current == counts_.end() || current->second < static_cast<int64_t>(std::max<size_t>(options_.min_frequency, 1)))
      return;
    if (current->second != top.count) {
      heap_.push({current->second, top.pair});
      return;
    }
    std::string merged = token(left_of(top.pair)) + token(right_of(top.pair));
    // A second way to build a token that exists would make the merge order ambiguous; the pair is left alone for good.
    if (!known_.insert(merged).second) {
      counts_.erase(current);
      return;
    }
    tokens_.push_back(std::move(merged));
    merges_.push_back(top.pair);
    merge_everywhere(top.pair, static_cast<int32_t>(tokens_.size() - 1));
  }

  void merge_everywhere(uint64_t pair, int32_t id) {
    const std::vector<uint32_t> holders = std::move(holders_[pair]);
    touched_.clear();
    for (const uint32_t w : holders) merge_word(w, pair, id);
    counts_.erase(pair);
    holders_.erase(pair);
    for (const uint64_t changed : touched_) {
      const auto count = counts_.find(changed);
      if (count != counts_.end() && count->second > 0) heap_.push({count->second, changed});
    }
  }

  void merge_word(uint32_t w, uint64_t pair, int32_t id) {
    Word& word = words_[w];
    const int32_t left = left_of(pair);
    const int32_t right = right_of(pair);
    const auto& ids = word.ids;
    std::vector<int32_t> out;
    out.reserve(ids.size());
    for (size_t i = 0; i < ids.size(); ++i) {
      const bool match = ids[i] == left && i + 1 < ids.size() && ids[i + 1] == right;
      if (!match) {
        out.push_back(ids[i]);
        continue;
      }
      if (!out.empty()) replace_pair(pair_key(out.back(), left), pair_key(out.back(), id), word.count, w);
      if (i + 2 < ids.size()) replace_pair(pair_key(right, ids[i + 2]), pair_key(id, ids[i + 2]), word.count, w);
      out.push_back(id);
      ++i;
    }
    word.ids = std::move(out);
  }

  void replace_pair(uint64_t old_pair, uint64_t new_pair, int64_t count, uint32_t word) {
    if (const auto known = counts_.find(old_pair); known != counts_.end()) known->second -= count;
    change(new_pair, count, word);
    touched_.insert(new_pair);
  }

  const BpeTrainerOptions& options_;
  int32_t first_byte_ = 0;
  std::vector<std::string> tokens_;
  std::unordered_set<std::string> known_;
  std::vector<uint64_t> merges_;
  std::vector<Word> words_;
  std::unordered_map<uint64_t, int64_t, PairHash> counts_;
  std::unordered_map<uint64_t, std::vector<uint32_t>, PairHash> holders_;
  std::unordered_set<uint64_t, PairHash> touched_;
  std::priority_queue<Ranked> heap_;
};

}  // namespace

std::string train_bpe(const std::vector<std::string_view>& documents, const BpeTrainerOptions& options) {
  Trainer trainer(options);
  trainer.read(documents);
  trainer.train();
  return trainer.to_json();
}

}  // namespace lyceum::text
