#include "base/error.h"
#include "text/components.h"
#include "text/model.h"

namespace lyceum::text {
namespace {

int32_t checked_id(const json::value& value) {
  const auto id = value.is_int64() ? value.get_int64() : -1;
  if (id < 0 || id > kTokenIdMax)
    throw Error(Code::invalid_argument, "a special token id in the tokenizer's post_processor is not a valid id");
  return static_cast<int32_t>(id);
}

class NothingPostProcessor final : public PostProcessor {
 public:
  void apply(std::vector<int32_t>&) const override {}
};

// The template for one sequence, flattened: ids, and kSequence where the text's own ids go.
class TemplatePostProcessor final : public PostProcessor {
 public:
  explicit TemplatePostProcessor(const json::object& spec) {
    const json::object* special = find_object(spec, "special_tokens");
    for (const json::value& item : component_list(spec, "single"))
      add(get_object(item, "post_processor.single"), special);
  }

  void apply(std::vector<int32_t>& ids) const override {
    std::vector<int32_t> out;
    out.reserve(ids.size() + parts_.size());
    for (const int32_t part : parts_) {
      if (part == kSequence)
        out.insert(out.end(), ids.begin(), ids.end());
      else
        out.push_back(part);
    }
    ids = std::move(out);
  }

 private:
  static constexpr int32_t kSequence = -1;

  void add(const json::object& item, const json::object* special) {
    if (const json::object* sequence = find_object(item, "Sequence")) {
      if (get_string(*sequence, "id") != "A")
        throw Error(Code::invalid_argument, "post_processor.single may only use sequence A");
      parts_.push_back(kSequence);
      return;
    }
    const json::object* token = find_object(item, "SpecialToken");
    if (token == nullptr)
      throw Error(Code::unsupported, "post_processor.single has a part that is neither Sequence nor SpecialToken");
    const std::string name = get_string(*token, "id");
    const json::object* entry = special == nullptr ? nullptr : find_object(*special, name);
    const json::array* ids = entry == nullptr ? nullptr : find_array(*entry, "ids");
    if (ids == nullptr)
      throw Error(Code::invalid_argument, "post_processor uses special token '" + name + "' without defining its ids");
    for (const json::value& id : *ids) parts_.push_back(checked_id(id));
  }

  std::vector<int32_t> parts_;
};

class BertPostProcessor final : public PostProcessor {
 public:
  explicit BertPostProcessor(const json::object& spec) : first_(pair_id(spec, "cls")), last_(pair_id(spec, "sep")) {}
  void apply(std::vector<int32_t>& ids) const override {
    ids.insert(ids.begin(), first_);
    ids.push_back(last_);
  }

 private:
  static int32_t pair_id(const json::object& spec, std::string_view key) {
    const json::array* pair = find_array(spec, key);
    if (pair == nullptr || pair->size() != 2)
      throw Error(Code::invalid_argument, "post_processor." + std::string(key) + " is not [token, id]");
    return checked_id((*pair)[1]);
  }
  int32_t first_, last_;
};

class SequencePostProcessor final : public PostProcessor {
 public:
  explicit SequencePostProcessor(const json::object& spec) {
    for (const json::value& part : component_list(spec, "processors"))
      parts_.push_back(make_post_processor(get_object(part, "post-processor")));
  }
  void apply(std::vector<int32_t>& ids) const override {
    for (const auto& part : parts_) part->apply(ids);
  }

 private:
  std::vector<std::unique_ptr<PostProcessor>> parts_;
};

template <typename Kind>
std::unique_ptr<PostProcessor> plain(const json::object&) {
  return std::make_unique<Kind>();
}
template <typename Kind>
std::unique_ptr<PostProcessor> configured(const json::object& spec) {
  return std::make_unique<Kind>(spec);
}

struct Entry {
  std::string_view type;
  std::unique_ptr<PostProcessor> (*make)(const json::object&);
};
constexpr std::array<Entry, 5> kPostProcessors = {{
    {"Sequence", configured<SequencePostProcessor>},
    {"TemplateProcessing", configured<TemplatePostProcessor>},
    {"ByteLevel", plain<NothingPostProcessor>},  // it only moves character offsets, which we do not report
    {"BertProcessing", configured<BertPostProcessor>},
    {"RobertaProcessing", configured<BertPostProcessor>},
}};

}  // namespace

std::unique_ptr<PostProcessor> make_post_processor(const json::object& spec) {
  const std::string type = get_string(spec, "type");
  for (const Entry& entry : kPostProcessors) {
    if (entry.type == type) return entry.make(spec);
  }
  throw Error(Code::unsupported, "tokenizer post-processor '" + type + "' is not supported");
}

}  // namespace lyceum::text
