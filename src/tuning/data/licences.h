// licences.h: what licence a file or a repository states, for the data report: an SPDX line, or the wording of the common licences.
// A statement found is reported as it stands; this is no legal judgement.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace lyceum::tuning {

// SPDX expression of the text's first 4,000 characters, or the identifier of the licence whose wording comes first in them; "" when
// there is neither. Comment characters and line breaks do not hide a wording.
std::string find_licence(std::string_view text);

// The same of the folder's LICENSE, LICENCE, COPYING or UNLICENSE file (with any ending); "other" for a licence file with a wording
// that is not known, "" without such a file.
std::string find_folder_licence(const std::filesystem::path& folder);

}  // namespace lyceum::tuning
