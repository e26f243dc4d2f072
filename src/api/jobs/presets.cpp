#include "api/jobs/presets.h"

namespace lyceum::api {

json::array job_presets() {
  return {
      json::object{{"id", "code"},
                   {"name", "Private code"},
                   {"about", "LoRA on a code base: whole files and fill-in-the-middle, a tenth of the files held out and measured as it goes; the best model is kept."},
                   {"recipe", {{"method", "lora"}, {"lora_r", 16}, {"lora_alpha", 32}, {"learning_rate", 2e-4}, {"num_epochs", 3}, {"warmup_ratio", 0.05}, {"fim_rate", 0.5},
                               {"gradient_accumulation_steps", 4}, {"val_size", 0.1}, {"eval_steps", 25}, {"load_best_model_at_end", true}}}},
      json::object{{"id", "chat"},
                   {"name", "Conversations"},
                   {"about", "LoRA on chats (one .jsonl file with messages): only the assistant's turns are learned."},
                   {"recipe", {{"method", "lora"}, {"lora_r", 16}, {"lora_alpha", 32}, {"learning_rate", 2e-4}, {"num_epochs", 3}, {"warmup_ratio", 0.05},
                               {"gradient_accumulation_steps", 4}, {"data_format", "chat"}}}},
      json::object{{"id", "preferences"},
                   {"name", "Preferences (DPO)"},
                   {"about", "LoRA with DPO on pairs of a chosen and a rejected answer."},
                   {"recipe", {{"method", "lora"}, {"objective", "dpo"}, {"lora_r", 16}, {"lora_alpha", 32}, {"learning_rate", 5e-6}, {"num_epochs", 1}, {"gradient_accumulation_steps", 8}}}},
      json::object{{"id", "trial"},
                   {"name", "Short trial"},
                   {"about", "Twenty steps, to see that everything fits together."},
                   {"recipe", {{"method", "lora"}, {"lora_r", 8}, {"lora_alpha", 16}, {"learning_rate", 2e-4}, {"max_steps", 20}}}},
      json::object{{"id", "full"},
                   {"name", "All parameters"},
                   {"about", "Every weight of a small model; needs some sixteen bytes of memory a parameter and gives a whole new model."},
                   {"recipe", {{"method", "full"}, {"learning_rate", 2e-5}, {"num_epochs", 1}, {"warmup_ratio", 0.05}, {"gradient_accumulation_steps", 4}}}},
  };
}

}  // namespace lyceum::api
