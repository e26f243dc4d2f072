// stop_matcher.h: lets text through as soon as it cannot be the beginning of a stop string any more, and cuts before the first
// stop string, also when it spans several tokens.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lyceum::engine {

class StopMatcher {
 public:
  // Empty strings are ignored.
  explicit StopMatcher(std::vector<std::string> stops);

  // Returns what may be shown now. After a match stopped() is true and push() returns nothing more.
  std::string push(std::string_view text);
  // What was held back, when the text ends without a match.
  std::string finish();
  bool stopped() const noexcept { return stopped_; }
  const std::string& found() const noexcept { return found_; }   // the stop string that ended it

 private:
  std::vector<std::string> stops_;
  std::string held_;
  std::string found_;
  bool stopped_ = false;
};

}  // namespace lyceum::engine
