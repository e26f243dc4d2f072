// WordPiece (BERT): the longest known prefix of a word, again and again; a word that cannot be covered is one unknown
// token.
#include "text/model.h"
#include "text/unicode.h"

namespace lyceum::text {
namespace {

class WordPieceModel final : public Model {
 public:
  explicit WordPieceModel(const json::object& spec)
      : vocabulary_(get_object(spec.at("vocab"), "model.vocab")),
        prefix_(find_string(spec, "continuing_subword_prefix").value_or("##")),
        characters_max_(find_int(spec, "max_input_chars_per_word").value_or(100)),
        unknown_(vocabulary_.find(get_string(spec, "unk_token"))) {}

  void encode(std::string_view piece, std::vector<int32_t>& out) const override {
    const size_t start = out.size();
    if (!cover(piece, out)) {
      out.resize(start);
      if (!unknown_) throw Error(Code::unprocessable, "the WordPiece vocabulary lacks its own unk_token");
      out.push_back(*unknown_);
    }
  }
  const Vocabulary& vocabulary() const override { return vocabulary_; }

 private:
  bool cover(std::string_view piece, std::vector<int32_t>& out) const {
    int64_t characters = 0;
    for (const char c : piece) characters += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    if (characters > characters_max_) return false;
    for (size_t begin = 0; begin < piece.size();) {
      const size_t end = longest(piece, begin, out);
      if (end == begin) return false;
      begin = end;
    }
    return true;
  }

  size_t longest(std::string_view piece, size_t begin, std::vector<int32_t>& out) const {
    for (size_t end = piece.size(); end > begin; --end) {
      if (end < piece.size() && (static_cast<unsigned char>(piece[end]) & 0xC0) == 0x80) continue;
      std::string candidate = begin == 0 ? std::string{} : prefix_;
      candidate += piece.substr(begin, end - begin);
      if (const auto id = vocabulary_.find(candidate)) {
        out.push_back(*id);
        return end;
      }
    }
    return begin;
  }

  Vocabulary vocabulary_;
  std::string prefix_;
  int64_t characters_max_;
  std::optional<int32_t> unknown_;
};

}  // namespace

std::unique_ptr<Model> make_word_piece_model(const json::object& spec) {
  return std::make_unique<WordPieceModel>(spec);
}

}  // namespace lyceum::text
