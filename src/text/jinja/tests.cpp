// The tests after "is".
#include <algorithm>
#include <array>

#include "text/jinja/context.h"
#include "text/jinja/text_functions.h"

namespace lyceum::text::jinja {
namespace {

const Value& only_argument(Arguments& arguments) {
  if (arguments.positional.size() != 1 || !arguments.named.empty())
    throw Error(Code::invalid_argument, "this test needs exactly one argument");
  return arguments.positional.front();
}

template <bool (*test)(const Value&)>
bool simple(Context&, const Value& value, Arguments& arguments) {
  if (!arguments.positional.empty() || !arguments.named.empty())
    throw Error(Code::invalid_argument, "this test takes no argument");
  return test(value);
}

bool defined(const Value& value) { return !value.is_undefined(); }
bool undefined(const Value& value) { return value.is_undefined(); }
bool none(const Value& value) { return value.is_none(); }
bool text(const Value& value) { return value.as_string() != nullptr; }
bool number(const Value& value) { return value.is_number(); }
bool integer(const Value& value) { return value.as_int() != nullptr; }
bool real(const Value& value) { return value.as_float() != nullptr; }
bool boolean(const Value& value) { return value.as_bool() != nullptr; }
bool is_true(const Value& value) { return value.as_bool() != nullptr && *value.as_bool(); }
bool is_false(const Value& value) { return value.as_bool() != nullptr && !*value.as_bool(); }
bool mapping(const Value& value) { return value.as_dict() != nullptr; }
bool sequence(const Value& value) { return text(value) || mapping(value) || value.as_list() != nullptr; }
bool iterable(const Value& value) { return sequence(value) || value.is_undefined(); }
bool is_callable(const Value& value) { return value.as_callable() != nullptr || value.is_undefined(); }
bool escaped(const Value&) { return false; }

bool cased(const Value& value, std::string (*change)(std::string_view)) {
  Budget budget;
  const std::string held = to_text(value, budget);
  return change(held) == held && lower(held) != upper(held);
}
bool is_lower(const Value& value) { return cased(value, lower); }
bool is_upper(const Value& value) { return cased(value, upper); }

int64_t remainder(const Value& value, int64_t divisor) {
  if (!value.is_whole())
    throw Error(Code::invalid_argument, "this test needs whole numbers, not " + std::string(value.type_name()));
  if (divisor == 0) throw Error(Code::invalid_argument, "division by zero");
  return divisor == -1 ? 0 : value.whole() % divisor;
}
bool even(const Value& value) { return remainder(value, 2) == 0; }
bool odd(const Value& value) { return remainder(value, 2) != 0; }

bool divisible(Context&, const Value& value, Arguments& arguments) {
  const Value& divisor = only_argument(arguments);
  if (!divisor.is_whole()) throw Error(Code::invalid_argument, "divisibleby needs a whole number");
  return remainder(value, divisor.whole()) == 0;
}
bool equals(Context& context, const Value& value, Arguments& arguments) {
  return equal(value, only_argument(arguments), context.budget);
}
bool differs(Context& context, const Value& value, Arguments& arguments) {
  return !equal(value, only_argument(arguments), context.budget);
}
bool less(Context& context, const Value& value, Arguments& arguments) {
  return compare(value, only_argument(arguments), context.budget) < 0;
}
bool at_most(Context& context, const Value& value, Arguments& arguments) {
  return compare(value, only_argument(arguments), context.budget) <= 0;
}
bool greater(Context& context, const Value& value, Arguments& arguments) {
  return compare(value, only_argument(arguments), context.budget) > 0;
}
bool at_least(Context& context, const Value& value, Arguments& arguments) {
  return compare(value, only_argument(arguments), context.budget) >= 0;
}
bool within(Context& context, const Value& value, Arguments& arguments) {
  return contains(only_argument(arguments), value, context.budget);
}

// Identity: meant for none and booleans, where it is equality of type and value.
bool same(Context& context, const Value& value, Arguments& arguments) {
  const Value& other = only_argument(arguments);
  return value.type_name() == other.type_name() && equal(value, other, context.budget);
}
bool known_filter(Context& context, const Value& value, Arguments&) {
  return find_filter(to_text(value, context.budget)) != nullptr;
}
bool known_test(Context& context, const Value& value, Arguments&) {
  return find_test(to_text(value, context.budget)) != nullptr;
}

struct Entry {
  std::string_view name;
  Test test;
};
constexpr std::array<Entry, 39> kTests = {{
    {"defined", simple<defined>},
    {"undefined", simple<undefined>},
    {"none", simple<none>},
    {"string", simple<text>},
    {"number", simple<number>},
    {"integer", simple<integer>},
    {"float", simple<real>},
    {"boolean", simple<boolean>},
    {"true", simple<is_true>},
    {"false", simple<is_false>},
    {"mapping", simple<mapping>},
    {"sequence", simple<sequence>},
    {"iterable", simple<iterable>},
    {"callable", simple<is_callable>},
    {"escaped", simple<escaped>},
    {"lower", simple<is_lower>},
    {"upper", simple<is_upper>},
    {"even", simple<even>},
    {"odd", simple<odd>},
    {"divisibleby", divisible},
    {"equalto", equals},
    {"eq", equals},
    {"==", equals},
    {"ne", differs},
    {"!=", differs},
    {"lt", less},
    {"lessthan", less},
    {"<", less},
    {"le", at_most},
    {"<=", at_most},
    {"gt", greater},
    {"greaterthan", greater},
    {">", greater},
    {"ge", at_least},
    {">=", at_least},
    {"in", within},
    {"sameas", same},
    {"filter", known_filter},
    {"test", known_test},
}};

}  // namespace

Test find_test(std::string_view name) {
  for (const Entry& entry : kTests) {
    if (entry.name == name) return entry.test;
  }
  return nullptr;
}

}  // namespace lyceum::text::jinja
