#include "tuning/model/embedding_noise.h"

#include <cmath>

#include "base/random.h"

namespace lyceum::tuning {

void add_embedding_noise(ThreadPool& pool, kernels::Rows x, std::span<const Segment> segments, double alpha, uint64_t key) {
  pool.run(segments.size(), [&](size_t i, unsigned) {
    const Segment& segment = segments[i];
    const double size = alpha / std::sqrt(static_cast<double>(segment.end - segment.begin) * static_cast<double>(x.columns));
    for (size_t row = segment.begin; row < segment.end; ++row) {
      Rng rng(Rng(key ^ 0x4e4546547565ULL).next() + row * 0xd1342543de82ef95ULL);
      for (size_t column = 0; column < x.columns; ++column) x.row(row)[column] += static_cast<float>((2 * rng.uniform() - 1) * size);
    }
  });
}

}  // namespace lyceum::tuning
