// dispatch.h: which instruction set the kernels run on, decided once per process from CPUID and XGETBV.
// LYCEUM_ISA=reference|avx2|avx512 forces one; naming one that the machine lacks, or an unknown one, is an error.
#pragma once

#include <string_view>
#include <vector>

namespace lyceum::kernels {

enum class Isa { reference, avx2, avx512 };

std::string_view name(Isa isa) noexcept;
// Every set this machine can run, worst first. The last is the default.
std::vector<Isa> available_isas();
// The one in use. Throws Error(invalid_argument) the first time if LYCEUM_ISA cannot be obeyed: programs call it at start.
Isa current_isa();
// For tests and benchmarks: switches every later kernel call. REQUIRES: isa is available, no kernel is running.
void force_isa(Isa isa);

}  // namespace lyceum::kernels
