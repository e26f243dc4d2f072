// The tokenizer file of llama2.c (tok512.bin): int32 longest token, then for each token float32 score, int32 length,
// bytes. Merging follows SentencePiece: among adjacent pairs whose joined text is a token, the one with the best score,
// leftmost first. Pairs are found by their joined text, because the file has no list of merges.
//
// Ids 0, 1, 2 are unknown, begin and end; 3 to 258 are the bytes.
#include <array>
#include <cmath>
#include <queue>

#include "base/bytes.h"
#include "base/error.h"
#include "text/components.h"
#include "text/model.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

namespace lyceum::text {
namespace {

constexpr int32_t kBegin = 1;
constexpr int32_t kFirstByte = 3;
constexpr int32_t kFirstPlain = kFirstByte + 256;
constexpr size_t kTokenBytesMax = 1024;
constexpr size_t kVocabMax = 1u << 20;
constexpr size_t kInputBytesMax = 1u << 30;

struct Candidate {
  float score;
  size_t position;
  int32_t left, right, merged;
  bool operator<(const Candidate& other) const noexcept {
    return score != other.score ? score < other.score : position > other.position;
  }
};

// Symbols as a linked list, best pair first: the same answer as looking through all pairs before every merge, in O(n
// log n).
class Merger {
 public:
  Merger(std::vector<int32_t> ids, const Vocabulary& vocabulary, const std::vector<float>& scores)
      : ids_(std::move(ids)), next_(ids_.size()), previous_(ids_.size()), vocabulary_(vocabulary), scores_(scores) {
    for (size_t i = 0; i < ids_.size(); ++i) {
      next_[i] = i + 1;
      previous_[i] = i == 0 ? ids_.size() : i - 1;
    }
    for (size_t i = 0; i + 1 < ids_.size(); ++i) push(i);
  }

  std::vector<int32_t> run() {
    while (!heap_.empty()) {
      const Candidate top = heap_.top();
      heap_.pop();
      const size_t right = next_[top.position];
      if (ids_[top.position] != top.left || right >= ids_.size() || ids_[right] != top.right) continue;
      ids_[top.position] = top.merged;
      ids_[right] = -1;
      next_[top.position] = next_[right];
      if (next_[right] < ids_.size()) previous_[next_[right]] = top.position;
      if (previous_[top.position] < ids_.size()) push(previous_[top.position]);
      push(top.position);
    }
    std::erase(ids_, -1);
    return std::move(ids_);
  }

 private:
  void push(size_t left) {
    const size_t right = next_[left];
    if (right >= ids_.size()) return;
    std::string text(vocabulary_.token(ids_[left]));
    text += vocabulary_.token(ids_[right]);
    if (const auto merged = vocabulary_.find(text)) {
      heap_.push({scores_[static_cast<size_t>(*merged)], left, ids_[left], ids_[right], *merged});
    }
  }

  std::vector<int32_t> ids_;
  std::vector<size_t> next_, previous_;
  const Vocabulary& vocabulary_;
  const std::vector<float>& scores_;
  std::priority_queue<Candidate> heap_;
};

class Llama2cTokenizer final : public Tokenizer {
 public:
  Llama2cTokenizer(std::string_view file, size_t vocab_size) : byte_decoder_(make_decoder({{"type", "ByteFallback"}})) {
    if (vocab_size < static_cast<size_t>(kFirstPlain) || vocab_size > kVocabMax) {
      throw Error(Code::invalid_argument,
                  "a llama2.c tokenizer has between 259 and 2^20 tokens, not " + std::to_string(vocab_size));
    }
    ByteReader reader(as_bytes(file), "llama2.c tokenizer");
    reader.read<int32_t>();
    for (size_t id = 0; id < vocab_size; ++id) {
      scores_.push_back(reader.read<float>());
      const auto length = reader.read<int32_t>();
      if (length < 0 || static_cast<size_t>(length) > kTokenBytesMax || std::isnan(scores_.back())) {
        throw Error(Code::invalid_argument, "token " + std::to_string(id) + " of the llama2.c tokenizer is malformed");
      }
      vocabulary_.insert(std::string(as_text(reader.take(static_cast<size_t>(length)))), static_cast<int32_t>(id));
    }
    if (reader.remaining() != 0)
      throw Error(Code::invalid_argument, "the llama2.c tokenizer holds more tokens than the model's vocabulary");
  }

  std::vector<int32_t> encode(std::string_view utf8, const EncodeOptions& options) const override {
    if (utf8.size() > kInputBytesMax) throw Error(Code::too_large, "text to tokenize is over 1 GiB");
    const std::string text = replace_invalid_utf8(utf8);
    std::vector<int32_t> ids;
    if (!text.empty()) {
      if (const auto space = vocabulary_.find(" ")) ids.push_back(*space);
    }
    for (size_t i = 0; i < text.size();) {
      const size_t length = utf8_length(static_cast<unsigned char>(text[i]));
      append_character(std::string_view(text).substr(i, length), ids);
      i += length;
    }
    ids = Merger(std::move(ids), vocabulary_, scores_).run();
    if (options.add_special_tokens) ids.insert(ids.begin(), kBegin);
    return ids;
  }

  std::string decode(std::span<const int32_t> ids, bool skip_special) const override {
    std::vector<std::string> tokens;
    bool after_begin = true;
    for (const int32_t id : ids) {
      if (!vocabulary_.has(id)) continue;
      const std::string_view text = vocabulary_.token(id);
      if (!is_special(id))
        tokens.emplace_back(after_begin && text.starts_with(' ') ? text.substr(1) : text);
      else if (!skip_special)
        tokens.emplace_back(text);
      after_begin = id == kBegin;
    }
    byte_decoder_->apply(tokens);
    std::string out;
    for (const std::string& token : tokens) out += token;
    return out;
  }

  size_t vocab_size() const override { return vocabulary_.id_end(); }
  std::optional<int32_t> find_id(std::string_view token) const override {
    static constexpr std::array<std::string_view, 3> kNames = {"<unk>", "<s>", "</s>"};
    for (size_t id = 0; id < kNames.size(); ++id) {
      if (token == kNames[id]) return static_cast<int32_t>(id);
    }
    return vocabulary_.find(token);
  }
  std::string_view token(int32_t id) const override { return vocabulary_.token(id); }
  bool is_special(int32_t id) const override { return id >= 0 && id < kFirstByte; }

 private:
  // The whole character where it is a plain token, its bytes otherwise.
  void append_character(std::string_view character, std::vector<int32_t>& ids) const {
    const auto id = vocabulary_.find(character);
    if (id) {
      ids.push_back(*id);
    } else {
      for (const char c : character) ids.push_back(kFirstByte + static_cast<unsigned char>(c));
    }
  }

  Vocabulary vocabulary_;
  std::vector<float> scores_;
  std::unique_ptr<Decoder> byte_decoder_;
};

}  // namespace

std::unique_ptr<Tokenizer> load_llama2c_tokenizer(std::string_view file, size_t vocab_size) {
  return std::make_unique<Llama2cTokenizer>(file, vocab_size);
}

}  // namespace lyceum::text
