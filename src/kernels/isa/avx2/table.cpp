// The kernels on AVX2, FMA and F16C: the shared bodies over this instruction set's v16.
#include "kernels/table.h"

#include <immintrin.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <memory>

#include "kernels/isa/target.h"

LYCEUM_TARGET_AVX2
namespace lyceum::kernels::isa_avx2 {
namespace {

#include "kernels/body/v16_avx2.inl"

#include "kernels/body/convert.inl"

#include "kernels/body/gemm.inl"

#include "kernels/body/rows.inl"

#include "kernels/body/attention.inl"

#include "kernels/body/integer.inl"

}  // namespace
}  // namespace lyceum::kernels::isa_avx2
LYCEUM_TARGET_END

namespace lyceum::kernels::isa_avx2 {

const Table kTable = {Isa::avx2,  gemm_tile, rms_norm, rms_norm_dx, rms_norm_dweight, column_sum,  rope,           silu_mul,       gelu_mul, silu_mul_backward,  add,
                      scale,      exp_all,   softmax,  log_sum_exp, softmax_gradient, adamw,       sum_squares,    dequantize_any, quantize_any,
                      attention_rows, attention_gradient, attention_cached, activation_blocks, integer_tile};

}  // namespace lyceum::kernels::isa_avx2
