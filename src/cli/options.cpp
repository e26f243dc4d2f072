#include "cli/options.h"

#include <CLI/CLI.hpp>

namespace lyceum::cli {

Option& Option::required() {
  option_.required();
  return *this;
}
Option& Option::capture_default_str() {
  option_.capture_default_str();
  return *this;
}
Option& Option::envname(const std::string& variable) {
  option_.envname(variable);
  return *this;
}

Option Options::add_option(const std::string& names, std::string& value, const std::string& help) { return Option(*app_.add_option(names, value, help)); }
Option Options::add_option(const std::string& names, std::vector<std::string>& values, const std::string& help) {
  return Option(*app_.add_option(names, values, help));
}
Option Options::add_option(const std::string& names, int& value, const std::string& help) { return Option(*app_.add_option(names, value, help)); }
Option Options::add_option(const std::string& names, uint16_t& value, const std::string& help) { return Option(*app_.add_option(names, value, help)); }
Option Options::add_option(const std::string& names, uint32_t& value, const std::string& help) { return Option(*app_.add_option(names, value, help)); }
Option Options::add_option(const std::string& names, int64_t& value, const std::string& help) { return Option(*app_.add_option(names, value, help)); }
Option Options::add_option(const std::string& names, uint64_t& value, const std::string& help) { return Option(*app_.add_option(names, value, help)); }
Option Options::add_option(const std::string& names, double& value, const std::string& help) { return Option(*app_.add_option(names, value, help)); }
Option Options::add_flag(const std::string& names, bool& value, const std::string& help) { return Option(*app_.add_flag(names, value, help)); }
void Options::set_config(const std::string& names, const std::string& help) { app_.set_config(names, "", help); }
void Options::footer(const std::string& text) { app_.footer(text); }
void Options::callback(std::function<void()> run) { app_.callback(std::move(run)); }

}  // namespace lyceum::cli
