#include "engine/languages.h"

#include <algorithm>
#include <array>

namespace lyceum::engine {
namespace {

constexpr std::array kLanguages = {
    Language{"af", "afrikaans"}, Language{"am", "amharic"}, Language{"ar", "arabic"}, Language{"as", "assamese"},
    Language{"az", "azerbaijani"}, Language{"ba", "bashkir"}, Language{"be", "belarusian"}, Language{"bg", "bulgarian"},
    Language{"bn", "bengali"}, Language{"bo", "tibetan"}, Language{"br", "breton"}, Language{"bs", "bosnian"},
    Language{"ca", "catalan"}, Language{"cs", "czech"}, Language{"cy", "welsh"}, Language{"da", "danish"},
    Language{"de", "german"}, Language{"el", "greek"}, Language{"en", "english"}, Language{"es", "spanish"},
    Language{"et", "estonian"}, Language{"eu", "basque"}, Language{"fa", "persian"}, Language{"fi", "finnish"},
    Language{"fo", "faroese"}, Language{"fr", "french"}, Language{"gl", "galician"}, Language{"gu", "gujarati"},
    Language{"ha", "hausa"}, Language{"haw", "hawaiian"}, Language{"he", "hebrew"}, Language{"hi", "hindi"},
    Language{"hr", "croatian"}, Language{"ht", "haitian creole"}, Language{"hu", "hungarian"}, Language{"hy", "armenian"},
    Language{"id", "indonesian"}, Language{"is", "icelandic"}, Language{"it", "italian"}, Language{"ja", "japanese"},
    Language{"jw", "javanese"}, Language{"ka", "georgian"}, Language{"kk", "kazakh"}, Language{"km", "khmer"},
    Language{"kn", "kannada"}, Language{"ko", "korean"}, Language{"la", "latin"}, Language{"lb", "luxembourgish"},
    Language{"ln", "lingala"}, Language{"lo", "lao"}, Language{"lt", "lithuanian"}, Language{"lv", "latvian"},
    Language{"mg", "malagasy"}, Language{"mi", "maori"}, Language{"mk", "macedonian"}, Language{"ml", "malayalam"},
    Language{"mn", "mongolian"}, Language{"mr", "marathi"}, Language{"ms", "malay"}, Language{"mt", "maltese"},
    Language{"my", "myanmar"}, Language{"ne", "nepali"}, Language{"nl", "dutch"}, Language{"nn", "nynorsk"},
    Language{"no", "norwegian"}, Language{"oc", "occitan"}, Language{"pa", "punjabi"}, Language{"pl", "polish"},
    Language{"ps", "pashto"}, Language{"pt", "portuguese"}, Language{"ro", "romanian"}, Language{"ru", "russian"},
    Language{"sa", "sanskrit"}, Language{"sd", "sindhi"}, Language{"si", "sinhala"}, Language{"sk", "slovak"},
    Language{"sl", "slovenian"}, Language{"sn", "shona"}, Language{"so", "somali"}, Language{"sq", "albanian"},
    Language{"sr", "serbian"}, Language{"su", "sundanese"}, Language{"sv", "swedish"}, Language{"sw", "swahili"},
    Language{"ta", "tamil"}, Language{"te", "telugu"}, Language{"tg", "tajik"}, Language{"th", "thai"},
    Language{"tk", "turkmen"}, Language{"tl", "tagalog"}, Language{"tr", "turkish"}, Language{"tt", "tatar"},
    Language{"uk", "ukrainian"}, Language{"ur", "urdu"}, Language{"uz", "uzbek"}, Language{"vi", "vietnamese"},
    Language{"yi", "yiddish"}, Language{"yo", "yoruba"}, Language{"yue", "cantonese"}, Language{"zh", "chinese"},
};

bool same(std::string_view a, std::string_view b) noexcept {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

}  // namespace

std::span<const Language> languages() noexcept { return kLanguages; }

const Language* find_language(std::string_view code_or_name) noexcept {
  const auto found = std::ranges::find_if(kLanguages, [&](const Language& one) { return same(one.code, code_or_name) || same(one.name, code_or_name); });
  return found == kLanguages.end() ? nullptr : &*found;
}

}  // namespace lyceum::engine
