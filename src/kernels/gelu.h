// gelu.h: x = x/2 (1 + erf(x / sqrt 2)), in place (Hendrycks and Gimpel 2016). Forward only.
#pragma once

#include "base/threads.h"
#include "kernels/rows.h"

namespace lyceum::kernels {

void gelu(ThreadPool& pool, Rows x) noexcept;

}  // namespace lyceum::kernels
