// sample.h: what the data side hands to the trainer. A sample is one document (a chat, a piece of a file); a row holds whole
// samples side by side up to the sequence length; a batch is one or more rows laid end to end, without padding.
//
//   row:        [ sample 0            ][ sample 1   ][ sample 2      ]
//   positions:    0 1 2 3 4 5 6 7 8 9    0 1 2 3 4 5   0 1 2 3 4 5 6
//   target[t]:    ids[t + 1] where t + 1 is in the same sample and labelled, else kNoTarget
//
// A preference pair is one sample of two documents, which become two segments side by side: chosen, then rejected. So is an example of KTO: prompt and
// answer, then the prompt with the answer of another example.
// Attention never crosses a segment border, so a packed row gives the same loss as its samples one by one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace lyceum::tuning {

inline constexpr int32_t kNoTarget = -1;

struct Sample {
  std::vector<int32_t> ids;
  std::vector<uint8_t> labelled;   // same length; not 0 = token i is learned (predicted from what precedes it); 2 = of a preference
                                   // pair, but no part of the answers that are compared (ORPO learns the chosen prompt, too)
  size_t split = 0;                // a preference pair: where the rejected document begins; 0 = one document
  bool desirable = true;           // KTO: its second document is its prompt with the answer of another example
  bool mismatched = false;         // KTO: so it is
  size_t labels() const noexcept;  // how many targets it gives: labelled tokens except the first
};

struct Segment {
  uint32_t begin = 0;
  uint32_t end = 0;
  bool desirable = true;
};

struct Row {
  std::vector<int32_t> ids;
  std::vector<int32_t> targets;
  std::vector<uint8_t> answers;    // like targets: 1 where the target is of an answer (or of an ordinary sample)
  std::vector<Segment> segments;
};

struct Batch {
  std::vector<int32_t> ids;
  std::vector<int32_t> positions;
  std::vector<int32_t> targets;
  std::vector<uint8_t> answers;
  std::vector<Segment> segments;
  size_t tokens() const noexcept { return ids.size(); }
  size_t labels() const noexcept;
};

void append_sample(Row& row, const Sample& sample);
void append_row(Batch& batch, const Row& row);
// The documents at first, first + 2, … of a batch.
Batch every_second_segment(const Batch& batch, size_t first);

// Where samples come from. make() may give an empty sample, which is nothing in that epoch. make(index, epoch) is a pure function of its arguments and the seed given at construction, so
// that a resumed run sees the same data; any thread.
class SampleSource {
 public:
  virtual ~SampleSource() = default;
  virtual size_t count() const = 0;
  virtual Sample make(size_t index, uint64_t epoch) const = 0;
};

// The same samples in every epoch.
std::shared_ptr<const SampleSource> make_fixed_source(std::vector<Sample> samples);

}  // namespace lyceum::tuning
