// bpe_trainer.h: trains a byte-level BPE vocabulary (Sennrich et al. 2016; GPT-2's byte alphabet and pre-tokenizer).
// Deterministic: ties go to the smaller pair of ids. Returns the text of a tokenizer.json that Hugging Face
// `tokenizers` loads.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lyceum::text {

struct BpeTrainerOptions {
  size_t vocab_size = 4096;                 // special tokens and the 256 bytes included
  std::vector<std::string> special_tokens;  // get the first ids
  size_t min_frequency = 2;
};

std::string train_bpe(const std::vector<std::string_view>& documents, const BpeTrainerOptions& options);

}  // namespace lyceum::text
