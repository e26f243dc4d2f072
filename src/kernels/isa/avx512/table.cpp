// The kernels on AVX-512 (F, BW, VL, DQ): the shared bodies over this instruction set's v16.
#include "kernels/table.h"

#include <immintrin.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <memory>

#include "kernels/isa/target.h"

// g++ 12 mistakes the deliberately undefined pass-through operand inside avx512fintrin.h for a bug of ours.
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

LYCEUM_TARGET_AVX512
namespace lyceum::kernels::isa_avx512 {
namespace {

#include "kernels/body/v16_avx512.inl"

#include "kernels/body/convert.inl"

#include "kernels/body/gemm.inl"

#include "kernels/body/rows.inl"

#include "kernels/body/attention.inl"

#include "kernels/body/integer.inl"

}  // namespace
}  // namespace lyceum::kernels::isa_avx512
LYCEUM_TARGET_END

namespace lyceum::kernels::isa_avx512 {

const Table kTable = {Isa::avx512,  gemm_tile, rms_norm, rms_norm_dx, rms_norm_dweight, column_sum,  rope,           silu_mul,       gelu_mul, silu_mul_backward,  add,
                      scale,      exp_all,   softmax,  log_sum_exp, softmax_gradient, adamw,       sum_squares,    dequantize_any, quantize_any,
                      attention_rows, attention_gradient, attention_cached, activation_blocks, integer_tile};

}  // namespace lyceum::kernels::isa_avx512
