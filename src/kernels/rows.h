// rows.h: the float matrices that kernels read and write: row-major, rows `stride` floats apart, columns contiguous.
#pragma once

#include <cstddef>

namespace lyceum::kernels {

struct Rows {
  float* data = nullptr;
  size_t rows = 0;
  size_t columns = 0;
  size_t stride = 0;  // floats from one row to the next, >= columns

  Rows() = default;
  Rows(float* data_in, size_t rows_in, size_t columns_in) : Rows(data_in, rows_in, columns_in, columns_in) {}
  Rows(float* data_in, size_t rows_in, size_t columns_in, size_t stride_in)
      : data(data_in), rows(rows_in), columns(columns_in), stride(stride_in) {}
  float* row(size_t index) const noexcept { return data + index * stride; }
};

struct ConstRows {
  const float* data = nullptr;
  size_t rows = 0;
  size_t columns = 0;
  size_t stride = 0;

  ConstRows() = default;
  ConstRows(const float* data_in, size_t rows_in, size_t columns_in) : ConstRows(data_in, rows_in, columns_in, columns_in) {}
  ConstRows(const float* data_in, size_t rows_in, size_t columns_in, size_t stride_in)
      : data(data_in), rows(rows_in), columns(columns_in), stride(stride_in) {}
  ConstRows(const Rows& rows_in) : ConstRows(rows_in.data, rows_in.rows, rows_in.columns, rows_in.stride) {}
  const float* row(size_t index) const noexcept { return data + index * stride; }
};

// Whether a result replaces what is there or is added to it.
enum class Write { set, add };

}  // namespace lyceum::kernels
