// study.h: `lyceum compare --study FOLDER`: the arms of tuning/evaluate/study.h, written as study.json and study.html.
#pragma once

#include <string>

#include "cli/run_folder.h"

namespace lyceum::cli {

struct StudyArgs {
  std::string base, adapter, data;       // data: what the adapter was trained on
  std::string folder;                    // where the study is written
  std::string future;                    // the code base later on; empty: the files that were held out from training
  std::string placebo, generic;          // may be empty
  size_t items = 0, window = 0;
  unsigned threads = 0;
  std::string fim_order;                 // empty: what the model records
  bool fim_at_cursor = false;            // the prefix's last token ends at the cursor
};

// Throws Error(unprocessable) when the data is not what the adapter was trained on, or the placebo was not trained as the adapter was.
int run_study(const StudyArgs& args, const Globals& globals);

}  // namespace lyceum::cli
