// The global functions: Jinja's range, dict and namespace, transformers' raise_exception and strftime_now.
#include <ctime>

#include "text/jinja/context.h"

namespace lyceum::text::jinja {
namespace {

constexpr int64_t kRangeMax = 100'000;  // as in Jinja's sandbox

Value range(Context& context, Arguments& arguments) {
  const auto& given = arguments.positional;
  if (given.empty() || given.size() > 3 || !arguments.named.empty())
    throw Error(Code::invalid_argument, "range() takes one to three numbers");
  for (const Value& value : given) {
    if (!value.is_whole())
      throw Error(Code::invalid_argument,
                  "'" + std::string(value.type_name()) + "' object cannot be interpreted as an integer");
  }
  const int64_t start = given.size() == 1 ? 0 : given[0].whole();
  const int64_t stop = given.size() == 1 ? given[0].whole() : given[1].whole();
  const int64_t step = given.size() == 3 ? given[2].whole() : 1;
  if (step == 0) throw Error(Code::invalid_argument, "range() arg 3 must not be zero");
  constexpr int64_t kFar = int64_t{1} << 60;
  if (start > kFar || start < -kFar || stop > kFar || stop < -kFar || step > kFar || step < -kFar)
    throw Error(Code::unprocessable, "range too big");
  const int64_t distance = step > 0 ? stop - start : start - stop;
  const int64_t stride = step > 0 ? step : -step;
  const int64_t count = distance <= 0 ? 0 : (distance - 1) / stride + 1;
  if (count > kRangeMax) throw Error(Code::unprocessable, "range too big: the sandbox allows 100000 items");
  context.budget.step(static_cast<size_t>(count));
  std::vector<Value> items;
  for (int64_t i = 0; i < count; ++i) items.emplace_back(start + i * step);
  return Value::list(std::move(items));
}

std::vector<std::pair<Value, Value>> pairs(Context& context, Arguments& arguments) {
  std::vector<std::pair<Value, Value>> out;
  if (arguments.positional.size() > 1) throw Error(Code::invalid_argument, "expected at most 1 argument");
  if (!arguments.positional.empty()) {
    const Value& from = arguments.positional.front();
    if (const Dict* dict = from.as_dict()) {
      out = dict->items;
    } else {
      for (const Value& item : to_items(from, context.budget)) {
        const std::vector<Value> pair = to_items(item, context.budget);
        if (pair.size() != 2) throw Error(Code::invalid_argument, "dictionary update sequence needs pairs");
        out.emplace_back(pair[0], pair[1]);
      }
    }
  }
  for (auto& [name, value] : arguments.named) out.emplace_back(Value(name), value);
  context.budget.step(out.size());
  return out;
}

Value make_space(Context& context, Arguments& arguments) {
  auto space = context.make_namespace();
  for (auto& [key, value] : pairs(context, arguments)) {
    const std::string name = to_text(key, context.budget);
    if (name.starts_with('_')) throw Error(Code::invalid_argument, "a namespace attribute may not begin with '_'");
    space->attributes.insert_or_assign(name, value);
  }
  return space;
}

Value raise_exception(Context& context, Arguments& arguments) {
  const Parameters given(arguments, "raise_exception()", {"message"});
  throw Error(Code::invalid_argument, given.text(0, "", context.budget));
}

Value strftime_now(Context& context, Arguments& arguments) {
  const Parameters given(arguments, "strftime_now()", {"format"});
  given.require(0);
  const std::string format =
      given.text(0, "", context.budget) + "!";  // the mark tells an empty result from a full buffer
  if (format.size() > 256) throw Error(Code::invalid_argument, "strftime_now()'s format is over 255 bytes");
  const auto seconds = static_cast<std::time_t>(context.now_ms() / 1000);
  std::tm local{};
  localtime_r(&seconds, &local);
  char buffer[4096];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  const size_t length = std::strftime(buffer, sizeof buffer, format.c_str(), &local);
#pragma GCC diagnostic pop
  if (length == 0) throw Error(Code::invalid_argument, "strftime_now()'s result is too long");
  return std::string(buffer, length - 1);
}

using Function = Value (*)(Context&, Arguments&);
constexpr std::pair<std::string_view, Function> kFunctions[] = {
    {"range", range},
    {"dict", [](Context& context, Arguments& arguments) { return Value::dict(pairs(context, arguments)); }},
    {"namespace", make_space},
    {"raise_exception", raise_exception},
    {"strftime_now", strftime_now},
};

}  // namespace

void define_globals(Context& context) {
  for (const auto& [name, function] : kFunctions) {
    context.set(name, make_callable(std::string(name), [&context, function = function](Arguments& arguments) {
                  return function(context, arguments);
                }));
  }
}

}  // namespace lyceum::text::jinja
