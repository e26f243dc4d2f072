// languages.h: the languages that speech models name, as ISO 639 codes (two letters where there are two; Whisper says "jw" for Javanese) and in English.
#pragma once

#include <span>
#include <string_view>

namespace lyceum::engine {

struct Language {
  std::string_view code, name;
};
std::span<const Language> languages() noexcept;
// By code or name, whatever the case; null if there is none.
const Language* find_language(std::string_view code_or_name) noexcept;

}  // namespace lyceum::engine
