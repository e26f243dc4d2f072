#include "tuning/data/code_samples.h"

#include <algorithm>

#include "base/error.h"
#include "base/random.h"

namespace lyceum::tuning {

namespace {

constexpr size_t kFimTokens = 5;   // begin, prefix, suffix, middle, end
constexpr size_t kWindows = 4;     // of a piece

std::vector<int32_t> encode_plain(const text::Tokenizer& tokenizer, std::string_view text) {
  return tokenizer.encode(text, {.add_special_tokens = false, .parse_special = false});
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t newline = text.find('\n', at);
    const size_t end = newline == std::string_view::npos ? text.size() : newline + 1;
    lines.push_back(text.substr(at, end - at));
    at = end;
  }
  return lines;
}

size_t middle_border(std::string_view text) {
  size_t at = text.size() / 2;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

// Adds text, halved as often as it takes.
void add_fitting(const text::Tokenizer& tokenizer, std::string_view text, size_t tokens_max, std::vector<std::string>& out) {
  if (text.empty()) return;
  const size_t half = middle_border(text);
  if (half == 0 || encode_plain(tokenizer, text).size() <= tokens_max) {
    out.emplace_back(text);
    return;
  }
  add_fitting(tokenizer, text.substr(0, half), tokens_max, out);
  add_fitting(tokenizer, text.substr(half), tokens_max, out);
}

class CodeSource final : public SampleSource {
 public:
  CodeSource(std::shared_ptr<const text::Tokenizer> tokenizer, const std::vector<std::string>& texts, const CodeSampleOptions& options)
      : tokenizer_(std::move(tokenizer)), options_(options), fim_(find_fim_tokens(*tokenizer_)),
        begin_(document_begin_token(*tokenizer_)), end_(document_end_token(*tokenizer_, options.fallback_end_token)) {
    if (options_.fim_rate > 0 && !fim_) {
      throw Error(Code::unprocessable, "this model's tokenizer has no fill-in-the-middle tokens: set fim_rate to 0 to train left-to-right only");
    }
    if (end_ < 0) throw Error(Code::unprocessable, "neither the tokenizer nor the model's config names a token that ends a document");
    for (const std::string& text : texts) {
      auto cut = cut_to_pieces(*tokenizer_, text, options_.sequence_length - kFimTokens - 1);
      for (size_t i = 0; i < cut.size(); ++i) add_piece({std::move(cut[i]), i + 1 == cut.size()});
    }
  }

  size_t count() const override { return places_.size(); }

  Sample make(size_t index, uint64_t epoch) const override {
    const Place& place = places_[index];
    const Piece& piece = pieces_[place.piece];
    Rng rng = random_of(place.piece, epoch);
    if (options_.fim_rate <= 0 || rng.uniform() >= options_.fim_rate) return place.window == 0 ? left_to_right(piece) : Sample();
    if (options_.fim_rules < 2) return fill_in(piece, piece.text, rng);
    if (rng.uniform() < 0.5) return place.window == 0 ? fill_in(piece, piece.text, rng) : Sample();
    Rng own = random_of(index + pieces_.size(), epoch);
    return fill_in(piece, place.text, own);
  }

 private:
  struct Piece {
    std::string text;
    bool last;   // of its file
  };
  struct Place {
    size_t piece, window;   // window: in the piece
    std::string text;       // of the window
  };

  Rng random_of(size_t index, uint64_t epoch) const {
    return Rng(Rng(options_.seed + epoch * 0x9e3779b97f4a7c15ULL).next() ^ (index * 0xd1342543de82ef95ULL));
  }

  void add_piece(Piece piece) {
    if (options_.fim_rate <= 0 || options_.fim_rules < 2) {
      places_.push_back({pieces_.size(), 0, ""});
    } else {
      size_t window = 0;
      for (std::string& text : cut_to_pieces(*tokenizer_, piece.text, options_.sequence_length / kWindows)) places_.push_back({pieces_.size(), window++, std::move(text)});
    }
    pieces_.push_back(std::move(piece));
  }

  FimParts cut(std::string_view text, Rng& rng) const {
    if (rng.uniform() >= options_.fim_line_rate) return cut_uniform(text, rng);
    return options_.fim_rules < 2 || rng.uniform() < 0.5 ? cut_lines(text, rng) : cut_block(text, rng);
  }

  Sample fill_in(const Piece& piece, std::string_view text, Rng& rng) const {
    const bool spm = rng.uniform() < options_.fim_spm_rate;
    Sample sample = fim_sample(*tokenizer_, *fim_, cut(text, rng), {.spm = spm, .whole_tokens = options_.fim_rules >= 2, .begin = begin_, .end = end_});
    // Cutting inside a token costs a few tokens; where that overflows the row the piece stays whole.
    return sample.ids.size() <= options_.sequence_length ? sample : left_to_right(piece);
  }

  Sample left_to_right(const Piece& piece) const {
    Sample sample;
    if (begin_ >= 0) sample.ids.push_back(begin_);
    const auto ids = encode_plain(*tokenizer_, piece.text);
    sample.ids.insert(sample.ids.end(), ids.begin(), ids.end());
    if (piece.last) sample.ids.push_back(end_);
    sample.ids.resize(std::min(sample.ids.size(), options_.sequence_length));
    sample.labelled.assign(sample.ids.size(), 1);
    return sample;
  }

  std::shared_ptr<const text::Tokenizer> tokenizer_;
  CodeSampleOptions options_;
  std::optional<FimTokens> fim_;
  int32_t begin_, end_;
  std::vector<Piece> pieces_;
  std::vector<Place> places_;   // where samples come from
};

}  // namespace

std::vector<std::string> cut_to_pieces(const text::Tokenizer& tokenizer, const std::string& text, size_t tokens_max) {
  std::vector<std::string> pieces;
  size_t begin = 0, at = 0, tokens = 0;
  for (const std::string_view line : lines_of(text)) {
    // The sum over lines bounds the piece closely; add_fitting makes it exact.
    const size_t line_tokens = encode_plain(tokenizer, line).size();
    if (tokens + line_tokens > tokens_max && at > begin) {
      add_fitting(tokenizer, std::string_view(text).substr(begin, at - begin), tokens_max, pieces);
      begin = at;
      tokens = 0;
    }
    tokens += line_tokens;
    at += line.size();
  }
  add_fitting(tokenizer, std::string_view(text).substr(begin), tokens_max, pieces);
  return pieces;
}

std::shared_ptr<const SampleSource> make_code_source(std::shared_ptr<const text::Tokenizer> tokenizer, const std::vector<std::string>& texts,
                                                     const CodeSampleOptions& options) {
  return std::make_shared<CodeSource>(std::move(tokenizer), texts, options);
}

}  // namespace lyceum::tuning
