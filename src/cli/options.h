// options.h: what a command declares: options, flags and the function to run. A thin face over CLI11, whose header costs more to
// compile than a whole command does.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace lyceum::cli {

class Option {
 public:
  explicit Option(CLI::Option& option) : option_(option) {}
  Option& required();
  Option& capture_default_str();                  // --help shows the variable's present value
  Option& envname(const std::string& variable);   // read from the environment when not given

 private:
  CLI::Option& option_;
};

// Names are CLI11's: "--data", "-m,--message", or "model" for a positional argument. A variable must outlive the parsing.
class Options {
 public:
  explicit Options(CLI::App& app) : app_(app) {}
  Option add_option(const std::string& names, std::string& value, const std::string& help);
  Option add_option(const std::string& names, std::vector<std::string>& values, const std::string& help);   // repeatable
  Option add_option(const std::string& names, int& value, const std::string& help);
  Option add_option(const std::string& names, uint16_t& value, const std::string& help);
  Option add_option(const std::string& names, uint32_t& value, const std::string& help);
  Option add_option(const std::string& names, int64_t& value, const std::string& help);
  Option add_option(const std::string& names, uint64_t& value, const std::string& help);
  Option add_option(const std::string& names, double& value, const std::string& help);
  Option add_flag(const std::string& names, bool& value, const std::string& help);
  void set_config(const std::string& names, const std::string& help);   // a file with "name = value" lines
  void footer(const std::string& text);                                 // at the end of --help
  void callback(std::function<void()> run);                             // once the command line has been read

 private:
  CLI::App& app_;
};

}  // namespace lyceum::cli
