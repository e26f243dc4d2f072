// prepare.h: from a recipe and a place on disk to a source of samples, with everything a person wants to know before the first
// step: what was kept, what was dropped and why, how much is labelled, and what a sample looks like with its labels marked.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "text/tokenizer.h"
#include "tuning/data/code_files.h"
#include "tuning/data/preference_pairs.h"
#include "tuning/data/sample.h"
#include "tuning/recipe.h"

namespace lyceum::tuning {

// A model's text side, read from its folder.
struct TextSide {
  std::shared_ptr<const text::Tokenizer> tokenizer;
  std::string chat_template;      // empty if the model has none
  std::string bos_token, eos_token;
  json::object special_tokens;    // every *_token of tokenizer_config.json
};
TextSide load_text_side(const std::filesystem::path& model_folder);

struct RawData {
  std::string format;             // "code", "text", "chat", "preference"
  std::vector<std::string> documents;     // code and text
  std::vector<json::array> chats;
  std::vector<json::array> chats_held_out;
  std::vector<PreferencePair> pairs, pairs_held_out;
  CodeFiles files;                // code: paths, drops, held-out files; chats: only what was found in them
  uint64_t chats_left_out = 0;    // or pairs, because they hold a secret
  std::string manifest_sha256;
  uint64_t bytes = 0;
};

// Reads and filters; needs no tokenizer yet (a pre-training run trains its tokenizer on these documents).
RawData load_raw_data(const Recipe& recipe, const std::filesystem::path& path);
// What is held out of data, as data of its own. Throws Error(unprocessable) when that is nothing.
RawData held_out_part(const RawData& data);
// The filter that a recipe asks for; `lyceum compare` finds the held-out files again with it.
CodeFilter code_filter(const Recipe& recipe);

// fallback_end_token: the model's eos id.
std::shared_ptr<const SampleSource> make_source(const Recipe& recipe, const RawData& data, const TextSide& text, int32_t fallback_end_token, json::object& counts);

// Everything of the report that is known before a step was timed: see data_report.json in README.md.
json::object data_report(const Recipe& recipe, const RawData& data, const SampleSource& source, const text::Tokenizer& tokenizer);

// A sample as text: [{"text": "…", "learned": true}, …].
json::array marked_sample(const Sample& sample, const text::Tokenizer& tokenizer);

}  // namespace lyceum::tuning
