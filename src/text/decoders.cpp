#include <algorithm>
#include <utility>

#include "base/error.h"
#include "text/components.h"
#include "text/unicode.h"

namespace lyceum::text {
namespace {

void replace_in(std::string& text, std::string_view from, std::string_view to) {
  if (!from.empty() && text.find(from) != std::string::npos) text = replace_literal(text, from, to);
}

// A token outside the byte alphabet (an added token such as "<｜User｜>") stands for its own bytes.
class ByteLevelDecoder final : public Decoder {
 public:
  void apply(std::vector<std::string>& tokens) const override {
    std::string bytes;
    for (const std::string& token : tokens) append_token(token, bytes);
    tokens.assign(1, replace_invalid_utf8(bytes));
  }
  StreamRule rule() const override { return StreamRule::bytes; }

 private:
  static void append_token(const std::string& token, std::string& bytes) {
    const size_t start = bytes.size();
    for (size_t i = 0; i < token.size();) {
      const int byte = byte_of_alphabet(next_code_point(token, i));
      if (byte < 0) {
        bytes.resize(start);
        bytes += token;
        return;
      }
      bytes.push_back(static_cast<char>(byte));
    }
  }
};

class MetaspaceDecoder final : public Decoder {
 public:
  explicit MetaspaceDecoder(const json::object& spec) {
    append_utf8(replacement_, single_character(spec, "replacement"));
    drop_first_ = find_string(spec, "prepend_scheme").value_or("always") != "never" &&
                  find_bool(spec, "add_prefix_space").value_or(true);
  }
  void apply(std::vector<std::string>& tokens) const override {
    for (size_t i = 0; i < tokens.size(); ++i) replace_in(tokens[i], replacement_, i == 0 && drop_first_ ? "" : " ");
  }

 private:
  std::string replacement_;
  bool drop_first_;
};

class ByteFallbackDecoder final : public Decoder {
 public:
  void apply(std::vector<std::string>& tokens) const override {
    std::vector<std::string> out;
    std::string run;
    for (std::string& token : tokens) {
      if (const int byte = byte_of(token); byte >= 0) {
        run.push_back(static_cast<char>(byte));
        continue;
      }
      flush(run, out);
      out.push_back(std::move(token));
    }
    flush(run, out);
    tokens = std::move(out);
  }

  static int byte_of(std::string_view token) {
    if (token.size() != 6 || !token.starts_with("<0x") || !token.ends_with('>')) return -1;
    int value = 0;
    for (const char c : token.substr(3, 2)) {
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) return -1;
      value = value * 16 + digit;
    }
    return value;
  }

 private:
  // A run of byte tokens is text as a whole, or one U+FFFD for each of its bytes.
  static void flush(std::string& run, std::vector<std::string>& out) {
    if (run.empty()) return;
    if (is_valid_utf8(run))
      out.push_back(run);
    else
      out.insert(out.end(), run.size(), "\xEF\xBF\xBD");
    run.clear();
  }
};

class FuseDecoder final : public Decoder {
 public:
  void apply(std::vector<std::string>& tokens) const override {
    std::string fused;
    for (const std::string& token : tokens) fused += token;
    tokens.assign(1, std::move(fused));
  }
};

class StripDecoder final : public Decoder {
 public:
  explicit StripDecoder(const json::object& spec) {
    append_utf8(content_, single_character(spec, "content"));
    start_ = std::clamp<int64_t>(get_int(spec, "start"), 0, 1 << 20);
    stop_ = std::clamp<int64_t>(get_int(spec, "stop"), 0, 1 << 20);
  }
  void apply(std::vector<std::string>& tokens) const override {
    for (std::string& token : tokens) strip(token);
  }
  StreamRule rule() const override { return stop_ > 0 || start_ > 1 ? StreamRule::whole : StreamRule::pieces; }

 private:
  void strip(std::string& token) const {
    size_t begin = 0;
    for (int64_t i = 0; i < start_ && std::string_view(token).substr(begin).starts_with(content_); ++i)
      begin += content_.size();
    size_t end = token.size();
    for (int64_t i = 0; i < stop_ && end > begin && std::string_view(token).substr(0, end).ends_with(content_); ++i)
      end -= content_.size();
    token = token.substr(begin, end - begin);
  }
  std::string content_;
  int64_t start_, stop_;
};

class ReplaceDecoder final : public Decoder {
 public:
  explicit ReplaceDecoder(const json::object& spec)
      : regex_(pattern_regex(spec)), content_(get_string(spec, "content")) {
    if (const json::object* pattern = find_object(spec, "pattern"))
      literal_ = find_string(*pattern, "String").value_or("");
  }
  void apply(std::vector<std::string>& tokens) const override {
    for (std::string& token : tokens) {
      if (literal_.empty())
        token = regex_.replace_all(token, content_);
      else
        replace_in(token, literal_, content_);
    }
  }

 private:
  Regex regex_;
  std::string content_;
  std::string literal_;
};

class WordPieceDecoder final : public Decoder {
 public:
  explicit WordPieceDecoder(const json::object& spec)
      : prefix_(find_string(spec, "prefix").value_or("##")), cleanup_(find_bool(spec, "cleanup").value_or(true)) {}
  void apply(std::vector<std::string>& tokens) const override {
    for (size_t i = 0; i < tokens.size(); ++i) {
      if (i != 0) tokens[i] = tokens[i].starts_with(prefix_) ? tokens[i].substr(prefix_.size()) : " " + tokens[i];
      if (cleanup_) clean(tokens[i]);
    }
  }

 private:
  static void clean(std::string& token) {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kRules = {{{" .", "."},
                                                                                              {" ?", "?"},
                                                                                              {" !", "!"},
                                                                                              {" ,", ","},
                                                                                              {" ' ", "'"},
                                                                                              {" n't", "n't"},
                                                                                              {" 'm", "'m"},
                                                                                              {" do not", " don't"},
                                                                                              {" 's", "'s"},
                                                                                              {" 've", "'ve"},
                                                                                              {" 're", "'re"}}};
    for (const auto& [from, to] : kRules) replace_in(token, from, to);
  }
  std::string prefix_;
  bool cleanup_;
};

class BpeSuffixDecoder final : public Decoder {
 public:
  explicit BpeSuffixDecoder(const json::object& spec) : suffix_(find_string(spec, "suffix").value_or("</w>")) {}
  void apply(std::vector<std::string>& tokens) const override {
    for (size_t i = 0; i < tokens.size(); ++i) replace_in(tokens[i], suffix_, i + 1 == tokens.size() ? "" : " ");
  }
  StreamRule rule() const override { return StreamRule::whole; }

 private:
  std::string suffix_;
};

// A byte-level part reads everything before it as bytes, so it decides alone only when it is the only part.
class SequenceDecoder final : public Decoder {
 public:
  explicit SequenceDecoder(const json::object& spec) {
    for (const json::value& part : component_list(spec, "decoders"))
      parts_.push_back(make_decoder(get_object(part, "decoder")));
  }
  void apply(std::vector<std::string>& tokens) const override {
    for (const auto& part : parts_) part->apply(tokens);
  }
  StreamRule rule() const override {
    if (parts_.size() == 1) return parts_.front()->rule();
    const bool local = std::ranges::all_of(parts_, [](const auto& part) { return part->rule() == StreamRule::pieces; });
    return local ? StreamRule::pieces : StreamRule::whole;
  }

 private:
  std::vector<std::unique_ptr<Decoder>> parts_;
};

template <typename Kind>
std::unique_ptr<Decoder> plain(const json::object&) {
  return std::make_unique<Kind>();
}
template <typename Kind>
std::unique_ptr<Decoder> configured(const json::object& spec) {
  return std::make_unique<Kind>(spec);
}

struct Entry {
  std::string_view type;
  std::unique_ptr<Decoder> (*make)(const json::object&);
};
constexpr std::array<Entry, 9> kDecoders = {{
    {"Sequence", configured<SequenceDecoder>},
    {"ByteLevel", plain<ByteLevelDecoder>},
    {"Metaspace", configured<MetaspaceDecoder>},
    {"ByteFallback", plain<ByteFallbackDecoder>},
    {"Fuse", plain<FuseDecoder>},
    {"Strip", configured<StripDecoder>},
    {"Replace", configured<ReplaceDecoder>},
    {"WordPiece", configured<WordPieceDecoder>},
    {"BPEDecoder", configured<BpeSuffixDecoder>},
}};

}  // namespace

std::unique_ptr<Decoder> make_decoder(const json::object& spec) {
  const std::string type = get_string(spec, "type");
  for (const Entry& entry : kDecoders) {
    if (entry.type == type) return entry.make(spec);
  }
  throw Error(Code::unsupported, "tokenizer decoder '" + type + "' is not supported");
}

}  // namespace lyceum::text
