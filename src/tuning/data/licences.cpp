#include "tuning/data/licences.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/files.h"

namespace lyceum::tuning {

namespace {

constexpr size_t kHead = 4000;
constexpr uint64_t kLicenceFileMax = 1 << 20;

struct Wording {
  std::string_view phrase;                    // lower case, single spaces
  std::string_view licence;
  std::string_view version, with_version;     // the licence where `version` follows soon
};

constexpr std::array<Wording, 14> kWordings = {{
    {"gnu affero general public", "AGPL", "version 3", "AGPL-3.0"},
    {"gnu lesser general public", "LGPL", "version 3", "LGPL-3.0"},
    {"gnu library general public", "LGPL", "version 2", "LGPL-2.0"},
    {"gnu general public", "GPL", "version 3", "GPL-3.0"},
    {"mozilla public license", "MPL", "2.0", "MPL-2.0"},
    {"apache license", "Apache", "2.0", "Apache-2.0"},
    {"eclipse public license", "EPL", "2.0", "EPL-2.0"},
    {"boost software license", "BSL-1.0", "", ""},
    {"permission is hereby granted, free of charge", "MIT", "", ""},
    {"permission to use, copy, modify, and or distribute", "ISC", "", ""},
    {"redistribution and use in source and binary forms", "BSD-2-Clause", "neither the name", "BSD-3-Clause"},
    {"this is free and unencumbered software", "Unlicense", "", ""},
    {"python software foundation license", "PSF-2.0", "", ""},
    {"creative commons", "CC", "zero", "CC0-1.0"},
}};

// Lower case; comment marks and runs of space become one space.
std::string plain_words(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool filler = c == ' ' || (c >= '\t' && c <= '\r') || c == '#' || c == '*' || c == '/' || c == ';' || c == '"';
    if (filler) {
      if (!out.empty() && out.back() != ' ') out += ' ';
    } else {
      out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
  }
  return out;
}

std::string spdx_line(std::string_view text) {
  constexpr std::string_view kMark = "SPDX-License-Identifier:";
  const size_t at = text.find(kMark);
  if (at == std::string_view::npos) return {};
  std::string_view rest = text.substr(at + kMark.size(), 120);
  rest = rest.substr(0, rest.find('\n'));
  std::string out;
  for (const char c : rest) {
    const bool part = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '+' || c == '(' || c == ')' || c == ' ';
    if (!part) break;
    out += c;
  }
  while (!out.empty() && (out.back() == ' ' || out.back() == '-')) out.pop_back();
  while (!out.empty() && out.front() == ' ') out.erase(0, 1);
  return out;
}

}  // namespace

std::string find_licence(std::string_view text) {
  text = text.substr(0, kHead);
  if (const std::string spdx = spdx_line(text); !spdx.empty()) return spdx;
  const std::string words = plain_words(text);
  const Wording* first = nullptr;
  size_t first_at = std::string::npos;
  for (const Wording& wording : kWordings) {
    const size_t at = words.find(wording.phrase);
    if (at < first_at) first = &wording, first_at = at;
  }
  if (first == nullptr) return {};
  if (first->version.empty()) return std::string(first->licence);
  const size_t version = words.find(first->version, first_at);
  if (version != std::string::npos) return std::string(first->with_version);
  if (first->licence == "GPL" && words.find("version 2", first_at) != std::string::npos) return "GPL-2.0";
  if (first->licence == "LGPL" && words.find("version 2.1", first_at) != std::string::npos) return "LGPL-2.1";
  return std::string(first->licence);
}

std::string find_folder_licence(const std::filesystem::path& folder) {
  std::set<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    std::string name = entry.path().filename().string();
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    const bool wanted = name.starts_with("LICENSE") || name.starts_with("LICENCE") || name.starts_with("COPYING") || name.starts_with("UNLICENSE");
    if (wanted && entry.is_regular_file(error) && !entry.is_symlink(error) && entry.file_size(error) <= kLicenceFileMax) names.insert(entry.path().filename().string());
  }
  for (const std::string& name : names) {
    const std::string licence = find_licence(read_file(folder / name));
    if (!licence.empty()) return licence;
  }
  return names.empty() ? "" : "other";
}

}  // namespace lyceum::tuning
