// The filters that go through a sequence: sorting, choosing, joining.
#include <algorithm>
#include <optional>
#include <utility>

#include "text/jinja/context.h"
#include "text/jinja/text_functions.h"

namespace lyceum::text::jinja {
namespace {

// "a.b.0": attributes and indices, one after the other. An integer argument is an index.
Value follow(Context& context, Value value, const Value& path) {
  if (path.as_string() == nullptr) return get_item(context, value, path);
  for (const std::string& part : split(*path.as_string(), ".", -1, false)) {
    const bool index = !part.empty() && part.size() < 10 && part.find_first_not_of("0123456789") == std::string::npos;
    value = index ? get_item(context, value, Value(static_cast<int64_t>(std::stoll(part))))
                  : get_item(context, value, Value(part));
  }
  return value;
}

Value follow_optional(Context& context, const Value& value, const Value* path) {
  return path == nullptr || path->is_none() ? value : follow(context, value, *path);
}

Value folded(const Value& value, bool case_sensitive) {
  return case_sensitive || value.as_string() == nullptr ? value : Value(lower(*value.as_string()));
}

// Sorts by keys made once; the comparison charges the budget, so a long list costs what it should.
std::vector<Value> sorted_by(Context& context, std::vector<Value> items, std::vector<Value> keys, bool reverse) {
  std::vector<size_t> order(items.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::stable_sort(order, [&](size_t a, size_t b) {
    const int difference = compare(keys[a], keys[b], context.budget);
    return reverse ? difference > 0 : difference < 0;
  });
  std::vector<Value> out;
  for (const size_t i : order) out.push_back(items[i]);
  return out;
}

Value choose(Context& context, const Value& value, Arguments& arguments, bool by_attribute, bool wanted) {
  std::optional<Value> path;
  auto& given = arguments.positional;
  if (by_attribute) {
    if (given.empty()) throw Error(Code::invalid_argument, "selectattr needs the name of an attribute");
    path = given.front();
    given.erase(given.begin());
  }
  Test test = nullptr;
  if (!given.empty()) {
    const std::string name = to_text(given.front(), context.budget);
    test = find_test(name);
    if (test == nullptr) throw Error(Code::unsupported, "test '" + name + "' is not supported");
    given.erase(given.begin());
  }
  std::vector<Value> kept;
  for (const Value& item : to_items(value, context.budget)) {
    const Value subject = path ? follow(context, item, *path) : item;
    Arguments rest = arguments;
    const bool holds = test == nullptr ? subject.truthy() : test(context, subject, rest);
    if (holds == wanted) kept.push_back(item);
  }
  return Value::list(std::move(kept));
}

Value extreme(Context& context, const Value& value, Arguments& arguments, int sign) {
  const Parameters given(arguments, sign < 0 ? "min" : "max", {"case_sensitive", "attribute"});
  const std::vector<Value> items = to_items(value, context.budget);
  if (items.empty()) return Undefined{"No aggregated item, sequence was empty.", ""};
  const auto key = [&](const Value& item) {
    return folded(follow_optional(context, item, given.find(1)), given.flag(0, false));
  };
  size_t best = 0;
  for (size_t i = 1; i < items.size(); ++i) {
    if (compare(key(items[i]), key(items[best]), context.budget) * sign > 0) best = i;
  }
  return items[best];
}

}  // namespace

Value filter_join(Context& context, const Value& value, Arguments& arguments) {
  const Parameters given(arguments, "join", {"d", "attribute"});
  const std::string mark = given.text(0, "", context.budget);
  std::string out;
  bool first = true;
  for (const Value& item : to_items(value, context.budget)) {
    if (!std::exchange(first, false)) out += mark;
    out += to_text(follow_optional(context, item, given.find(1)), context.budget);
    if (out.size() > Budget::kTextBytesMax) break;
  }
  context.budget.text(out.size());
  return out;
}

Value filter_sort(Context& context, const Value& value, Arguments& arguments) {
  const Parameters given(arguments, "sort", {"reverse", "case_sensitive", "attribute"});
  std::vector<Value> items = to_items(value, context.budget);
  std::vector<Value> keys;
  for (const Value& item : items)
    keys.push_back(folded(follow_optional(context, item, given.find(2)), given.flag(1, false)));
  return Value::list(sorted_by(context, std::move(items), std::move(keys), given.flag(0, false)));
}

Value filter_unique(Context& context, const Value& value, Arguments& arguments) {
  const Parameters given(arguments, "unique", {"case_sensitive", "attribute"});
  std::vector<Value> kept;
  std::vector<Value> seen;
  for (const Value& item : to_items(value, context.budget)) {
    Value key = folded(follow_optional(context, item, given.find(1)), given.flag(0, false));
    const bool known = std::ranges::any_of(seen, [&](const Value& other) { return equal(other, key, context.budget); });
    if (known) continue;
    seen.push_back(std::move(key));
    kept.push_back(item);
  }
  return Value::list(std::move(kept));
}

Value filter_dictsort(Context& context, const Value& value, Arguments& arguments) {
  const Parameters given(arguments, "dictsort", {"case_sensitive", "by", "reverse"});
  const std::string by = given.text(1, "key", context.budget);
  if (by != "key" && by != "value")
    throw Error(Code::invalid_argument, "You can only sort by either \"key\" or \"value\"");
  const Dict* dict = value.as_dict();
  if (dict == nullptr)
    throw Error(Code::invalid_argument, "dictsort needs a mapping, not " + std::string(value.type_name()));
  std::vector<Value> items;
  std::vector<Value> keys;
  for (const auto& [key, item] : dict->items) {
    items.push_back(Value::list({key, item}, true));
    keys.push_back(folded(by == "key" ? key : item, given.flag(0, false)));
  }
  return Value::list(sorted_by(context, std::move(items), std::move(keys), given.flag(2, false)));
}

Value filter_map(Context& context, const Value& value, Arguments& arguments) {
  std::vector<Value> out;
  if (arguments.positional.empty()) {
    const Parameters given(arguments, "map", {"attribute", "default"});
    for (const Value& item : to_items(value, context.budget)) {
      Value found = follow(context, item, given.require(0));
      if (found.is_undefined() && given.find(1) != nullptr) found = *given.find(1);
      out.push_back(std::move(found));
    }
    return Value::list(std::move(out));
  }
  const std::string name = to_text(arguments.positional.front(), context.budget);
  const Filter filter = find_filter(name);
  if (filter == nullptr) throw Error(Code::unsupported, "filter '" + name + "' is not supported");
  arguments.positional.erase(arguments.positional.begin());
  for (const Value& item : to_items(value, context.budget)) {
    Arguments rest = arguments;
    out.push_back(filter(context, item, rest));
  }
  return Value::list(std::move(out));
}

Value filter_select(Context& context, const Value& value, Arguments& arguments) {
  return choose(context, value, arguments, false, true);
}
Value filter_reject(Context& context, const Value& value, Arguments& arguments) {
  return choose(context, value, arguments, false, false);
}
Value filter_selectattr(Context& context, const Value& value, Arguments& arguments) {
  return choose(context, value, arguments, true, true);
}
Value filter_rejectattr(Context& context, const Value& value, Arguments& arguments) {
  return choose(context, value, arguments, true, false);
}

Value filter_sum(Context& context, const Value& value, Arguments& arguments) {
  const Parameters given(arguments, "sum", {"attribute", "start"});
  int64_t whole = given.find(1) != nullptr && given.find(1)->is_whole() ? given.find(1)->whole() : 0;
  double real = given.find(1) != nullptr && given.find(1)->as_float() != nullptr ? *given.find(1)->as_float() : 0;
  bool exact = given.find(1) == nullptr || given.find(1)->is_whole();
  for (const Value& item : to_items(value, context.budget)) {
    const Value number = follow_optional(context, item, given.find(0));
    if (!number.is_number())
      throw Error(Code::invalid_argument, "sum needs numbers, not " + std::string(number.type_name()));
    if (exact && number.is_whole()) {
      if (__builtin_add_overflow(whole, number.whole(), &whole))
        throw Error(Code::unsupported, "a sum beyond 64 bits in a chat template is not supported");
      continue;
    }
    if (exact) real = static_cast<double>(whole);
    exact = false;
    real += number.number();
  }
  return exact ? Value(whole) : Value(real);
}

Value filter_min(Context& context, const Value& value, Arguments& arguments) {
  return extreme(context, value, arguments, -1);
}
Value filter_max(Context& context, const Value& value, Arguments& arguments) {
  return extreme(context, value, arguments, 1);
}

Value filter_batch(Context& context, const Value& value, Arguments& arguments) {
  const Parameters given(arguments, "batch", {"linecount", "fill_with"});
  const int64_t size = given.whole(0, 0);
  if (size <= 0 || size > 100'000) throw Error(Code::invalid_argument, "batch needs a size between 1 and 100000");
  std::vector<Value> batches;
  std::vector<Value> batch;
  for (const Value& item : to_items(value, context.budget)) {
    batch.push_back(item);
    if (static_cast<int64_t>(batch.size()) == size) batches.push_back(Value::list(std::exchange(batch, {})));
  }
  if (!batch.empty()) {
    const Value* fill = given.find(1);
    context.budget.step(static_cast<size_t>(size));
    while (fill != nullptr && !fill->is_none() && static_cast<int64_t>(batch.size()) < size) batch.push_back(*fill);
    batches.push_back(Value::list(std::move(batch)));
  }
  return Value::list(std::move(batches));
}

Value filter_groupby(Context& context, const Value& value, Arguments& arguments) {
  const Parameters given(arguments, "groupby", {"attribute", "default", "case_sensitive"});
  std::vector<Value> items = to_items(value, context.budget);
  const auto key_of = [&](const Value& item) {
    Value key = follow(context, item, given.require(0));
    if (key.is_undefined() && given.find(1) != nullptr) key = *given.find(1);
    return key;
  };
  std::vector<Value> keys;
  for (const Value& item : items) keys.push_back(folded(key_of(item), given.flag(2, false)));
  items = sorted_by(context, std::move(items), std::move(keys), false);
  std::vector<Value> groups;
  for (size_t begin = 0; begin < items.size();) {
    const Value first = folded(key_of(items[begin]), given.flag(2, false));
    std::vector<Value> members;
    size_t end = begin;
    while (end < items.size() && equal(folded(key_of(items[end]), given.flag(2, false)), first, context.budget))
      members.push_back(items[end++]);
    groups.push_back(Value::list({key_of(items[begin]), Value::list(std::move(members))}, true));
    begin = end;
  }
  return Value::list(std::move(groups));
}

}  // namespace lyceum::text::jinja
