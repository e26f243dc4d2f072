#include "hub/search/tag_kinds.h"

#include <algorithm>

namespace lyceum::hub::search {
namespace {

// Sorted, for binary search. Tasks: the pipeline tags of the protocol.
constexpr std::string_view kTasks[] = {
    "any-to-any", "audio-classification", "audio-text-to-text", "audio-to-audio", "automatic-speech-recognition", "depth-estimation", "document-question-answering",
    "feature-extraction", "fill-mask", "graph-ml", "image-classification", "image-feature-extraction", "image-segmentation", "image-text-to-image", "image-text-to-text",
    "image-text-to-video", "image-to-3d", "image-to-image", "image-to-text", "image-to-video", "keypoint-detection", "mask-generation", "multiple-choice",
    "object-detection", "question-answering", "reinforcement-learning", "robotics", "sentence-similarity", "summarization", "table-question-answering", "table-to-text",
    "tabular-classification", "tabular-regression", "tabular-to-text", "text-classification", "text-generation", "text-ranking", "text-retrieval", "text-to-3d",
    "text-to-audio", "text-to-image", "text-to-speech", "text-to-video", "time-series-forecasting", "token-classification", "translation",
    "unconditional-image-generation", "video-classification", "video-text-to-text", "video-to-video", "visual-document-retrieval", "visual-question-answering",
    "voice-activity-detection", "zero-shot-classification", "zero-shot-image-classification", "zero-shot-object-detection"};

constexpr std::string_view kLibraries[] = {"BERTopic", "PaddleOCR", "adapter-transformers", "allennlp", "asteroid", "bertopic", "diffusers", "espnet", "fairseq", "fastai", "fasttext", "flair", "keras", "keras-hub", "llama.cpp", "ml-agents", "mlx", "nemo", "open_clip", "paddlenlp", "peft", "pyannote-audio", "sample-factory", "sentence-transformers", "setfit", "sklearn", "spacy", "span-marker", "speechbrain", "stable-baselines3", "stanza", "timm", "transformers", "transformers.js", "unity-sentis", "univa"};

constexpr std::string_view kFormats[] = {"coreml", "gguf", "jax", "onnx", "openvino", "pytorch", "safetensors", "tensorboard", "tf", "tflite"};

// ISO 639-1, and the word that stands for several.
constexpr std::string_view kLanguages[] = {
    "aa", "ab", "ae", "af", "ak", "am", "an", "ar", "as", "av", "ay", "az", "ba", "be", "bg", "bh", "bi", "bm", "bn", "bo", "br", "bs", "ca", "ce", "ch", "co", "cr", "cs", "cu", "cv", "cy",
    "da", "de", "dv", "dz", "ee", "el", "en", "eo", "es", "et", "eu", "fa", "ff", "fi", "fj", "fo", "fr", "fy", "ga", "gd", "gl", "gn", "gu", "gv", "ha", "he", "hi", "ho", "hr", "ht", "hu",
    "hy", "hz", "ia", "id", "ie", "ig", "ii", "ik", "io", "is", "it", "iu", "ja", "jv", "ka", "kg", "ki", "kj", "kk", "kl", "km", "kn", "ko", "kr", "ks", "ku", "kv", "kw", "ky", "la", "lb",
    "lg", "li", "ln", "lo", "lt", "lu", "lv", "mg", "mh", "mi", "mk", "ml", "mn", "mr", "ms", "mt", "multilingual", "my", "na", "nb", "nd", "ne", "ng", "nl", "nn", "no", "nr", "nv", "ny",
    "oc", "oj", "om", "or", "os", "pa", "pi", "pl", "ps", "pt", "qu", "rm", "rn", "ro", "ru", "rw", "sa", "sc", "sd", "se", "sg", "si", "sk", "sl", "sm", "sn", "so", "sq", "sr", "ss", "st",
    "su", "sv", "sw", "ta", "te", "tg", "th", "ti", "tk", "tl", "tn", "to", "tr", "ts", "tt", "tw", "ty", "ug", "uk", "ur", "uz", "ve", "vi", "vo", "wa", "wo", "xh", "yi", "yo", "za", "zh",
    "zu"};

constexpr std::pair<std::string_view, TagKind> kPrefixes[] = {
    {"license:", TagKind::license},   {"language:", TagKind::language}, {"format:", TagKind::format},   {"size_categories:", TagKind::size_categories}, {"dataset:", TagKind::dataset},
    {"task_categories:", TagKind::task}, {"task_ids:", TagKind::task_ids}, {"region:", TagKind::region}, {"library:", TagKind::library}};

template <size_t N>
bool has(const std::string_view (&table)[N], std::string_view text) {
  return std::binary_search(std::begin(table), std::end(table), text);
}

// "base_model:owner/name" is the base; "base_model:finetune:owner/name" says the same with the relation.
TagMeaning base_model(std::string_view rest) {
  if (rest.find(':') != std::string_view::npos) return {TagKind::other, rest};
  return {TagKind::base_model, rest};
}

}  // namespace

TagMeaning meaning_of(RepoType type, std::string_view tag) {
  if (tag.starts_with("base_model:")) return base_model(tag.substr(11));
  for (const auto& [prefix, kind] : kPrefixes) {
    if (tag.starts_with(prefix)) return {kind, tag.substr(prefix.size())};
  }
  if (type == RepoType::model) {
    if (has(kTasks, tag)) return {TagKind::task, tag};
    if (has(kLibraries, tag)) return {TagKind::library, tag};
    if (has(kLanguages, tag)) return {TagKind::language, tag};
  }
  if (has(kFormats, tag)) return {TagKind::format, tag};
  return {TagKind::other, tag};
}

std::string_view kind_name(TagKind kind) {
  switch (kind) {
    case TagKind::task: return "task";
    case TagKind::library: return "library";
    case TagKind::license: return "license";
    case TagKind::language: return "language";
    case TagKind::format: return "format";
    case TagKind::base_model: return "base_model";
    case TagKind::size_categories: return "size_categories";
    case TagKind::dataset: return "dataset";
    case TagKind::task_ids: return "task_ids";
    case TagKind::region: return "region";
    case TagKind::other: break;
  }
  return "other";
}

size_t size_class(uint64_t parameters) {
  size_t index = 0;
  while (parameters >= kSizeClasses[index].below && index + 1 < kSizeClassCount) ++index;
  return index;
}

}  // namespace lyceum::hub::search
