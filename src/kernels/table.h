// table.h: the leaves that every instruction set provides. A public kernel splits its work into tasks and calls a leaf for
// each; leaves are serial and know nothing of threads. Internal to the room.
//
// To add an instruction set: a folder isa/<name>/ whose files include the bodies over its own v16 type, a kTable, and one
// line in dispatch.cpp. To add an op: a header, a member here, a body, a reference, a wrapper.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/attention.h"
#include "kernels/dispatch.h"
#include "kernels/integer.h"
#include "kernels/nf4.h"
#include "kernels/optimizer.h"
#include "kernels/rope.h"
#include "kernels/rows.h"
#include "tensor/view.h"

namespace lyceum::kernels {

// C[m, n] (+)= scale * sum over k of A(m, k) * B(k, n) + bias[n], each element one fma chain in ascending k.
// A(m, k) = a[m * a_row + k * a_k]. Stored row r of B starts at b + r * b_stride bytes; it is row k of B, or row n (a column of B)
// when b_transposed.
struct GemmJob {
  const float* a = nullptr;
  size_t a_row = 0, a_k = 1;
  const std::byte* b = nullptr;
  tensor::DType b_dtype = tensor::DType::f32;
  size_t b_stride = 0;
  bool b_transposed = false;
  size_t k = 0;
  const float* bias = nullptr;
  float* c = nullptr;
  size_t c_row = 0;
  bool add = false;
  float scale = 1.0f;
};

// One product of integer.h.
struct IntegerJob {
  const ActivationBlock* x = nullptr;    // as ActivationBlocks::data()
  size_t rows = 0, blocks = 0;           // of the activations
  tensor::WeightView weight;
  size_t stride = 0;                     // bytes from one stored row to the next
  const float* bias = nullptr;
  float* c = nullptr;
  size_t c_row = 0;
  bool add = false;
  float scale = 1.0f;
};

struct AdamWConstants {
  float decay, one_minus_beta1, beta2, one_minus_beta2, root_correction2, epsilon, negative_step, gradient_scale;
};

// The operands of a training attention; see attention.h.
struct AttentionJob {
  AttentionShape shape;
  ConstRows q, k, v;
  Rows out;
  float* log_sum_exp = nullptr;
};
struct AttentionGradJob {
  AttentionShape shape;
  ConstRows q, k, v, out, dout;
  const float* log_sum_exp = nullptr;
  Rows dq, dk, dv;
};

struct Table {
  Isa isa;

  // Computes C[m0, m1) x [n0, n1). With a block dtype n0 is a multiple of 32 unless b_transposed.
  void (*gemm_tile)(const GemmJob& job, size_t m0, size_t m1, size_t n0, size_t n1) noexcept;

  void (*rms_norm)(ConstRows x, const tensor::WeightView& weight, float epsilon, Rows y, float* rstd, size_t row0, size_t row1) noexcept;
  void (*rms_norm_dx)(ConstRows x, const tensor::WeightView& weight, const float* rstd, ConstRows dy, Rows dx, Write write, size_t row0,
                      size_t row1) noexcept;
  // dweight[c] += sum over rows of dy * x * rstd, for c in [column0, column1).
  void (*rms_norm_dweight)(ConstRows x, const float* rstd, ConstRows dy, float* dweight, size_t column0, size_t column1) noexcept;
  void (*column_sum)(ConstRows x, float* sums, size_t column0, size_t column1) noexcept;  // sums[c] += ...
  void (*rope)(Rows x, size_t head_dim, const RopeTable& table, const int32_t* positions, Turn turn, size_t row0, size_t row1) noexcept;

  void (*silu_mul)(const float* gate, const float* up, float* out, size_t count) noexcept;
  void (*gelu_mul)(const float* gate, const float* up, float* out, size_t count) noexcept;
  void (*silu_mul_backward)(const float* gate, const float* up, const float* dout, float* dgate, float* dup, size_t count) noexcept;
  void (*add)(const float* x, float* y, float factor, size_t count) noexcept;   // y += factor * x
  void (*scale)(float* x, float factor, size_t count) noexcept;
  void (*exp)(const float* in, float* out, size_t count) noexcept;
  void (*softmax)(float* x, float factor, size_t count) noexcept;
  // Returns log(sum(exp(x))).
  float (*log_sum_exp)(const float* x, size_t count) noexcept;
  void (*softmax_gradient)(float* x, float log_sum, float factor, size_t count) noexcept;  // x = factor * exp(x - log_sum)

  void (*adamw)(const AdamWConstants& constants, float* weights, const float* gradients, float* first, float* second, size_t count) noexcept;
  double (*sum_squares)(const float* x, size_t count) noexcept;

  void (*dequantize)(tensor::DType dtype, const std::byte* in, size_t count, float* out) noexcept;
  void (*quantize)(tensor::DType dtype, const float* in, size_t count, std::byte* out) noexcept;  // f32, f16, bf16 only

  // One block of kAttentionRows query rows of one head of one document that occupies rows [begin, end).
  void (*attention_rows)(const AttentionJob& job, size_t begin, size_t end, size_t head, size_t row) noexcept;
  // Everything of one kv head of one document.
  void (*attention_gradient)(const AttentionGradJob& job, size_t begin, size_t end, size_t kv_head) noexcept;
  // Rows [row0, row1) of one query for heads [head0, head1), which share a kv head.
  void (*attention_cached)(const AttentionShape& shape, const CachedQuery& query, ConstRows q, Rows out, size_t head0, size_t head1, size_t row0,
                           size_t row1) noexcept;

  // Blocks of 32 values of one row -> out[0], out[step], ….
  void (*activation_blocks)(const float* x, size_t count, ActivationBlock* out, size_t step) noexcept;
  // Outputs [n0, n1) of the rows of chunks [chunk0, chunk1).
  void (*integer_tile)(const IntegerJob& job, size_t chunk0, size_t chunk1, size_t n0, size_t n1) noexcept;
};

inline constexpr size_t kAttentionRows = 64;      // query rows of a task
inline constexpr size_t kAttentionKeys = 64;      // keys of a tile
inline constexpr size_t kHeadDimMax = 576;

// The table of the instruction set in use.
const Table& table() noexcept;

namespace reference {
extern const Table kTable;
// integer.cpp of the folder; vector instruction sets use it for matrices of fewer than eight outputs.
void activation_blocks(const float* x, size_t count, ActivationBlock* out, size_t step) noexcept;
void integer_tile(const IntegerJob& job, size_t chunk0, size_t chunk1, size_t n0, size_t n1) noexcept;
}  // namespace reference
namespace isa_avx2 { extern const Table kTable; }
namespace isa_avx512 { extern const Table kTable; }

}  // namespace lyceum::kernels
