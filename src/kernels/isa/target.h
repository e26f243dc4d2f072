// target.h: the macro pair that puts the functions between them under an instruction set without touching inline functions of
// shared headers. Include every header before the first macro.
#pragma once

#if defined(__clang__)
#define LYCEUM_PRAGMA(text) _Pragma(#text)
#define LYCEUM_TARGET_AVX2 LYCEUM_PRAGMA(clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function))
#define LYCEUM_TARGET_AVX512 \
  LYCEUM_PRAGMA(clang attribute push(__attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq"))), apply_to = function))
#define LYCEUM_TARGET_END LYCEUM_PRAGMA(clang attribute pop)
#else
#define LYCEUM_PRAGMA(text) _Pragma(#text)
#define LYCEUM_TARGET_AVX2 LYCEUM_PRAGMA(GCC push_options) LYCEUM_PRAGMA(GCC target("avx2,fma,f16c"))
#define LYCEUM_TARGET_AVX512 LYCEUM_PRAGMA(GCC push_options) LYCEUM_PRAGMA(GCC target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq"))
#define LYCEUM_TARGET_END LYCEUM_PRAGMA(GCC pop_options)
#endif
