// Every rung of every ladder that matters for speed: products at decode, prefill and training shapes, attention, and the
// row kernels. Rates: GFLOP/s counts a multiply-add as two; GB/s counts the weight bytes that a product must read.
//   bench_kernels --benchmark_filter='matmul/avx2'      one op on one instruction set
//   LYCEUM_BENCH_THREADS=1 bench_kernels                the default is one thread per core
#include <benchmark/benchmark.h>
#include <immintrin.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "kernels/attention.h"
#include "kernels/convert.h"
#include "kernels/cross_entropy.h"
#include "kernels/dispatch.h"
#include "kernels/elementwise.h"
#include "kernels/matmul.h"
#include "kernels/optimizer.h"
#include "kernels/rms_norm.h"

namespace lyceum::kernels {
namespace {

using benchmark::Counter;
using tensor::DType;

ThreadPool& shared_pool() {
  static const char* threads = std::getenv("LYCEUM_BENCH_THREADS");
  static ThreadPool pool(threads == nullptr ? 0 : static_cast<unsigned>(std::atoi(threads)));
  return pool;
}

// One thread is measured in its own CPU time, which a busy machine disturbs less; several can only be measured by the wall.
void add_benchmark(const std::string& name, const std::function<void(benchmark::State&)>& body) {
  auto* entry = benchmark::RegisterBenchmark(name.c_str(), body);
  if (shared_pool().size() > 1) entry->UseRealTime();
}

std::vector<float> values(size_t count) {
  std::vector<float> out(count);
  uint32_t state = 1;
  for (float& x : out) {
    state = state * 1664525u + 1013904223u;
    x = static_cast<float>(static_cast<int32_t>(state)) * 0x1p-31f;
  }
  return out;
}

void set_rate(benchmark::State& state, const char* unit, double per_iteration) {
  state.counters[unit] = Counter(per_iteration * 1e-9, Counter::kIsIterationInvariantRate);
}

// What one core can do at most: twelve independent fma chains in registers. The other rates are read against it.
__attribute__((target("avx2,fma"))) void bench_fma_ceiling(benchmark::State& state) {
  __m256 chains[12];
  for (auto& chain : chains) chain = _mm256_set1_ps(1e-3f);
  __m256 factor = _mm256_set1_ps(0.999f);
  for (auto _ : state) {
    benchmark::DoNotOptimize(factor);
    for (int i = 0; i < 100000; ++i) {
#pragma GCC unroll 12
      for (auto& chain : chains) chain = _mm256_fmadd_ps(chain, factor, factor);
    }
  }
  for (auto& chain : chains) benchmark::DoNotOptimize(chain);
  set_rate(state, "GFLOP/s", 2.0 * 8 * 12 * 100000);
}

struct Product {
  size_t rows, in, out;
};

// For types that cannot be written here, any bytes whose scales are of moderate size.
void fill(DType dtype, const std::vector<float>& values, std::vector<std::byte>& bytes) {
  if (tensor::block_size(dtype) == 1 || dtype == DType::q8_0 || dtype == DType::q4_0) return quantize(dtype, values.data(), values.size(), bytes.data());
  uint32_t state = 7;
  for (std::byte& one : bytes) one = static_cast<std::byte>((state = state * 1664525u + 1013904223u) >> 24 & 0x3f);
}

void bench_matmul(benchmark::State& state, Isa isa, DType dtype, Product p) {
  force_isa(isa);
  const auto x = values(p.rows * p.in), w = values(p.out * p.in);
  std::vector<std::byte> bytes(p.out * tensor::row_bytes(dtype, p.in));
  fill(dtype, w, bytes);
  std::vector<float> y(p.rows * p.out);
  for (auto _ : state) matmul(shared_pool(), {x.data(), p.rows, p.in}, {bytes.data(), dtype, p.out, p.in}, nullptr, {y.data(), p.rows, p.out});
  set_rate(state, "GFLOP/s", 2.0 * static_cast<double>(p.rows * p.in * p.out));
  set_rate(state, "GB/s", static_cast<double>(bytes.size()));
}

void bench_matmul_dx(benchmark::State& state, Isa isa, DType dtype, Product p) {
  force_isa(isa);
  const auto dy = values(p.rows * p.out), w = values(p.out * p.in);
  std::vector<std::byte> bytes(p.out * tensor::row_bytes(dtype, p.in));
  quantize(dtype, w.data(), w.size(), bytes.data());
  std::vector<float> dx(p.rows * p.in);
  for (auto _ : state) matmul_dx(shared_pool(), {dy.data(), p.rows, p.out}, {bytes.data(), dtype, p.out, p.in}, {dx.data(), p.rows, p.in});
  set_rate(state, "GFLOP/s", 2.0 * static_cast<double>(p.rows * p.in * p.out));
}

void bench_matmul_dw(benchmark::State& state, Isa isa, Product p) {
  force_isa(isa);
  const auto dy = values(p.rows * p.out), x = values(p.rows * p.in);
  std::vector<float> dw(p.out * p.in);
  for (auto _ : state) matmul_dw(shared_pool(), {dy.data(), p.rows, p.out}, {x.data(), p.rows, p.in}, {dw.data(), p.out, p.in});
  set_rate(state, "GFLOP/s", 2.0 * static_cast<double>(p.rows * p.in * p.out));
}

// One document of `tokens`, heads of 64; the causal half of the products is counted.
struct AttentionBench {
  AttentionShape shape{8, 4, 64, 0.125f, 0};
  size_t tokens;
  std::vector<uint32_t> documents;
  std::vector<float> q, k, v, out, lse, dout, dq, dk, dv;
  explicit AttentionBench(size_t n) : tokens(n), documents{0, static_cast<uint32_t>(n)} {
    q = dout = values(n * 512);
    k = v = values(n * 256);
    out = dq = std::vector<float>(n * 512);
    dk = dv = std::vector<float>(n * 256);
    lse = std::vector<float>(n * 8);
  }
  double flops(double products) const { return products * static_cast<double>(tokens * tokens) * 512; }
  void forward() {
    attention(shared_pool(), shape, documents, {q.data(), tokens, 512}, {k.data(), tokens, 256}, {v.data(), tokens, 256}, {out.data(), tokens, 512}, lse.data());
  }
  void backward() {
    attention_backward(shared_pool(), shape, documents, {q.data(), tokens, 512}, {k.data(), tokens, 256}, {v.data(), tokens, 256},
                       {out.data(), tokens, 512}, lse.data(), {dout.data(), tokens, 512}, {dq.data(), tokens, 512}, {dk.data(), tokens, 256}, {dv.data(), tokens, 256});
  }
};

void bench_attention(benchmark::State& state, Isa isa, size_t tokens) {
  force_isa(isa);
  AttentionBench bench(tokens);
  for (auto _ : state) bench.forward();
  set_rate(state, "GFLOP/s", bench.flops(2));
}

void bench_attention_backward(benchmark::State& state, Isa isa, size_t tokens) {
  force_isa(isa);
  AttentionBench bench(tokens);
  bench.forward();
  for (auto _ : state) bench.backward();
  set_rate(state, "GFLOP/s", bench.flops(5));
}

void bench_attention_decode(benchmark::State& state, Isa isa, size_t tokens, DType dtype) {
  force_isa(isa);
  const AttentionShape shape{8, 4, 64, 0.125f, 0};
  const auto q = values(512), kv = values(tokens * 256);
  std::vector<std::byte> keys(tensor::row_bytes(dtype, kv.size())), cached_values(keys.size());
  std::byte* k = keys.data();
  std::byte* v = cached_values.data();
  const KvCache cache{dtype, tokens, &k, &v};
  kv_append(cache, 0, {kv.data(), tokens, 256}, {kv.data(), tokens, 256});
  std::vector<float> out(512);
  const CachedQuery query{0, 1, tokens - 1, cache};
  for (auto _ : state) attention_cached(shared_pool(), shape, std::span(&query, 1), {q.data(), 1, 512}, {out.data(), 1, 512});
  set_rate(state, "GB/s", 2.0 * static_cast<double>(keys.size()));
}

void bench_rms_norm(benchmark::State& state, Isa isa) {
  force_isa(isa);
  const auto x = values(512 * 512), w = values(512);
  std::vector<float> y(x.size());
  for (auto _ : state) rms_norm(shared_pool(), {x.data(), 512, 512}, f32_view(w.data(), 1, 512), 1e-5f, {y.data(), 512, 512});
  set_rate(state, "GB/s", 8.0 * static_cast<double>(x.size()));
}

void bench_silu_mul(benchmark::State& state, Isa isa) {
  force_isa(isa);
  const auto gate = values(512 * 1536), up = gate;
  std::vector<float> out(gate.size());
  for (auto _ : state) silu_mul(shared_pool(), {gate.data(), 512, 1536}, {up.data(), 512, 1536}, {out.data(), 512, 1536});
  set_rate(state, "GB/s", 12.0 * static_cast<double>(gate.size()));
}

void bench_cross_entropy(benchmark::State& state, Isa isa) {
  force_isa(isa);
  const auto start = values(256 * 8192);
  auto logits = start;
  const std::vector<int32_t> labels(256, 7);
  std::vector<float> losses(256);
  for (auto _ : state) cross_entropy_backward(shared_pool(), {logits.data(), 256, 8192}, labels, 1.0f, losses.data());
  set_rate(state, "GB/s", 8.0 * static_cast<double>(logits.size()));
}

void bench_adamw(benchmark::State& state, Isa isa) {
  force_isa(isa);
  const auto gradients = values(1 << 22);
  auto weights = gradients;
  std::vector<float> first(weights.size()), second(weights.size());
  AdamW options;
  for (auto _ : state) adamw(shared_pool(), options, weights, gradients, first, second);
  set_rate(state, "GB/s", 28.0 * static_cast<double>(weights.size()));
}

std::string label(const std::string& op, Isa isa) { return op + "/" + std::string(name(isa)); }
std::string label(const std::string& op, Isa isa, DType dtype, const Product& p) {
  return label(op, isa) + "/" + std::string(tensor::name(dtype)) + "/" + std::to_string(p.rows) + "x" + std::to_string(p.in) + "x" + std::to_string(p.out);
}

void register_products(Isa isa) {
  constexpr DType kDTypes[] = {DType::f32, DType::bf16, DType::f16, DType::q8_0, DType::q4_0, DType::q4_k, DType::q6_k};
  // Decode out of the last-level cache and out of memory, a batch of four, prefill, training.
  constexpr Product kDecode[] = {{1, 512, 512}, {1, 512, 1536}, {1, 4096, 16384}, {4, 512, 1536}, {8, 4096, 16384}};
  constexpr Product kMany[] = {{16, 512, 1536}, {64, 512, 512}, {512, 256, 256}, {512, 512, 512}, {512, 1024, 1024}, {512, 512, 8192}, {1024, 512, 8}, {1024, 8, 512}};
  for (const DType dtype : kDTypes) {
    for (const Product& p : kDecode) add_benchmark(label("matmul", isa, dtype, p), [=](auto& state) { bench_matmul(state, isa, dtype, p); });
    for (const Product& p : kMany) add_benchmark(label("matmul", isa, dtype, p), [=](auto& state) { bench_matmul(state, isa, dtype, p); });
  }
  for (const Product& p : kMany) {
    add_benchmark(label("matmul_dx", isa, DType::f32, p), [=](auto& state) { bench_matmul_dx(state, isa, DType::f32, p); });
    add_benchmark(label("matmul_dw", isa, DType::f32, p), [=](auto& state) { bench_matmul_dw(state, isa, p); });
  }
}

void register_rows(Isa isa) {
  for (const size_t tokens : {size_t{128}, size_t{512}, size_t{2048}}) {
    const std::string size = "/" + std::to_string(tokens);
    add_benchmark((label("attention", isa) + size), [=](auto& state) { bench_attention(state, isa, tokens); });
    add_benchmark((label("attention_backward", isa) + size), [=](auto& state) { bench_attention_backward(state, isa, tokens); });
    add_benchmark((label("attention_decode", isa) + "/F32" + size), [=](auto& state) { bench_attention_decode(state, isa, tokens, DType::f32); });
    add_benchmark((label("attention_decode", isa) + "/BF16" + size), [=](auto& state) { bench_attention_decode(state, isa, tokens, DType::bf16); });
  }
  add_benchmark(label("rms_norm", isa), [=](auto& state) { bench_rms_norm(state, isa); });
  add_benchmark(label("silu_mul", isa), [=](auto& state) { bench_silu_mul(state, isa); });
  add_benchmark(label("cross_entropy_backward", isa), [=](auto& state) { bench_cross_entropy(state, isa); });
  add_benchmark(label("adamw", isa), [=](auto& state) { bench_adamw(state, isa); });
}

}  // namespace
}  // namespace lyceum::kernels

int main(int argc, char** argv) {
  using lyceum::kernels::Isa;
  const auto isas = lyceum::kernels::available_isas();
  if (std::find(isas.begin(), isas.end(), Isa::avx2) != isas.end()) benchmark::RegisterBenchmark("fma_ceiling/avx2", lyceum::kernels::bench_fma_ceiling);
  for (const Isa isa : isas) {
    lyceum::kernels::register_products(isa);
    lyceum::kernels::register_rows(isa);
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
