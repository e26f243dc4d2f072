// answers.h: how near a completion is to what was really written.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace lyceum::tuning {

// What counts of a completion: trimmed, and of an answer to a one-line question its first line.
std::string_view answer_part(std::string_view output, std::string_view wanted);

// The names in code, without Python's keywords, each as often as it stands there, sorted. only: just these, where given.
std::multiset<std::string> identifiers(std::string_view code, const std::set<std::string>* only = nullptr);
// Names that a code base defines: after def and class, and assigned to.
std::set<std::string> defined_names(std::string_view code);
// Harmonic mean of precision and recall over two multisets (0 when they share nothing). REQUIRES: wanted is not empty.
double multiset_f1(const std::multiset<std::string>& found, const std::multiset<std::string>& wanted);

// The top-level statement around a cursor: the part of `prefix` from its beginning and the part of `suffix` up to its end. By what begins in
// column 0, so text in column 0 inside a string misleads it.
struct Enclosing {
  std::string_view prefix, suffix;
};
Enclosing enclosing_statement(std::string_view prefix, std::string_view suffix);

// For each text whether it is a Python program, as the `python3` of this machine reads it (it is parsed, never run). nullopt without python3.
std::optional<std::vector<bool>> parse_python(const std::vector<std::string>& texts);

}  // namespace lyceum::tuning
