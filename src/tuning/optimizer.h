// optimizer.h: what turns a parameter's gradient into its next value.
//
//   adamw        PyTorch's; state: two floats a value
//   adamw_8bit   bitsandbytes' block-wise 8-bit AdamW (Dettmers et al. 2021, arXiv 2110.02861): the same with both moments in 8 bits (kernels/dynamic8.h);
//                parameters of fewer than 4,096 values keep floats. Codes are the nearest ones, as in its CUDA kernels
//   lion         Chen et al. 2023, arXiv 2302.06675: the sign of an average; one float a value
//   muon         Jordan et al. 2024: the averaged gradient of a matrix is brought near its nearest orthogonal matrix (five Newton-Schulz steps, in
//                float32), times 0.2 sqrt(larger side) (Liu et al. 2025, arXiv 2502.16982), so that one learning rate serves it and AdamW, which trains
//                vectors, embeddings and heads; one float a value
// Decay is decoupled everywhere: value *= 1 - rate * decay. The bytes do not depend on the number of threads.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/threads.h"
#include "tuning/model/train_model.h"

namespace lyceum::tuning {

enum class OptimizerKind { adamw, adamw_8bit, lion, muon };

// By the names of transformers ("adamw_torch", "adamw_bnb_8bit", "paged_adamw_8bit", "lion_32bit", …); throws Error(invalid_argument) for another.
OptimizerKind parse_optimizer(std::string_view name);

struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::adamw;
  // Rounded to float, as recorded results have them. Lion: of the step, of what is kept.
  float beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-8f;
  float momentum = 0.95f;   // muon
};

// Gives every parameter the state that the optimizer keeps, all zero, unless it has it already.
void prepare_optimizer_state(TrainModel& model, OptimizerKind kind);

struct UpdateRates {
  float learning_rate = 0, weight_decay = 0;
  float gradient_scale = 1;
  uint64_t step = 1;            // 1 for the first
};
void update_parameter(ThreadPool& pool, const OptimizerOptions& options, const UpdateRates& rates, Parameter& parameter);

}  // namespace lyceum::tuning
