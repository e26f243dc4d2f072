#include "tuning/data/pack.h"

#include <numeric>

#include "base/error.h"
#include "base/random.h"

namespace lyceum::tuning {

namespace {

// How many rows may still take samples at once. Wide enough to fill rows to within a few per cent, and small enough that
// packing stays linear.
constexpr size_t kOpenRowsMax = 64;

std::vector<size_t> epoch_order(size_t count, const PackOptions& options, uint64_t epoch) {
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  if (!options.shuffle) return order;
  Rng rng(options.seed * 0x9e3779b97f4a7c15ULL + epoch + 1);
  for (size_t i = count; i > 1; --i) std::swap(order[i - 1], order[rng.below(i)]);
  return order;
}

}  // namespace

size_t Sample::labels() const noexcept {
  size_t count = 0;
  for (size_t i = 1; i < labelled.size(); ++i) count += labelled[i] != 0 && i != split;
  return count;
}

size_t Batch::labels() const noexcept {
  size_t count = 0;
  for (const int32_t target : targets) count += target != kNoTarget;
  return count;
}

void append_sample(Row& row, const Sample& sample) {
  LYCEUM_CHECK(sample.ids.size() == sample.labelled.size(), "one label flag per token");
  const auto begin = static_cast<uint32_t>(row.ids.size());
  row.ids.insert(row.ids.end(), sample.ids.begin(), sample.ids.end());
  for (size_t i = 1; i < sample.ids.size(); ++i) row.targets.push_back(sample.labelled[i] && i != sample.split ? sample.ids[i] : kNoTarget);
  if (!sample.ids.empty()) row.targets.push_back(kNoTarget);
  for (size_t i = 1; i <= sample.ids.size(); ++i) row.answers.push_back(i < sample.ids.size() && sample.labelled[i] == 1);
  const auto border = static_cast<uint32_t>(begin + sample.split), end = static_cast<uint32_t>(row.ids.size());
  if (sample.split > 0) row.segments.push_back({begin, border, sample.desirable});
  row.segments.push_back({border, end, sample.desirable});
}

namespace {

class FixedSource final : public SampleSource {
 public:
  explicit FixedSource(std::vector<Sample> samples) : samples_(std::move(samples)) {}
  size_t count() const override { return samples_.size(); }
  Sample make(size_t index, uint64_t) const override { return samples_[index]; }

 private:
  std::vector<Sample> samples_;
};

}  // namespace

std::shared_ptr<const SampleSource> make_fixed_source(std::vector<Sample> samples) { return std::make_shared<FixedSource>(std::move(samples)); }

void append_row(Batch& batch, const Row& row) {
  const auto offset = static_cast<uint32_t>(batch.ids.size());
  batch.ids.insert(batch.ids.end(), row.ids.begin(), row.ids.end());
  batch.targets.insert(batch.targets.end(), row.targets.begin(), row.targets.end());
  batch.answers.insert(batch.answers.end(), row.answers.begin(), row.answers.end());
  for (const Segment& segment : row.segments) {
    batch.segments.push_back({segment.begin + offset, segment.end + offset, segment.desirable});
    for (uint32_t i = segment.begin; i < segment.end; ++i) batch.positions.push_back(static_cast<int32_t>(i - segment.begin));
  }
}

Batch every_second_segment(const Batch& batch, size_t first) {
  Batch out;
  for (size_t i = first; i < batch.segments.size(); i += 2) {
    const Segment& from = batch.segments[i];
    const auto begin = static_cast<uint32_t>(out.ids.size());
    const auto take = [&](const auto& source, auto& target) { target.insert(target.end(), source.begin() + from.begin, source.begin() + from.end); };
    take(batch.ids, out.ids);
    take(batch.positions, out.positions);
    take(batch.targets, out.targets);
    take(batch.answers, out.answers);
    out.segments.push_back({begin, static_cast<uint32_t>(out.ids.size()), from.desirable});
  }
  return out;
}

std::vector<Row> pack_rows(const std::vector<Sample>& samples, const PackOptions& options) {
  std::vector<Row> rows;
  size_t first_open = 0;
  for (const Sample& sample : samples) {
    LYCEUM_CHECK(sample.ids.size() <= options.sequence_length, "a sample fits a row");
    size_t target = rows.size();
    if (options.packing) {
      for (size_t i = first_open; i < rows.size() && target == rows.size(); ++i) {
        if (rows[i].ids.size() + sample.ids.size() <= options.sequence_length) target = i;
      }
    }
    if (target == rows.size()) {
      rows.emplace_back();
      if (rows.size() - first_open > kOpenRowsMax) ++first_open;
    }
    append_sample(rows[target], sample);
  }
  return rows;
}

RowStream::RowStream(std::shared_ptr<const SampleSource> source, const PackOptions& options, Cursor start)
    : source_(std::move(source)), options_(options), cursor_(start) {
  if (source_->count() == 0) throw Error(Code::unprocessable, "the training data is empty: no sample was left after filtering");
  load_epoch();
  LYCEUM_CHECK(cursor_.row <= rows_.size(), "the data cursor lies inside its epoch");
}

void RowStream::load_epoch() {
  std::vector<Sample> samples;
  size_t labels = 0;
  for (const size_t index : epoch_order(source_->count(), options_, cursor_.epoch)) {
    Sample sample = source_->make(index, cursor_.epoch);
    if (sample.ids.empty()) continue;
    labels += sample.labels();
    samples.push_back(std::move(sample));
  }
  if (labels == 0) {
    throw Error(Code::unprocessable, "no token of the training data is labelled, so there is nothing to learn: check the roles and the chat template");
  }
  rows_ = pack_rows(samples, options_);
}

Row RowStream::next() {
  if (cursor_.row == rows_.size()) {
    ++cursor_.epoch;
    cursor_.row = 0;
    load_epoch();
  }
  return rows_[cursor_.row++];
}

}  // namespace lyceum::tuning
