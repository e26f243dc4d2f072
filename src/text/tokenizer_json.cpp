// The pipeline of a tokenizer.json: added tokens → normalizer → added tokens again → pre-tokenizer → model →
// post-processor.
#include <array>

#include "base/error.h"
#include "base/json.h"
#include "text/added_tokens.h"
#include "text/components.h"
#include "text/model.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

namespace lyceum::text {
namespace {

constexpr size_t kInputBytesMax = 1u << 30;

template <typename Part>
std::unique_ptr<Part> optional_part(const json::object& file, std::string_view key,
                                    std::unique_ptr<Part> (*make)(const json::object&)) {
  const json::object* spec = find_object(file, key);
  return spec == nullptr ? nullptr : make(*spec);
}

class JsonTokenizer final : public Tokenizer {
 public:
  explicit JsonTokenizer(const json::object& file)
      : normalizer_(optional_part(file, "normalizer", make_normalizer)),
        pre_tokenizer_(optional_part(file, "pre_tokenizer", make_pre_tokenizer)),
        model_(make_model(required_model(file))),
        post_processor_(optional_part(file, "post_processor", make_post_processor)),
        decoder_(optional_part(file, "decoder", make_decoder)),
        added_(find_array(file, "added_tokens"), model_->vocabulary(), normalizer_.get()) {}

  std::vector<int32_t> encode(std::string_view utf8, const EncodeOptions& options) const override {
    if (utf8.size() > kInputBytesMax) throw Error(Code::too_large, "text to tokenize is over 1 GiB");
    const std::string repaired = is_valid_utf8(utf8) ? std::string{} : replace_invalid_utf8(utf8);
    const std::string_view text = repaired.empty() ? utf8 : repaired;
    std::vector<int32_t> ids;
    std::vector<AddedTokens::Part> parts;
    added_.split(text, false, options.parse_special, parts);
    for (const auto& part : parts) {
      if (part.token != nullptr) {
        ids.push_back(part.token->id);
      } else {
        encode_plain(text.substr(part.begin, part.end - part.begin), part.begin == 0, options.parse_special, ids);
      }
    }
    if (options.add_special_tokens && post_processor_) post_processor_->apply(ids);
    return ids;
  }

  std::string decode(std::span<const int32_t> ids, bool skip_special) const override {
    std::vector<std::string> tokens;
    tokens.reserve(ids.size());
    for (const int32_t id : ids) {
      if (const AddedToken* added = added_.find(id)) {
        if (!(skip_special && added->special)) tokens.emplace_back(added_.decoded_text(*added));
      } else if (model_->vocabulary().has(id)) {
        tokens.emplace_back(model_->vocabulary().token(id));
      }
    }
    if (tokens.empty()) return {};
    return join(std::move(tokens));
  }

  size_t vocab_size() const override {
    return std::max(model_->vocabulary().id_end(), static_cast<size_t>(added_.id_end()));
  }

  std::optional<int32_t> find_id(std::string_view token) const override {
    if (const AddedToken* added = added_.find(token)) return added->id;
    return model_->vocabulary().find(token);
  }

  std::string_view token(int32_t id) const override {
    if (const AddedToken* added = added_.find(id)) return added->content;
    return model_->vocabulary().token(id);
  }

  bool is_special(int32_t id) const override { return added_.is_special(id); }

  // Without a decoder tokens are joined by spaces, which come before each token but the first: a matter of what is
  // before.
  StreamRule stream_rule() const override { return decoder_ ? decoder_->rule() : StreamRule::pieces; }

 private:
  static const json::object& required_model(const json::object& file) {
    const json::object* model = find_object(file, "model");
    if (model == nullptr) throw Error(Code::invalid_argument, "tokenizer.json has no 'model'");
    return *model;
  }

  void encode_plain(std::string_view raw, bool at_input_start, bool parse_control, std::vector<int32_t>& ids) const {
    std::string text(raw);
    bool starts_here = at_input_start;
    if (normalizer_) normalizer_->apply(text);
    std::vector<AddedTokens::Part> parts;
    added_.split(text, true, parse_control, parts);
    for (const auto& part : parts) {
      if (part.token != nullptr) {
        ids.push_back(part.token->id);
        continue;
      }
      const bool whole = part.begin == 0 && part.end == text.size();
      Pieces pieces(whole ? std::move(text) : text.substr(part.begin, part.end - part.begin),
                    starts_here && part.begin == 0);
      if (pre_tokenizer_) pre_tokenizer_->apply(pieces);
      for (const Piece& piece : pieces.pieces()) model_->encode(pieces.view(piece), ids);
      if (whole) return;
    }
  }

  std::string join(std::vector<std::string> tokens) const {
    std::string out;
    if (decoder_) decoder_->apply(tokens);
    for (size_t i = 0; i < tokens.size(); ++i) {
      if (!decoder_ && i > 0) out.push_back(' ');
      out += tokens[i];
    }
    return out;
  }

  std::unique_ptr<Normalizer> normalizer_;
  std::unique_ptr<PreTokenizer> pre_tokenizer_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<PostProcessor> post_processor_;
  std::unique_ptr<Decoder> decoder_;
  AddedTokens added_;
};

}  // namespace

std::unique_ptr<Tokenizer> load_tokenizer_json(std::string_view json_text) {
  const json::value file = parse_json(json_text, "tokenizer.json");
  return std::make_unique<JsonTokenizer>(get_object(file, "tokenizer.json"));
}

}  // namespace lyceum::text
