// calibrate.h: runs a model over a text and adds up what each matrix is multiplied with.
#pragma once

#include <functional>
#include <string_view>

#include "base/threads.h"
#include "models/decoder.h"
#include "quantizer/importance.h"
#include "text/tokenizer.h"

namespace lyceum::quantizer {

struct CalibrateOptions {
  uint32_t chunk_tokens = 512;   // a document of so many tokens at a time (or the model's context, if that is less)
  uint32_t chunks_max = 0;       // 0 = the whole text
};

// The head and the embedding are not measured: what is multiplied with the head has been normalised. progress(chunks done, of all).
// Same numbers for any number of threads. Throws Error(invalid_argument) for a text of fewer than 32 tokens.
Importance calibrate(const models::Decoder& decoder, const text::Tokenizer& tokenizer, std::string_view text, const CalibrateOptions& options, ThreadPool& pool,
                     const std::function<void(size_t, size_t)>& progress);

}  // namespace lyceum::quantizer
