#include "kernels/integer.h"

#include <algorithm>

#include "kernels/split.h"
#include "kernels/table.h"

namespace lyceum::kernels {
namespace {

constexpr size_t kTaskBytes = 96 << 10;    // of weights: they stay in the L2 cache while the chunks of rows pass over them
constexpr size_t kOutputsMin = 16;         // outputs of a task
constexpr size_t kProductsMax = 128;       // of one loop
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
  job.x = x.group(product.group);
  job.rows = x.group_rows(product.group);
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

void ActivationBlocks::resize(size_t rows, size_t columns, std::span<const size_t> ends) {
  rows_ = rows;
  columns_ = columns;
  ends_.assign(ends.begin(), ends.end());
  if (blocks_.size() < rows_ * (columns_ / 32)) blocks_.resize(rows_ * (columns_ / 32));
}

ActivationBlocks::Place ActivationBlocks::place(size_t row) const noexcept {
  const auto group = static_cast<size_t>(std::upper_bound(ends_.begin(), ends_.end(), row) - ends_.begin());
  const size_t begin = begin_of(group), chunk = begin + (row - begin) / kActivationRows * kActivationRows;
  return {chunk * (columns_ / 32) + row - chunk, std::min(kActivationRows, ends_[group] - chunk)};
}

void ActivationBlocks::set(ThreadPool& pool, ConstRows x) { set_groups(pool, x, {&x.rows, 1}); }

void ActivationBlocks::set_groups(ThreadPool& pool, ConstRows x, std::span<const size_t> ends) {
  resize(x.rows, x.columns, ends);
  for_grains(pool, rows_, columns_, [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) {
      const Place to = place(row);
      table().activation_blocks(x.row(row), columns_ / 32, blocks_.data() + to.first, to.step);
    }
  });
}

void ActivationBlocks::gather(ThreadPool& pool, const ActivationBlocks& from, std::span<const int32_t> rows, std::span<const size_t> ends) {
  resize(rows.size(), from.columns_, ends);
  for_grains(pool, rows_, columns_, [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) {
      const Place to = place(row), source = from.place(static_cast<size_t>(rows[row]));
      for (size_t i = 0; i < columns_ / 32; ++i) blocks_[to.first + i * to.step] = from.blocks_[source.first + i * source.step];
    }
  });
}

bool has_integer_product(tensor::DType dtype) noexcept { return tensor::block_size(dtype) > 1 && dtype != tensor::DType::nf4; }

void matmul_integer(ThreadPool& pool, const ActivationBlocks& x, std::span<const IntegerProduct> products) noexcept {
  if (x.rows() == 0) return;
  for (; products.size() > kProductsMax; products = products.subspan(kProductsMax)) matmul_integer(pool, x, products.first(kProductsMax));
  IntegerJob jobs[kProductsMax];
  Grid grids[kProductsMax];
  size_t ends[kProductsMax];   // tasks of this product and those before it
  size_t tasks = 0, work = 0;
  const size_t wanted = std::min<size_t>(4, 1 + 12 / std::max<size_t>(1, products.size())) * pool.size();
  for (size_t i = 0; i < products.size(); ++i) {
    jobs[i] = job_of(x, products[i]);
    grids[i] = cut(jobs[i], wanted);
    ends[i] = tasks += grids[i].tasks();
    work += jobs[i].rows * jobs[i].blocks * 32 * jobs[i].weight.rows;
  }
  const auto run = [&](size_t task) {
    const auto i = static_cast<size_t>(std::upper_bound(ends, ends + products.size(), task) - ends);
    run_task(jobs[i], grids[i], i == 0 ? task : task - ends[i - 1]);
  };
  if (work <= kSmallWork) {
    for (size_t task = 0; task < tasks; ++task) run(task);
    return;
  }
  pool.run(tasks, [&](size_t task, unsigned) { run(task); });
}

}  // namespace lyceum::kernels
