#include "text/bpe.h"

#include <algorithm>
#include <cstdio>
#include <mutex>
#include <queue>

#include "text/unicode.h"

namespace lyceum::text {
namespace {

constexpr uint64_t kEmptyKey = ~0ULL;

uint64_t key_of(int32_t left, int32_t right) noexcept {
  return (static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32) | static_cast<uint32_t>(right);
}

struct Symbol {
  int32_t id;
  int32_t previous;
  int32_t next;
  bool alive;
};

struct Candidate {
  uint32_t rank;
  int32_t position;
  int32_t id;
  bool operator>(const Candidate& other) const noexcept {
    return rank != other.rank ? rank > other.rank : position > other.position;
  }
};
using Heap = std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>>;

class SymbolList {
 public:
  SymbolList(const std::vector<int32_t>& ids, const MergeTable& merges) : merges_(merges) {
    const auto count = static_cast<int32_t>(ids.size());
    symbols_.reserve(ids.size());
    for (int32_t i = 0; i < count; ++i)
      symbols_.push_back({ids[static_cast<size_t>(i)], i - 1, i + 1 < count ? i + 1 : -1, true});
    std::vector<Candidate> candidates;
    candidates.reserve(ids.size());
    for (int32_t i = 0; i + 1 < count; ++i) {
      if (const auto* merge = merges_.find(at(i).id, at(i + 1).id)) candidates.push_back({merge->rank, i, merge->id});
    }
    heap_ = Heap(std::greater<>{}, std::move(candidates));
  }

  void merge_all() {
    while (!heap_.empty()) {
      const Candidate top = heap_.top();
      heap_.pop();
      apply(top);
    }
  }

  void write(std::vector<int32_t>& ids) const {
    ids.clear();
    for (const Symbol& symbol : symbols_) {
      if (symbol.alive) ids.push_back(symbol.id);
    }
  }

 private:
  Symbol& at(int32_t i) { return symbols_[static_cast<size_t>(i)]; }

  // A candidate is stale when its left symbol has gone or its pair no longer gives the same token. Hugging Face
  // compares the token and not the rank, so a pair that changed into another one with the same result is still merged;
  // so do we.
  void apply(const Candidate& top) {
    Symbol& left = at(top.position);
    if (!left.alive || left.next < 0) return;
    Symbol& right = at(left.next);
    const auto* merge = merges_.find(left.id, right.id);
    if (merge == nullptr || merge->id != top.id) return;
    left.id = top.id;
    left.next = right.next;
    right.alive = false;
    if (right.next >= 0) at(right.next).previous = top.position;
    push(left.previous, top.position);
    push(top.position, left.next);
  }

  void push(int32_t left, int32_t right) {
    if (left < 0 || right < 0) return;
    if (const auto* merge = merges_.find(at(left).id, at(right).id)) heap_.push({merge->rank, left, merge->id});
  }

  const MergeTable& merges_;
  std::vector<Symbol> symbols_;
  Heap heap_;
};

}  // namespace

MergeTable::MergeTable(size_t expected) {
  size_t size = 16;
  while (size < expected * 2) size *= 2;
  slots_.assign(size, Slot{kEmptyKey, {0, 0}});
  mask_ = size - 1;
}

size_t MergeTable::slot_of(uint64_t key) const noexcept {
  uint64_t hash = key * 0x9e3779b97f4a7c15ULL;
  size_t slot = static_cast<size_t>(hash ^ (hash >> 32)) & mask_;
  while (slots_[slot].key != kEmptyKey && slots_[slot].key != key) slot = (slot + 1) & mask_;
  return slot;
}

void MergeTable::insert(int32_t left, int32_t right, Merge merge) {
  const uint64_t key = key_of(left, right);
  slots_[slot_of(key)] = {key, merge};
}

const MergeTable::Merge* MergeTable::find(int32_t left, int32_t right) const noexcept {
  const uint64_t key = key_of(left, right);
  const Slot& slot = slots_[slot_of(key)];
  return slot.key == key ? &slot.merge : nullptr;
}

void merge_symbols(std::vector<int32_t>& ids, const MergeTable& merges) {
  if (ids.size() < 2) return;
  SymbolList list(ids, merges);
  list.merge_all();
  list.write(ids);
}

struct WordCache::Shard {
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view word) const noexcept { return std::hash<std::string_view>{}(word); }
  };
  std::mutex mutex;
  std::unordered_map<std::string, std::vector<int32_t>, Hash, std::equal_to<>> words;
};

void WordCache::ShardsDeleter::operator()(std::array<Shard, 16>* shards) const { delete shards; }

std::unique_ptr<std::array<WordCache::Shard, 16>, WordCache::ShardsDeleter> WordCache::make_shards() {
  return std::unique_ptr<std::array<Shard, 16>, ShardsDeleter>(new std::array<Shard, 16>);
}

WordCache::Shard& WordCache::shard_of(std::string_view word) const {
  return (*shards_)[std::hash<std::string_view>{}(word) % shards_->size()];
}

namespace {
constexpr size_t kCachedWordBytesMax = 128;
constexpr size_t kCachedWordsPerShardMax = 4096;
}  // namespace

bool WordCache::find(std::string_view word, std::vector<int32_t>& out) const {
  if (word.size() > kCachedWordBytesMax) return false;
  Shard& shard = shard_of(word);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.words.find(word);
  if (found == shard.words.end()) return false;
  out.insert(out.end(), found->second.begin(), found->second.end());
  return true;
}

void WordCache::insert(std::string_view word, const int32_t* ids, size_t count) const {
  if (word.size() > kCachedWordBytesMax) return;
  Shard& shard = shard_of(word);
  const std::lock_guard lock(shard.mutex);
  if (shard.words.size() < kCachedWordsPerShardMax)
    shard.words.emplace(std::string(word), std::vector<int32_t>(ids, ids + count));
}

namespace {

class BpeModel final : public Model {
 public:
  explicit BpeModel(const json::object& spec)
      : vocabulary_(get_object(spec.at("vocab"), "model.vocab")), merges_(merge_list(spec).size()) {
    if (find_number(spec, "dropout").value_or(0) > 0) {
      throw Error(Code::unsupported, "this tokenizer has BPE dropout, which makes ids random; set \"dropout\" to null");
    }
    prefix_ = find_string(spec, "continuing_subword_prefix").value_or("");
    suffix_ = find_string(spec, "end_of_word_suffix").value_or("");
    fuse_unknown_ = find_bool(spec, "fuse_unk").value_or(false);
    byte_fallback_ = find_bool(spec, "byte_fallback").value_or(false);
    ignore_merges_ = find_bool(spec, "ignore_merges").value_or(false);
    if (const auto token = find_string(spec, "unk_token")) {
      unknown_ = vocabulary_.find(*token);
      unknown_missing_ = !unknown_;
    }
    for (size_t byte = 0; byte < 256; ++byte) {
      char name[8];
      std::snprintf(name, sizeof name, "<0x%02X>", static_cast<unsigned>(byte));
      byte_ids_[byte] = vocabulary_.find(name).value_or(-1);
    }
    for (char32_t c = 0; c < small_characters_.size(); ++c) {
      std::string text;
      append_utf8(text, c);
      small_characters_[c] = vocabulary_.find(text).value_or(-1);
    }
    load_merges(merge_list(spec));
  }

  void encode(std::string_view piece, std::vector<int32_t>& out) const override {
    if (ignore_merges_) {
      if (const auto id = vocabulary_.find(piece)) {
        out.push_back(*id);
        return;
      }
    }
    if (cache_.find(piece, out)) return;
    thread_local std::vector<int32_t> ids;
    ids.clear();
    cut_into_characters(piece, ids);
    merge_symbols(ids, merges_);
    cache_.insert(piece, ids.data(), ids.size());
    out.insert(out.end(), ids.begin(), ids.end());
  }

  const Vocabulary& vocabulary() const override { return vocabulary_; }

 private:
  static const json::array& merge_list(const json::object& spec) {
    const json::array* merges = find_array(spec, "merges");
    if (merges == nullptr) throw Error(Code::invalid_argument, "the BPE model has no 'merges'");
    return *merges;
  }

  // Both spellings: "a b" (one space, neither side may hold one) and ["a", "b"].
  static std::pair<std::string_view, std::string_view> merge_pair(const json::value& merge) {
    if (merge.is_string()) {
      const std::string_view text(merge.get_string());
      const size_t space = text.find(' ');
      if (space != std::string_view::npos && text.find(' ', space + 1) == std::string_view::npos) {
        return {text.substr(0, space), text.substr(space + 1)};
      }
    } else if (merge.is_array() && merge.get_array().size() == 2 && merge.get_array()[0].is_string() &&
               merge.get_array()[1].is_string()) {
      return {merge.get_array()[0].get_string(), merge.get_array()[1].get_string()};
    }
    throw Error(Code::invalid_argument,
                "BPE merge " + json::serialize(merge) + " is neither \"a b\" nor [\"a\", \"b\"]");
  }

  int32_t require(std::string_view token) const {
    const auto id = vocabulary_.find(token);
    if (!id)
      throw Error(Code::invalid_argument,
                  "BPE merges name token '" + std::string(token) + "', which the vocabulary lacks");
    return *id;
  }

  void load_merges(const json::array& merges) {
    uint32_t rank = 0;
    for (const json::value& merge : merges) {
      const auto [left, right] = merge_pair(merge);
      if (right.size() < prefix_.size())
        throw Error(Code::invalid_argument, "a BPE merge is shorter than continuing_subword_prefix");
      std::string whole(left);
      whole += right.substr(prefix_.size());
      merges_.insert(require(left), require(right), {rank++, require(whole)});
    }
  }

  int32_t find_character(std::string_view character, bool first, bool last) const {
    if (prefix_.empty() && suffix_.empty() && character.size() <= 2) {
      size_t at = 0;
      const char32_t c = next_code_point(character, at);
      if (c < small_characters_.size()) return small_characters_[c];
    }
    if ((first || prefix_.empty()) && (!last || suffix_.empty())) return vocabulary_.find(character).value_or(-1);
    return vocabulary_.find(decorated(character, first, last)).value_or(-1);
  }

  std::string decorated(std::string_view character, bool first, bool last) const {
    return (first ? "" : prefix_) + std::string(character) + (last ? suffix_ : "");
  }

  bool append_bytes(std::string_view text, std::vector<int32_t>& ids) const {
    const auto id_of = [&](char c) { return byte_ids_[static_cast<unsigned char>(c)]; };
    if (!std::ranges::all_of(text, [&](char c) { return id_of(c) >= 0; })) return false;
    for (const char c : text) ids.push_back(id_of(c));
    return true;
  }

  // An unknown character waits in `pending`, because fuse_unk joins it with those that follow.
  void cut_into_characters(std::string_view piece, std::vector<int32_t>& ids) const {
    bool pending = false;
    for (size_t i = 0; i < piece.size();) {
      const size_t length = utf8_length(static_cast<unsigned char>(piece[i]));
      const bool first = i == 0;
      const bool last = i + length >= piece.size();
      const std::string_view character = piece.substr(i, length);
      i += length;
      const int32_t id = find_character(character, first, last);
      if (id >= 0) {
        if (pending) ids.push_back(*unknown_);
        pending = false;
        ids.push_back(id);
        continue;
      }
      if (byte_fallback_ && append_bytes(decorated(character, first, last), ids)) continue;
      if (unknown_missing_)
        throw Error(Code::unprocessable, "the tokenizer's unk_token is needed here, but the vocabulary lacks it");
      if (!unknown_) continue;
      if (pending && !fuse_unknown_) ids.push_back(*unknown_);
      pending = true;
    }
    if (pending) ids.push_back(*unknown_);
  }

  Vocabulary vocabulary_;
  MergeTable merges_;
  std::string prefix_, suffix_;
  bool fuse_unknown_ = false, byte_fallback_ = false, ignore_merges_ = false, unknown_missing_ = false;
  std::optional<int32_t> unknown_;
  std::array<int32_t, 256> byte_ids_{};
  std::array<int32_t, 0x200> small_characters_{};  // the byte alphabet lies below U+0144
  WordCache cache_;
};

}  // namespace

std::unique_ptr<Model> make_bpe_model(const json::object& spec) { return std::make_unique<BpeModel>(spec); }

}  // namespace lyceum::text
