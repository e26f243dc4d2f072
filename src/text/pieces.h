// pieces.h: the state of a text on its way through the pre-tokenizers: one buffer and the ranges that it has been cut
// into. A cut only adds ranges; a rewrite (byte alphabet, metaspace) builds a new buffer. The alternative, one string
// per piece as in Hugging Face's PreTokenizedString, costs an allocation for every word.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace lyceum::text {

struct Piece {
  size_t begin = 0;
  size_t end = 0;
  bool at_input_start = false;  // its first character is the first of the caller's text (Metaspace's scheme "first")
};

struct Match {
  size_t begin = 0;
  size_t end = 0;
  bool matched = false;
};

enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

class Pieces {
 public:
  Pieces(std::string text, bool at_input_start);

  const std::vector<Piece>& pieces() const noexcept { return pieces_; }
  std::string_view view(const Piece& piece) const noexcept {
    return std::string_view(text_).substr(piece.begin, piece.end - piece.begin);
  }

  // find: fills a covering list of matched and unmatched ranges of the piece it is given (offsets from its start).
  using Find = std::function<void(std::string_view, std::vector<Match>&)>;
  void split(const Find& find, SplitBehavior behavior, bool invert = false);

  // write: appends the piece's new text.
  using Write = std::function<void(std::string_view, const Piece&, std::string&)>;
  void rewrite(const Write& write);

 private:
  std::string text_;
  std::vector<Piece> pieces_;
};

// Covers text with runs of single characters that satisfy `test` (each its own match) and the text between them.
void find_characters(std::string_view text, const std::function<bool(char32_t)>& test, std::vector<Match>& out);

}  // namespace lyceum::text
