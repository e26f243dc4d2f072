#include "kernels/integer.h"

#include <algorithm>

#include "kernels/split.h"
#include "kernels/table.h"

namespace lyceum::kernels {
namespace {

constexpr size_t kTaskBytes = 96 << 10;    // of weights: they stay in the L2 cache while the chunks of rows pass over them
constexpr size_t kOutputsMin = 16;         // outputs of a task
constexpr size_t kProductsMax = 8;
constexpr size_t kSmallWork = 1 << 17;     // multiply-adds below which threads do not pay

size_t blocks(size_t count, size_t size) { return (count + size - 1) / size; }

// How one product is cut. The cut is free to depend on anything: no output's sum is ever divided.
struct Grid {
  size_t width, columns, height, rows;     // outputs of a task, tasks beside each other, chunks of a task, tasks above each other
  size_t tasks() const { return columns * rows; }
};

Grid cut(const IntegerJob& job, size_t wanted) {
  const size_t outputs = job.weight.rows, chunks = blocks(job.rows, kActivationRows);
  const size_t fitting = std::max(kOutputsMin, kTaskBytes / std::max<size_t>(1, job.stride) / 8 * 8);
  const size_t spread = std::max(kOutputsMin, outputs / wanted / 8 * 8);
  Grid grid;
  grid.width = std::min(fitting, spread);
  grid.columns = blocks(outputs, grid.width);
  grid.rows = grid.columns >= wanted ? 1 : std::min(chunks, blocks(wanted, grid.columns));
  grid.height = blocks(chunks, grid.rows);
  grid.rows = blocks(chunks, grid.height);
  return grid;
}

IntegerJob job_of(const ActivationBlocks& x, const IntegerProduct& product) {
  IntegerJob job;
  job.x = x.data();
  job.rows = x.rows();
  job.blocks = x.columns() / 32;
  job.weight = product.weight;
  job.stride = tensor::row_bytes(product.weight.dtype, product.weight.columns);
  job.bias = product.bias;
  job.c = product.y.data;
  job.c_row = product.y.stride;
  job.add = product.write == Write::add;
  job.scale = product.scale;
  return job;
}

void run_task(const IntegerJob& job, const Grid& grid, size_t task) {
  const size_t n0 = task / grid.rows * grid.width, chunk0 = task % grid.rows * grid.height;
  table().integer_tile(job, chunk0, std::min(blocks(job.rows, kActivationRows), chunk0 + grid.height), n0, std::min(job.weight.rows, n0 + grid.width));
}

}  // namespace

void ActivationBlocks::set(ThreadPool& pool, ConstRows x) {
  rows_ = x.rows;
  columns_ = x.columns;
  const size_t count = columns_ / 32;
  if (blocks_.size() < rows_ * count) blocks_.resize(rows_ * count);
  for_grains(pool, rows_, columns_, [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) {
      const size_t chunk = row / kActivationRows * kActivationRows;
      const size_t together = std::min(kActivationRows, rows_ - chunk);
      table().activation_blocks(x.row(row), count, blocks_.data() + chunk * count + row - chunk, together);
    }
  });
}

bool has_integer_product(tensor::DType dtype) noexcept { return tensor::block_size(dtype) > 1 && dtype != tensor::DType::nf4; }

void matmul_integer(ThreadPool& pool, const ActivationBlocks& x, std::span<const IntegerProduct> products) noexcept {
  if (x.rows() == 0) return;
  for (; products.size() > kProductsMax; products = products.subspan(kProductsMax)) matmul_integer(pool, x, products.first(kProductsMax));
  IntegerJob jobs[kProductsMax];
  Grid grids[kProductsMax];
  size_t tasks = 0, work = 0;
  for (size_t i = 0; i < products.size(); ++i) {
    jobs[i] = job_of(x, products[i]);
    grids[i] = cut(jobs[i], 4 * pool.size());
    tasks += grids[i].tasks();
    work += jobs[i].rows * jobs[i].blocks * 32 * jobs[i].weight.rows;
  }
  const auto run = [&](size_t task) {
    size_t i = 0;
    for (; task >= grids[i].tasks(); ++i) task -= grids[i].tasks();
    run_task(jobs[i], grids[i], task);
  };
  if (work <= kSmallWork) {
    for (size_t task = 0; task < tasks; ++task) run(task);
    return;
  }
  pool.run(tasks, [&](size_t task, unsigned) { run(task); });
}

}  // namespace lyceum::kernels
