#include "hub/card_check.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <set>

#include "hub/card.h"

namespace lyceum::hub {
namespace {

constexpr size_t kShownMax = 80;

// The identifiers of the public hub's licence list.
const std::set<std::string_view> kLicenses = {
    "apache-2.0", "mit", "openrail", "bigscience-openrail-m", "creativeml-openrail-m", "bigscience-bloom-rail-1.0", "bigcode-openrail-m", "afl-3.0", "artistic-2.0", "bsl-1.0",
    "bsd", "bsd-2-clause", "bsd-3-clause", "bsd-3-clause-clear", "c-uda", "cc", "cc0-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0",
    "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0",
    "cdla-sharing-1.0", "cdla-permissive-1.0", "cdla-permissive-2.0", "wtfpl", "ecl-2.0", "epl-1.0", "epl-2.0", "etalab-2.0", "eupl-1.1", "eupl-1.2", "agpl-3.0", "gfdl", "gpl",
    "gpl-2.0", "gpl-3.0", "lgpl", "lgpl-2.1", "lgpl-3.0", "isc", "h-research", "intel-research", "lppl-1.3c", "ms-pl", "apple-ascl", "apple-amlr", "mpl-2.0", "odc-by", "odbl",
    "openmdw-1.0", "openrail++", "osl-3.0", "postgresql", "ofl-1.1", "ncsa", "unlicense", "zlib", "pddl", "lgpl-lr", "deepfloyd-if-license", "fair-noncommercial-research-license",
    "llama2", "llama3", "llama3.1", "llama3.2", "llama3.3", "llama4", "grok2-community", "gemma", "unknown", "other", "array"};

const std::set<std::string_view> kTasks = {
    "text-classification", "token-classification", "table-question-answering", "question-answering", "zero-shot-classification", "translation", "summarization",
    "feature-extraction", "text-generation", "fill-mask", "sentence-similarity", "text-to-speech", "text-to-audio", "automatic-speech-recognition", "audio-to-audio",
    "audio-classification", "audio-text-to-text", "voice-activity-detection", "depth-estimation", "image-classification", "object-detection", "image-segmentation", "text-to-image",
    "image-to-text", "image-to-image", "image-to-video", "unconditional-image-generation", "video-classification", "reinforcement-learning", "robotics", "tabular-classification",
    "tabular-regression", "tabular-to-text", "table-to-text", "multiple-choice", "text-ranking", "text-retrieval", "time-series-forecasting", "text-to-video", "image-text-to-text",
    "image-text-to-image", "image-text-to-video", "visual-question-answering", "document-question-answering", "zero-shot-image-classification", "graph-ml", "mask-generation",
    "zero-shot-object-detection", "text-to-3d", "image-to-3d", "image-feature-extraction", "video-text-to-text", "video-to-video", "keypoint-detection", "visual-document-retrieval",
    "any-to-any", "text2text-generation", "conversational", "other"};

const std::set<std::string_view> kSdks = {"static", "gradio", "streamlit", "docker"};

std::string in_quotes(std::string_view text) {
  return "\"" + std::string(text.substr(0, kShownMax)) + (text.size() > kShownMax ? "…" : "") + "\"";
}

// The known word that one typing slip away is what was meant; empty if none is near.
std::string nearest(const std::set<std::string_view>& known, std::string_view text) {
  std::string plain;
  const auto normal = [](std::string_view from) {
    std::string out;
    for (const char c : from) {
      if (c != '-' && c != '_' && c != ' ') out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    return out;
  };
  plain = normal(text);
  for (const std::string_view word : known) {
    if (normal(word) == plain) return std::string(word);
  }
  return "";
}

class Checker {
 public:
  Checker(RepoType type, const json::object& card, CardFindings& out) : type_(type), card_(card), out_(out) {}

  void run() {
    check_word("license", kLicenses, "a licence identifier", "use \"other\" with license_name and license_link for one that is not listed");
    if (!card_.contains("license") && type_ != RepoType::space) warn("the card names no license, so nobody knows what they may do with this repository");
    if (type_ == RepoType::model) check_word("pipeline_tag", kTasks, "a task", "");
    if (type_ == RepoType::space) check_space();
    check_languages();
    for (const char* key : {"tags", "datasets", "base_model", "library_name", "metrics"}) check_strings(key);
    check_names("datasets", false), check_names("base_model", true);
    check_word("base_model_relation", {"adapter", "finetune", "merge", "quantized"}, "a relation", "it is adapter, finetune, merge or quantized");
  }

 private:
  void warn(const std::string& text) {
    if (out_.warnings.size() < 20) out_.warnings.push_back(text);
  }

  // Strings of a member that may be one or a list.
  std::vector<std::string> words(std::string_view key) const {
    std::vector<std::string> out;
    const json::value* value = card_.if_contains(key);
    if (value == nullptr) return out;
    if (value->is_string()) out.emplace_back(value->as_string());
    if (value->is_array()) {
      for (const json::value& one : value->as_array()) {
        if (one.is_string()) out.emplace_back(one.as_string());
      }
    }
    return out;
  }

  void check_word(std::string_view key, const std::set<std::string_view>& known, std::string_view what, std::string_view remedy) {
    for (const std::string& word : words(key)) {
      if (known.contains(word)) continue;
      const std::string near = nearest(known, word);
      std::string text = std::string(key) + ": " + in_quotes(word) + " is not " + std::string(what) + " that search knows";
      if (!near.empty()) text += "; did you mean \"" + near + "\"?";
      else if (!remedy.empty()) text += "; " + std::string(remedy);
      warn(text);
    }
  }

  void check_strings(std::string_view key) {
    const json::value* value = card_.if_contains(key);
    if (value == nullptr || value->is_string() || value->is_null()) return;
    const bool list = value->is_array() && std::all_of(value->as_array().begin(), value->as_array().end(), [](const json::value& one) { return one.is_string(); });
    if (!list) warn(std::string(key) + ": must be a text or a list of texts; quote numbers and dates");
  }

  // "org/name"; `paths` also allows what people write for a local folder, which the model tree cannot follow.
  void check_names(std::string_view key, bool paths) {
    for (const std::string& name : words(key)) {
      const size_t slashes = static_cast<size_t>(std::count(name.begin(), name.end(), '/'));
      const bool odd = name.empty() || slashes > 1 || name.find_first_of(" \\:?#") != std::string::npos || name.front() == '/' || name.front() == '.';
      if (odd) warn(std::string(key) + ": " + in_quotes(name) + " is not the name of a repository (owner/name)" + (paths ? "; a local path means nothing to others" : ""));
    }
  }

  void check_languages() {
    for (const std::string& code : words("language")) {
      const std::string_view base = std::string_view(code).substr(0, code.find('-'));
      const bool plausible = code == "multilingual" || code == "code" || ((base.size() == 2 || base.size() == 3) && std::all_of(base.begin(), base.end(), [](char c) { return c >= 'a' && c <= 'z'; }));
      if (!plausible) warn("language: " + in_quotes(code) + " is not an ISO 639 code such as \"en\" or \"deu\"");
    }
    if (const json::value* value = card_.if_contains("language"); value != nullptr && value->is_bool()) warn("language: write \"no\" in quotes for Norwegian; YAML reads it as false");
  }

  void check_space() {
    const auto sdk = words("sdk");
    if (sdk.empty()) warn("sdk is missing: this Space will not start; use \"static\" for pages or a space.yaml");
    check_word("sdk", kSdks, "an sdk", "it is static, gradio, streamlit or docker");
  }

  RepoType type_;
  const json::object& card_;
  CardFindings& out_;
};

// The YAML between the leading "---" lines; nullopt without them, or when the second is missing (`open`).
std::optional<std::string> find_yaml(std::string_view text, bool& open) {
  open = false;
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  if (!text.starts_with("---\n") && !text.starts_with("---\r\n")) return std::nullopt;
  const size_t begin = text.find('\n') + 1, end = text.find("\n---", begin - 1);
  open = end == std::string_view::npos;
  if (open) return std::nullopt;
  return std::string(text.substr(begin, end + 1 - std::min(begin, end + 1)));
}

}  // namespace

CardFindings check_card(RepoType type, std::string_view readme) {
  CardFindings out;
  bool open = false;
  const auto yaml = find_yaml(readme, open);
  if (open) out.warnings.emplace_back("the front matter begins with --- but has no closing ---, so none of it is read");
  else if (!yaml) out.warnings.emplace_back("empty or missing yaml metadata in repo card");
  if (!yaml) return out;
  try {
    const YAML::Node node = YAML::Load(*yaml);
    if (node && !node.IsNull() && !node.IsMap()) out.errors.emplace_back("the card's front matter must be a YAML mapping (lines of \"key: value\")");
  } catch (const YAML::Exception& error) {
    out.errors.push_back(std::string("the card's front matter is not valid YAML: ") + error.what());
  }
  if (out.errors.empty()) Checker(type, parse_card(readme), out).run();
  return out;
}

}  // namespace lyceum::hub
