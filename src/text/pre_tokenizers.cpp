#include "base/error.h"
#include "text/components.h"
#include "text/unicode.h"

namespace lyceum::text {
namespace {

SplitBehavior behavior_from(std::string_view name) {
  if (name == "Removed" || name == "removed") return SplitBehavior::removed;
  if (name == "Isolated" || name == "isolated") return SplitBehavior::isolated;
  if (name == "MergedWithPrevious" || name == "merged_with_previous") return SplitBehavior::merged_with_previous;
  if (name == "MergedWithNext" || name == "merged_with_next") return SplitBehavior::merged_with_next;
  if (name == "Contiguous" || name == "contiguous") return SplitBehavior::contiguous;
  throw Error(Code::unsupported, "split behaviour '" + std::string(name) + "' of the tokenizer is not supported");
}

Pieces::Find by_regex(const Regex& regex) {
  return [&regex](std::string_view text, std::vector<Match>& out) { regex.find_all(text, out); };
}
Pieces::Find by_character(bool (*test)(char32_t)) {
  return [test](std::string_view text, std::vector<Match>& out) { find_characters(text, test, out); };
}
Pieces::Find by_character(char32_t wanted) {
  return [wanted](std::string_view text, std::vector<Match>& out) {
    find_characters(
        text, [wanted](char32_t c) { return c == wanted; }, out);
  };
}

class ByteLevelPreTokenizer final : public PreTokenizer {
 public:
  explicit ByteLevelPreTokenizer(const json::object& spec)
      : add_prefix_space_(find_bool(spec, "add_prefix_space").value_or(true)),
        use_regex_(find_bool(spec, "use_regex").value_or(true)) {}

  void apply(Pieces& pieces) const override {
    if (add_prefix_space_) {
      pieces.rewrite([](std::string_view text, const Piece&, std::string& out) {
        if (!text.starts_with(' ')) out.push_back(' ');
        out += text;
      });
    }
    if (use_regex_) pieces.split(by_regex(regex_), SplitBehavior::isolated);
    pieces.rewrite([](std::string_view text, const Piece&, std::string& out) { append_byte_alphabet(text, out); });
  }

 private:
  bool add_prefix_space_, use_regex_;
  Regex regex_{R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"};
};

class SplitPreTokenizer final : public PreTokenizer {
 public:
  explicit SplitPreTokenizer(const json::object& spec)
      : regex_(pattern_regex(spec)),
        behavior_(behavior_from(get_string(spec, "behavior"))),
        invert_(find_bool(spec, "invert").value_or(false)) {}
  void apply(Pieces& pieces) const override { pieces.split(by_regex(regex_), behavior_, invert_); }

 private:
  Regex regex_;
  SplitBehavior behavior_;
  bool invert_;
};

class DigitsPreTokenizer final : public PreTokenizer {
 public:
  explicit DigitsPreTokenizer(const json::object& spec)
      : behavior_(find_bool(spec, "individual_digits").value_or(false) ? SplitBehavior::isolated
                                                                       : SplitBehavior::contiguous) {}
  void apply(Pieces& pieces) const override { pieces.split(by_character(is_numeric), behavior_); }

 private:
  SplitBehavior behavior_;
};

class MetaspacePreTokenizer final : public PreTokenizer {
 public:
  explicit MetaspacePreTokenizer(const json::object& spec)
      : character_(single_character(spec, "replacement")), split_(find_bool(spec, "split").value_or(true)) {
    append_utf8(replacement_, character_);
    scheme_ = find_string(spec, "prepend_scheme").value_or("always");
    if (scheme_ != "always" && scheme_ != "first" && scheme_ != "never") {
      throw Error(Code::unsupported, "Metaspace prepend_scheme '" + scheme_ + "' of the tokenizer is not supported");
    }
    if (!find_bool(spec, "add_prefix_space").value_or(true)) scheme_ = "never";
  }

  void apply(Pieces& pieces) const override {
    pieces.rewrite([this](std::string_view text, const Piece& piece, std::string& out) {
      const bool wanted = scheme_ == "always" || (scheme_ == "first" && piece.at_input_start);
      if (wanted && !text.starts_with(' ') && !text.starts_with(replacement_)) out += replacement_;
      for (const char c : text) {
        if (c == ' ')
          out += replacement_;
        else
          out.push_back(c);
      }
    });
    if (split_) pieces.split(by_character(character_), SplitBehavior::merged_with_next);
  }

 private:
  char32_t character_;
  std::string replacement_;
  std::string scheme_;
  bool split_;
};

class WhitespacePreTokenizer final : public PreTokenizer {
 public:
  void apply(Pieces& pieces) const override { pieces.split(by_regex(regex_), SplitBehavior::removed, true); }

 private:
  Regex regex_{R"(\w+|[^\w\s]+)"};
};

class WhitespaceSplitPreTokenizer final : public PreTokenizer {
 public:
  void apply(Pieces& pieces) const override { pieces.split(by_character(is_white_space), SplitBehavior::removed); }
};

class PunctuationPreTokenizer final : public PreTokenizer {
 public:
  explicit PunctuationPreTokenizer(const json::object& spec)
      : behavior_(behavior_from(find_string(spec, "behavior").value_or("Isolated"))) {}
  void apply(Pieces& pieces) const override { pieces.split(by_character(is_punctuation), behavior_); }

 private:
  SplitBehavior behavior_;
};

class BertPreTokenizer final : public PreTokenizer {
 public:
  void apply(Pieces& pieces) const override {
    pieces.split(by_character(is_white_space), SplitBehavior::removed);
    pieces.split(by_character(is_punctuation), SplitBehavior::isolated);
  }
};

class DelimiterPreTokenizer final : public PreTokenizer {
 public:
  explicit DelimiterPreTokenizer(const json::object& spec) : delimiter_(single_character(spec, "delimiter")) {}
  void apply(Pieces& pieces) const override { pieces.split(by_character(delimiter_), SplitBehavior::removed); }

 private:
  char32_t delimiter_;
};

class SequencePreTokenizer final : public PreTokenizer {
 public:
  explicit SequencePreTokenizer(const json::object& spec) {
    for (const json::value& part : component_list(spec, "pretokenizers"))
      parts_.push_back(make_pre_tokenizer(get_object(part, "pre-tokenizer")));
  }
  void apply(Pieces& pieces) const override {
    for (const auto& part : parts_) part->apply(pieces);
  }

 private:
  std::vector<std::unique_ptr<PreTokenizer>> parts_;
};

template <typename Kind>
std::unique_ptr<PreTokenizer> plain(const json::object&) {
  return std::make_unique<Kind>();
}
template <typename Kind>
std::unique_ptr<PreTokenizer> configured(const json::object& spec) {
  return std::make_unique<Kind>(spec);
}

struct Entry {
  std::string_view type;
  std::unique_ptr<PreTokenizer> (*make)(const json::object&);
};
constexpr std::array<Entry, 10> kPreTokenizers = {{
    {"Sequence", configured<SequencePreTokenizer>},
    {"ByteLevel", configured<ByteLevelPreTokenizer>},
    {"Split", configured<SplitPreTokenizer>},
    {"Digits", configured<DigitsPreTokenizer>},
    {"Metaspace", configured<MetaspacePreTokenizer>},
    {"Whitespace", plain<WhitespacePreTokenizer>},
    {"WhitespaceSplit", plain<WhitespaceSplitPreTokenizer>},
    {"Punctuation", configured<PunctuationPreTokenizer>},
    {"BertPreTokenizer", plain<BertPreTokenizer>},
    {"CharDelimiterSplit", configured<DelimiterPreTokenizer>},
}};

}  // namespace

std::unique_ptr<PreTokenizer> make_pre_tokenizer(const json::object& spec) {
  const std::string type = get_string(spec, "type");
  for (const Entry& entry : kPreTokenizers) {
    if (entry.type == type) return entry.make(spec);
  }
  throw Error(Code::unsupported, "tokenizer pre-tokenizer '" + type + "' is not supported");
}

}  // namespace lyceum::text
