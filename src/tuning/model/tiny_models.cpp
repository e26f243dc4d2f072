#include "tuning/model/tiny_models.h"

#include "base/random.h"

namespace lyceum::tuning {

void fill_for_test(TrainModel& model, uint64_t seed) {
  Rng rng(seed);
  for (Parameter& parameter : model.parameters) {
    const bool norm = parameter.vector && parameter.name.find("norm") != std::string::npos;
    for (float& value : parameter.value) {
      value = static_cast<float>(norm ? 1.0 + 0.1 * rng.normal() : rng.normal() * (parameter.vector ? 0.1 : 0.25));
    }
  }
}

std::vector<Sample> samples_for_test(size_t vocab, uint64_t seed) {
  Rng rng(seed);
  std::vector<Sample> samples;
  for (const size_t length : {7, 11, 5}) {
    Sample& sample = samples.emplace_back();
    for (size_t i = 0; i < length; ++i) {
      sample.ids.push_back(static_cast<int32_t>(rng.below(vocab)));
      sample.labelled.push_back(rng.below(4) != 0 || i + 1 == length);
    }
  }
  return samples;
}

}  // namespace lyceum::tuning
