#include "text/jinja/expressions.h"

#include <cmath>

namespace lyceum::text::jinja {
namespace {

[[noreturn]] void operand_error(std::string_view operation, const Value& left, const Value& right) {
  for (const Value* value : {&left, &right}) {
    if (const auto* missing = value->as_undefined()) {
      throw Error(Code::invalid_argument, "'" + missing->name + "' is undefined");
    }
  }
  throw Error(Code::invalid_argument, "unsupported operand types for " + std::string(operation) + ": '" +
                                          std::string(left.type_name()) + "' and '" + std::string(right.type_name()) +
                                          "'");
}

[[noreturn]] void overflow_error() {
  throw Error(Code::unsupported, "a whole number beyond 64 bits in a chat template is not supported");
}

Value add(const Value& left, const Value& right, Context& context) {
  if (left.as_string() != nullptr && right.as_string() != nullptr) {
    context.budget.text(left.as_string()->size() + right.as_string()->size());
    return *left.as_string() + *right.as_string();
  }
  if (const auto* a = left.as_list(), *b = right.as_list(); a != nullptr && b != nullptr && a->tuple == b->tuple) {
    context.budget.step(a->items.size() + b->items.size());
    std::vector<Value> items = a->items;
    items.insert(items.end(), b->items.begin(), b->items.end());
    return Value::list(std::move(items), a->tuple);
  }
  if (!left.is_number() || !right.is_number()) operand_error("+", left, right);
  if (!left.is_whole() || !right.is_whole()) return left.number() + right.number();
  int64_t result = 0;
  if (__builtin_add_overflow(left.whole(), right.whole(), &result)) overflow_error();
  return result;
}

Value repeat(const Value& value, int64_t count, Context& context) {
  const auto times = static_cast<size_t>(std::max<int64_t>(count, 0));
  if (const auto* text = value.as_string()) {
    if (times > 0 && text->size() > Budget::kTextBytesMax / times) context.budget.text(Budget::kTextBytesMax + 1);
    context.budget.text(text->size() * times);
    std::string out;
    for (size_t i = 0; i < times && !text->empty(); ++i) out += *text;
    return out;
  }
  const List& list = *value.as_list();
  if (list.items.empty()) return value;
  std::vector<Value> items;
  for (size_t i = 0; i < times; ++i) {
    context.budget.step(list.items.size());
    items.insert(items.end(), list.items.begin(), list.items.end());
  }
  return Value::list(std::move(items), list.tuple);
}

Value multiply(const Value& left, const Value& right, Context& context) {
  const auto repeatable = [](const Value& value) { return value.as_string() != nullptr || value.as_list() != nullptr; };
  if (repeatable(left) && right.is_whole()) return repeat(left, right.whole(), context);
  if (repeatable(right) && left.is_whole()) return repeat(right, left.whole(), context);
  if (!left.is_number() || !right.is_number()) operand_error("*", left, right);
  if (!left.is_whole() || !right.is_whole()) return left.number() * right.number();
  int64_t result = 0;
  if (__builtin_mul_overflow(left.whole(), right.whole(), &result)) overflow_error();
  return result;
}

// Python rounds the quotient down and gives the remainder the divisor's sign.
Value divide(std::string_view operation, const Value& left, const Value& right) {
  if (operation == "%" && left.as_string() != nullptr)
    throw Error(Code::unsupported, "formatting with % in a chat template is not supported");
  if (!left.is_number() || !right.is_number()) operand_error(operation, left, right);
  if (right.number() == 0) throw Error(Code::invalid_argument, "division by zero");
  if (operation == "/") return left.number() / right.number();
  if (!left.is_whole() || !right.is_whole()) {
    const double quotient = std::floor(left.number() / right.number());
    if (operation == "//") return quotient;
    const double rest = std::fmod(left.number(), right.number());
    return rest != 0 && (rest < 0) != (right.number() < 0) ? rest + right.number() : rest;
  }
  const int64_t a = left.whole();
  const int64_t b = right.whole();
  if (a == INT64_MIN && b == -1) overflow_error();
  const bool adjust = a % b != 0 && ((a < 0) != (b < 0));
  return operation == "//" ? a / b - (adjust ? 1 : 0) : a % b + (adjust ? b : 0);
}

Value power(const Value& left, const Value& right) {
  if (!left.is_number() || !right.is_number()) operand_error("**", left, right);
  if (!left.is_whole() || !right.is_whole() || right.whole() < 0) return std::pow(left.number(), right.number());
  int64_t result = 1;
  if (right.whole() > 64 && std::abs(left.number()) > 1) overflow_error();
  const int64_t exponent =
      right.whole() > 64 ? 64 + right.whole() % 2 : right.whole();  // of 0, 1 and -1 only the parity matters
  for (int64_t i = 0; i < exponent; ++i) {
    int64_t next = 0;
    if (__builtin_mul_overflow(result, left.whole(), &next)) overflow_error();
    result = next;
  }
  return result;
}

Value operate(std::string_view operation, const Value& left, const Value& right, Context& context) {
  if (operation == "+") return add(left, right, context);
  if (operation == "*") return multiply(left, right, context);
  if (operation == "**") return power(left, right);
  if (operation != "-") return divide(operation, left, right);
  if (!left.is_number() || !right.is_number()) operand_error("-", left, right);
  if (!left.is_whole() || !right.is_whole()) return left.number() - right.number();
  int64_t result = 0;
  if (__builtin_sub_overflow(left.whole(), right.whole(), &result)) overflow_error();
  return result;
}

bool holds(std::string_view operation, const Value& left, const Value& right, Context& context) {
  if (operation == "==") return equal(left, right, context.budget);
  if (operation == "!=") return !equal(left, right, context.budget);
  if (operation == "in") return contains(right, left, context.budget);
  if (operation == "not in") return !contains(right, left, context.budget);
  for (const Value* value : {&left, &right}) {
    if (value->is_undefined()) operand_error(operation, left, right);
    if (const auto* number = value->as_float(); number != nullptr && std::isnan(*number)) return false;
  }
  const int order = compare(left, right, context.budget);
  if (operation == "<") return order < 0;
  if (operation == "<=") return order <= 0;
  if (operation == ">") return order > 0;
  return order >= 0;
}

}  // namespace

Value evaluate(const Expression& expression, Context& context) {
  const Budget::Level level(context.budget);
  context.budget.step();
  context.line = expression.line;
  return expression.eval(context);
}

Arguments CallArguments::eval(Context& context) const {
  Arguments out;
  for (const auto& argument : positional) out.positional.push_back(evaluate(*argument, context));
  for (const auto& [name, argument] : named) out.named.emplace_back(name, evaluate(*argument, context));
  if (rest) {
    for (Value& value : to_items(evaluate(*rest, context), context.budget)) out.positional.push_back(std::move(value));
  }
  if (named_rest) {
    const Value value = evaluate(*named_rest, context);
    const Dict* dict = value.as_dict();
    if (dict == nullptr) throw Error(Code::invalid_argument, "the value after ** is not a mapping");
    for (const auto& [key, item] : dict->items) out.named.emplace_back(to_text(key, context.budget), item);
  }
  return out;
}

Value Sequence::eval(Context& context) const {
  std::vector<Value> values;
  values.reserve(items.size());
  for (const auto& item : items) values.push_back(evaluate(*item, context));
  return Value::list(std::move(values), tuple);
}

Value DictLiteral::eval(Context& context) const {
  std::vector<std::pair<Value, Value>> values;
  for (const auto& [key, value] : items) {
    Value evaluated = evaluate(*key, context);
    values.emplace_back(std::move(evaluated), evaluate(*value, context));
  }
  return Value::dict(std::move(values));
}

Value Item::eval(Context& context) const {
  const Value held = evaluate(*object, context);
  return get_item(context, held, evaluate(*key, context));
}

Value Slice::eval(Context& context) const {
  const auto part = [&](const ExpressionPtr& expression) {
    return expression ? evaluate(*expression, context) : Value(None{});
  };
  const Value held = evaluate(*object, context);
  const Value from = part(start);
  const Value to = part(stop);
  return slice(context, held, from, to, part(step));
}

Value Call::eval(Context& context) const {
  const Value function = evaluate(*callee, context);
  Arguments values = arguments.eval(context);
  context.line = line;
  return call(context, function, values);
}

Value FilterCall::eval(Context& context) const {
  const Value value = evaluate(*subject, context);
  Arguments values = arguments.eval(context);
  context.line = line;
  return filter(context, value, values);
}

Value TestCall::eval(Context& context) const {
  const Value value = evaluate(*subject, context);
  Arguments values = arguments.eval(context);
  context.line = line;
  return test(context, value, values) != negated;
}

Value Conditional::eval(Context& context) const {
  if (evaluate(*test, context).truthy()) return evaluate(*yes, context);
  if (no) return evaluate(*no, context);
  return Undefined{"the inline if-expression without else", ""};
}

Value Logical::eval(Context& context) const {
  Value value = evaluate(*left, context);
  return value.truthy() == is_and ? evaluate(*right, context) : value;
}

Value Comparison::eval(Context& context) const {
  Value left = evaluate(*first, context);
  for (const auto& [operation, operand] : rest) {
    Value right = evaluate(*operand, context);
    context.line = line;
    if (!holds(operation, left, right, context)) return false;
    left = std::move(right);
  }
  return true;
}

Value Concatenation::eval(Context& context) const {
  std::string out;
  for (const auto& part : parts) {
    out += to_text(evaluate(*part, context), context.budget);
    if (out.size() > Budget::kTextBytesMax) break;
  }
  context.budget.text(out.size());
  return out;
}

Value Arithmetic::eval(Context& context) const {
  Value value = evaluate(*first, context);
  for (const auto& [operation, operand] : rest) {
    const Value right = evaluate(*operand, context);
    context.line = line;
    value = operate(operation, value, right, context);
  }
  return value;
}

Value Sign::eval(Context& context) const {
  const Value value = evaluate(*operand, context);
  if (!value.is_number()) operand_error(negative ? "unary -" : "unary +", value, value);
  if (!value.is_whole()) return negative ? -value.number() : value.number();
  if (negative && value.whole() == INT64_MIN) overflow_error();
  return negative ? -value.whole() : value.whole();
}

}  // namespace lyceum::text::jinja
