#include <functional>

#include "base/error.h"
#include "text/components.h"
#include "text/unicode.h"

namespace lyceum::text {
namespace {

// Keeps or rewrites character by character.
std::string map_characters(const std::string& text, const std::function<void(char32_t, std::string&)>& write) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) write(next_code_point(text, i), out);
  return out;
}

std::string drop_characters(const std::string& text, bool (*drop)(char32_t)) {
  return map_characters(text, [drop](char32_t c, std::string& out) {
    if (!drop(c)) append_utf8(out, c);
  });
}

class FormNormalizer final : public Normalizer {
 public:
  explicit FormNormalizer(NormalForm form) : form_(form) {}
  void apply(std::string& text) const override { text = normalize(text, form_); }

 private:
  NormalForm form_;
};

class LowercaseNormalizer final : public Normalizer {
 public:
  void apply(std::string& text) const override { text = to_lower(text); }
};

class PrependNormalizer final : public Normalizer {
 public:
  explicit PrependNormalizer(const json::object& spec) : prefix_(get_string(spec, "prepend")) {}
  void apply(std::string& text) const override {
    if (!text.empty()) text.insert(0, prefix_);
  }

 private:
  std::string prefix_;
};

class ReplaceNormalizer final : public Normalizer {
 public:
  explicit ReplaceNormalizer(const json::object& spec)
      : regex_(pattern_regex(spec)), content_(get_string(spec, "content")) {
    if (const json::object* pattern = find_object(spec, "pattern"))
      literal_ = find_string(*pattern, "String").value_or("");
  }
  void apply(std::string& text) const override {
    text = literal_.empty() ? regex_.replace_all(text, content_) : replace_literal(text, literal_, content_);
  }

 private:
  Regex regex_;
  std::string content_;
  std::string literal_;
};

class StripNormalizer final : public Normalizer {
 public:
  explicit StripNormalizer(const json::object& spec)
      : left_(find_bool(spec, "strip_left").value_or(false)), right_(find_bool(spec, "strip_right").value_or(false)) {}

  void apply(std::string& text) const override {
    size_t begin = text.size();
    size_t end = 0;
    for (size_t i = 0; i < text.size();) {
      const size_t at = i;
      if (is_white_space(next_code_point(text, i))) continue;
      begin = std::min(begin, at);
      end = i;
    }
    if (!left_) begin = 0;
    if (!right_) end = text.size();
    text = begin < end ? text.substr(begin, end - begin) : std::string{};
  }

 private:
  bool left_, right_;
};

class StripAccentsNormalizer final : public Normalizer {
 public:
  void apply(std::string& text) const override { text = drop_characters(text, is_mark); }
};

class BertNormalizer final : public Normalizer {
 public:
  explicit BertNormalizer(const json::object& spec)
      : clean_(find_bool(spec, "clean_text").value_or(true)),
        chinese_(find_bool(spec, "handle_chinese_chars").value_or(true)),
        lowercase_(find_bool(spec, "lowercase").value_or(true)),
        strip_accents_(find_bool(spec, "strip_accents").value_or(lowercase_)) {}

  void apply(std::string& text) const override {
    if (clean_) text = map_characters(text, clean);
    if (chinese_) text = map_characters(text, separate_chinese);
    if (strip_accents_) text = drop_characters(normalize(text, NormalForm::nfd), is_nonspacing_mark);
    if (lowercase_) text = to_lower(text);
  }

 private:
  static void clean(char32_t c, std::string& out) {
    const bool line_character = c == '\t' || c == '\n' || c == '\r';
    if (c == 0 || c == kReplacementCharacter || (!line_character && is_other(c))) return;
    append_utf8(out, is_white_space(c) ? U' ' : c);
  }
  static void separate_chinese(char32_t c, std::string& out) {
    const bool chinese = (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
                         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
                         (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
                         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
    if (chinese) out.push_back(' ');
    append_utf8(out, c);
    if (chinese) out.push_back(' ');
  }

  bool clean_, chinese_, lowercase_, strip_accents_;
};

class NmtNormalizer final : public Normalizer {
 public:
  void apply(std::string& text) const override { text = map_characters(text, clean); }

 private:
  static void clean(char32_t c, std::string& out) {
    const bool dropped =
        (c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F;
    if (dropped) return;
    const bool space = c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 ||
                       (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF ||
                       c == kReplacementCharacter;
    append_utf8(out, space ? U' ' : c);
  }
};

class ByteLevelNormalizer final : public Normalizer {
 public:
  void apply(std::string& text) const override {
    std::string out;
    append_byte_alphabet(text, out);
    text = std::move(out);
  }
};

class SequenceNormalizer final : public Normalizer {
 public:
  explicit SequenceNormalizer(const json::object& spec) {
    for (const json::value& part : component_list(spec, "normalizers"))
      parts_.push_back(make_normalizer(get_object(part, "normalizer")));
  }
  void apply(std::string& text) const override {
    for (const auto& part : parts_) part->apply(text);
  }

 private:
  std::vector<std::unique_ptr<Normalizer>> parts_;
};

template <typename Kind>
std::unique_ptr<Normalizer> plain(const json::object&) {
  return std::make_unique<Kind>();
}
template <typename Kind>
std::unique_ptr<Normalizer> configured(const json::object& spec) {
  return std::make_unique<Kind>(spec);
}
template <NormalForm Form>
std::unique_ptr<Normalizer> form(const json::object&) {
  return std::make_unique<FormNormalizer>(Form);
}

struct Entry {
  std::string_view type;
  std::unique_ptr<Normalizer> (*make)(const json::object&);
};
constexpr std::array<Entry, 13> kNormalizers = {{
    {"Sequence", configured<SequenceNormalizer>},
    {"NFC", form<NormalForm::nfc>},
    {"NFD", form<NormalForm::nfd>},
    {"NFKC", form<NormalForm::nfkc>},
    {"NFKD", form<NormalForm::nfkd>},
    {"Lowercase", plain<LowercaseNormalizer>},
    {"Prepend", configured<PrependNormalizer>},
    {"Replace", configured<ReplaceNormalizer>},
    {"Strip", configured<StripNormalizer>},
    {"StripAccents", plain<StripAccentsNormalizer>},
    {"BertNormalizer", configured<BertNormalizer>},
    {"Nmt", plain<NmtNormalizer>},
    {"ByteLevel", plain<ByteLevelNormalizer>},
}};

}  // namespace

std::unique_ptr<Normalizer> make_normalizer(const json::object& spec) {
  const std::string type = get_string(spec, "type");
  for (const Entry& entry : kNormalizers) {
    if (entry.type == type) return entry.make(spec);
  }
  throw Error(Code::unsupported, "tokenizer normalizer '" + type + "' is not supported");
}

}  // namespace lyceum::text
