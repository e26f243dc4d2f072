// llama_logits MODEL.gguf OUT ID...: llama.cpp's logits of all those tokens, as float32. For with_llama.py; needs a build of llama.cpp:
//   gcc -O1 -I$LLAMA/include -I$LLAMA/ggml/include llama_logits.c -o llama_logits -L$LLAMA/build/bin -lllama -lggml -lggml-base -Wl,-rpath,$LLAMA/build/bin
#include <stdio.h>
#include <stdlib.h>

#include "llama.h"

enum { kContext = 1024 };

static void only_errors(enum ggml_log_level level, const char* text, void* unused) {
  (void)unused;
  if (level >= GGML_LOG_LEVEL_ERROR) fputs(text, stderr);
}

int main(int argc, char** argv) {
  const int count = argc - 3;
  if (count < 1 || count > kContext) return 1;
  llama_log_set(only_errors, NULL);
  llama_backend_init();
  struct llama_model* model = llama_model_load_from_file(argv[1], llama_model_default_params());
  if (model == NULL) return 1;
  struct llama_context_params params = llama_context_default_params();
  params.n_ctx = params.n_batch = params.n_ubatch = kContext;
  params.n_threads = params.n_threads_batch = 1;
  params.type_k = params.type_v = GGML_TYPE_F32;
  params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  struct llama_context* context = llama_init_from_model(model, params);
  if (context == NULL) return 1;
  struct llama_batch batch = llama_batch_init(count, 0, 1);
  batch.n_tokens = count;
  for (int i = 0; i < count; ++i) {
    batch.token[i] = atoi(argv[3 + i]);
    batch.pos[i] = i;
    batch.n_seq_id[i] = 1;
    batch.seq_id[i][0] = 0;
    batch.logits[i] = 1;
  }
  if (llama_decode(context, batch) != 0) return 1;
  const int vocab = llama_vocab_n_tokens(llama_model_get_vocab(model));
  FILE* out = fopen(argv[2], "wb");
  if (out == NULL) return 1;
  for (int i = 0; i < count; ++i) fwrite(llama_get_logits_ith(context, i), sizeof(float), (size_t)vocab, out);
  return fclose(out) == 0 ? 0 : 1;
}
