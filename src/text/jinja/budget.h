// budget.h: what one rendering may use. Every evaluated node is a step; work on long values is charged by its size, so
// no filter or operator can do much for one step.
#pragma once

#include <cstddef>
#include <string>

#include "base/error.h"

namespace lyceum::text::jinja {

class Budget {
 public:
  static constexpr size_t kStepsMax = 1'000'000;
  static constexpr size_t kTextBytesMax = 16u << 20;  // of the output and of any single string
  static constexpr int kDepthMax = 600;               // of evaluation, macro calls included

  void step(size_t count = 1) {
    steps_ += count;
    if (steps_ > kStepsMax) throw Error(Code::unprocessable, "the chat template takes more than a million steps");
  }
  void text(size_t bytes) {
    if (bytes > kTextBytesMax) throw Error(Code::too_large, "the chat template builds a text over 16 MiB");
    step(bytes / 1024);
  }

  // Counts nested evaluation while it lives.
  class Level {
   public:
    explicit Level(Budget& budget) : budget_(budget) {
      if (++budget_.depth_ > kDepthMax) {
        --budget_.depth_;
        throw Error(Code::unprocessable, "the chat template nests or recurses too deeply");
      }
    }
    ~Level() { --budget_.depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    Budget& budget_;
  };

 private:
  size_t steps_ = 0;
  int depth_ = 0;
};

}  // namespace lyceum::text::jinja
