#include "kernels/matmul.h"

#include <algorithm>
#include <vector>

#include "kernels/grouped.h"
#include "kernels/split.h"
#include "kernels/table.h"

namespace lyceum::kernels {
namespace {

constexpr size_t kColumns = 64;               // columns of a task come in these; gemm_tile unpacks two at once
constexpr size_t kRows = 192;                 // rows of a task: what gemm_tile passes over one unpacked block
constexpr size_t kSmallWork = 1 << 16;        // multiply-adds below which threads do not pay
constexpr size_t kTaskWork = 1 << 18;         // multiply-adds of a task where there is a choice

size_t blocks(size_t count, size_t size) { return (count + size - 1) / size; }

// The grid is free to depend on anything: no element's chain is ever cut.
void run_gemm(ThreadPool& pool, const GemmJob& job, size_t m, size_t n) noexcept {
  const auto tile = table().gemm_tile;
  if (m == 0 || n == 0) return;
  if (pool.size() == 1 || m * n * job.k <= kSmallWork) {
    tile(job, 0, m, 0, n);
    return;
  }
  const size_t column_work = std::min(m, kRows) * kColumns * std::max<size_t>(1, job.k);
  const size_t wanted = std::max<size_t>(1, kTaskWork / column_work);
  const size_t spread = std::max<size_t>(1, blocks(n, kColumns) / (4 * pool.size()));
  const size_t width = kColumns * std::min(wanted, spread);
  const size_t column_tasks = blocks(n, width);
  size_t height = m;
  if (column_tasks < 4 * pool.size()) height = std::min(m, kRows);
  if (column_tasks < 2 * pool.size() && m > 96) height = std::min<size_t>(height, 96);
  const size_t row_tasks = blocks(m, height);
  pool.run(column_tasks * row_tasks, [&](size_t task, unsigned) {
    const size_t n0 = task / row_tasks * width, m0 = task % row_tasks * height;
    tile(job, m0, std::min(m, m0 + height), n0, std::min(n, n0 + width));
  });
}

GemmJob weight_job(const tensor::WeightView& weight, bool transposed) {
  GemmJob job;
  job.b = weight.data;
  job.b_dtype = weight.dtype;
  job.b_stride = tensor::row_bytes(weight.dtype, weight.columns);
  job.b_transposed = transposed;
  job.k = transposed ? weight.columns : weight.rows;
  return job;
}

void set_output(GemmJob& job, Rows c, Write write, float scale) {
  job.c = c.data;
  job.c_row = c.stride;
  job.add = write == Write::add;
  job.scale = scale;
}

}  // namespace

void matmul(ThreadPool& pool, ConstRows x, const tensor::WeightView& weight, const float* bias, Rows y, Write write, float scale) noexcept {
  GemmJob job = weight_job(weight, true);
  job.a = x.data;
  job.a_row = x.stride;
  job.bias = bias;
  set_output(job, y, write, scale);
  run_gemm(pool, job, x.rows, weight.rows);
}

void matmul_dx(ThreadPool& pool, ConstRows dy, const tensor::WeightView& weight, Rows dx, Write write, float scale) noexcept {
  GemmJob job = weight_job(weight, false);
  job.a = dy.data;
  job.a_row = dy.stride;
  set_output(job, dx, write, scale);
  run_gemm(pool, job, dy.rows, weight.columns);
}

void matmul_grouped(ThreadPool& pool, std::span<const GroupedProduct> products) {
  struct Part {
    GemmJob job;
    size_t rows, outputs, width, end;   // outputs of a task; tasks of this product and those before it
  };
  std::vector<Part> parts;
  parts.reserve(products.size());
  size_t tasks = 0, work = 0;
  for (const GroupedProduct& one : products) {
    if (one.x.rows == 0) continue;
    GemmJob job = weight_job(one.weight, one.transposed);
    job.a = one.x.data;
    job.a_row = one.x.stride;
    set_output(job, one.y, Write::set, 1.0f);
    const size_t outputs = one.y.columns, column_work = std::min(one.x.rows, kRows) * kColumns * std::max<size_t>(1, job.k);
    const size_t width = kColumns * std::max<size_t>(1, kTaskWork / column_work);
    tasks += blocks(outputs, width);
    work += one.x.rows * outputs * job.k;
    parts.push_back({job, one.x.rows, outputs, width, tasks});
  }
  const auto run = [&](size_t task) {
    const auto part = std::upper_bound(parts.begin(), parts.end(), task, [](size_t wanted, const Part& each) { return wanted < each.end; });
    const size_t n0 = (task - (part->end - blocks(part->outputs, part->width))) * part->width;
    table().gemm_tile(part->job, 0, part->rows, n0, std::min(part->outputs, n0 + part->width));
  };
  if (work <= kSmallWork) {
    for (size_t task = 0; task < tasks; ++task) run(task);
    return;
  }
  pool.run(tasks, [&](size_t task, unsigned) { run(task); });
}

void matmul_dw(ThreadPool& pool, ConstRows dy, ConstRows x, Rows dw, Write write, float scale) noexcept {
  GemmJob job;
  job.a = dy.data;
  job.a_row = 1;
  job.a_k = dy.stride;
  job.b = reinterpret_cast<const std::byte*>(x.data);
  job.b_stride = x.stride * sizeof(float);
  job.k = dy.rows;
  set_output(job, dw, write, scale);
  run_gemm(pool, job, dy.columns, x.columns);
}

void bias_gradient(ThreadPool& pool, ConstRows dy, float* dbias) noexcept {
  const size_t chunks = blocks(dy.columns, kColumns);
  for_grains(pool, chunks, dy.rows * kColumns, [&](size_t begin, size_t end) {
    table().column_sum(dy, dbias, begin * kColumns, std::min(dy.columns, end * kColumns));
  });
}

}  // namespace lyceum::kernels
