#include "engine/full_attention.h"

#include <cmath>
#include <cstring>

#include "kernels/elementwise.h"
#include "kernels/matmul.h"

namespace lyceum::engine {

using kernels::ConstRows;
using kernels::Rows;

void FullAttention::run(ThreadPool& pool, size_t heads, ConstRows q, ConstRows k, ConstRows v, Rows out) {
  const size_t rows = q.rows, width = q.columns / heads;
  const auto room = [](std::vector<float>& buffer, size_t count) {
    if (buffer.size() < count) buffer.resize(count);
    return buffer.data();
  };
  float* keys = room(keys_, rows * width);
  float* values = room(values_, rows * width);
  const Rows scores(room(scores_, rows * rows), rows, rows);
  for (size_t head = 0; head < heads; ++head) {
    const size_t begin = head * width;
    for (size_t i = 0; i < rows; ++i) {
      std::memcpy(keys + i * width, k.row(i) + begin, width * sizeof(float));
      for (size_t j = 0; j < width; ++j) values[j * rows + i] = v.row(i)[begin + j];
    }
    kernels::matmul(pool, ConstRows(q.data + begin, rows, width, q.stride), kernels::f32_view(keys, rows, width), nullptr, scores);
    kernels::softmax(pool, scores, 1.0f / std::sqrt(static_cast<float>(width)));
    kernels::matmul(pool, scores, kernels::f32_view(values, width, rows), nullptr, Rows(out.data + begin, rows, width, out.stride));
  }
}

}  // namespace lyceum::engine
