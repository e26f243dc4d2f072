#include "text/jinja/statements.h"

#include <algorithm>

namespace lyceum::text::jinja {
namespace {

// The `loop` variable. Fields are those that exist in Jinja; `recursive` loops are refused by the parser.
class LoopVariable {
 public:
  LoopVariable(Context& context, const std::vector<Value>& items)
      : items_(items), space_(std::make_shared<Namespace>()), index_(std::make_shared<size_t>(0)) {
    auto& fields = space_->attributes;
    fields["length"] = static_cast<int64_t>(items.size());
    fields["depth"] = int64_t{1};  // counts recursion only, not nested loops
    fields["depth0"] = int64_t{0};
    fields["cycle"] = make_callable("loop.cycle", [index = index_](Arguments& arguments) {
      if (arguments.positional.empty()) throw Error(Code::invalid_argument, "loop.cycle needs at least one value");
      return arguments.positional[*index % arguments.positional.size()];
    });
    auto previous = std::make_shared<std::vector<Value>>();
    fields["changed"] = make_callable("loop.changed", [previous, &context](Arguments& arguments) -> Value {
      const bool same = previous->size() == arguments.positional.size() && !previous->empty() &&
                        std::ranges::equal(*previous, arguments.positional,
                                           [&](const Value& a, const Value& b) { return equal(a, b, context.budget); });
      if (!same) *previous = arguments.positional;
      return !same;
    });
  }

  ~LoopVariable() { space_->attributes.clear(); }
  LoopVariable(const LoopVariable&) = delete;
  LoopVariable& operator=(const LoopVariable&) = delete;

  const std::shared_ptr<Namespace>& at(size_t i) {
    *index_ = i;
    const auto index = static_cast<int64_t>(i);
    const auto size = static_cast<int64_t>(items_.size());
    auto& fields = space_->attributes;
    fields["index0"] = index;
    fields["index"] = index + 1;
    fields["revindex"] = size - index;
    fields["revindex0"] = size - index - 1;
    fields["first"] = index == 0;
    fields["last"] = index + 1 == size;
    fields["previtem"] = index > 0 ? items_[i - 1] : Value(Undefined{"there is no previous item", ""});
    fields["nextitem"] = index + 1 < size ? items_[i + 1] : Value(Undefined{"there is no next item", ""});
    return space_;
  }

 private:
  const std::vector<Value>& items_;
  std::shared_ptr<Namespace> space_;
  std::shared_ptr<size_t> index_;  // the template may keep loop.cycle longer than the loop
};

std::string apply_filters(const std::vector<FilterStep>& filters, std::string text, Context& context) {
  Value value(std::move(text));
  for (const FilterStep& step : filters) {
    Arguments arguments = step.arguments.eval(context);
    value = step.filter(context, value, arguments);
  }
  return to_text(value, context.budget);
}

void bind_parameters(Context& context, const MacroDefinition& macro, Arguments& arguments) {
  std::vector<Value> rest;
  for (size_t i = macro.parameters.size(); i < arguments.positional.size(); ++i)
    rest.push_back(arguments.positional[i]);
  if (!rest.empty() && !macro.takes_rest)
    throw Error(Code::invalid_argument,
                "macro '" + macro.name + "' takes at most " + std::to_string(macro.parameters.size()) + " arguments");
  std::vector<std::pair<Value, Value>> named_rest;
  std::vector<std::pair<std::string, Value>> named = std::move(arguments.named);
  for (size_t i = 0; i < macro.parameters.size(); ++i) {
    const Parameter& parameter = macro.parameters[i];
    const auto given = std::ranges::find(named, parameter.name, &std::pair<std::string, Value>::first);
    if (i < arguments.positional.size()) {
      if (given != named.end())
        throw Error(Code::invalid_argument, "macro '" + macro.name + "' got argument '" + parameter.name + "' twice");
      context.set(parameter.name, arguments.positional[i]);
    } else if (given != named.end()) {
      context.set(parameter.name, given->second);
      named.erase(given);
    } else {
      context.set(parameter.name,
                  parameter.fallback ? evaluate(*parameter.fallback, context) : Value(Undefined{parameter.name, ""}));
    }
  }
  for (auto& [name, value] : named) {
    if (name == "caller")
      context.set(name, value);
    else if (macro.takes_named_rest)
      named_rest.emplace_back(name, value);
    else
      throw Error(Code::invalid_argument, "macro '" + macro.name + "' has no argument '" + name + "'");
  }
  if (macro.takes_rest) context.set("varargs", Value::list(std::move(rest), true));
  if (macro.takes_named_rest) context.set("kwargs", Value::dict(std::move(named_rest)));
}

void unpack(Context& context, const Target& target, const Value& value) {
  const std::vector<Value> items = to_items(value, context.budget);
  if (items.size() != target.parts.size()) {
    throw Error(Code::invalid_argument, std::to_string(items.size()) + " values cannot be unpacked into " +
                                            std::to_string(target.parts.size()) + " names");
  }
  for (size_t i = 0; i < items.size(); ++i) assign(context, target.parts[i], items[i]);
}

}  // namespace

Flow execute(const Body& body, Context& context) {
  const Budget::Level level(context.budget);
  for (const StatementPtr& statement : body) {
    context.budget.step();
    context.line = statement->line;
    if (const Flow flow = statement->exec(context); flow != Flow::next) return flow;
  }
  return Flow::next;
}

void assign(Context& context, const Target& target, const Value& value) {
  if (!target.parts.empty()) return unpack(context, target, value);
  if (target.attribute.empty()) return context.set(target.name, value);
  const Value space = context.find(target.name);
  if (space.as_namespace() == nullptr)
    throw Error(Code::invalid_argument, "cannot assign attribute on non-namespace object '" + target.name + "'");
  if (target.attribute.starts_with('_'))
    throw Error(Code::invalid_argument, "a namespace attribute may not begin with '_'");
  space.as_namespace()->attributes.insert_or_assign(target.attribute, value);
}

Value make_macro(Context& context, const MacroDefinition& macro) {
  std::shared_ptr<Scope> home = context.scope;
  context.keep(home);
  return make_callable("macro " + macro.name, [&context, &macro, home](Arguments& arguments) -> Value {
    const Budget::Level level(context.budget);
    const ScopeGuard guard(context, home);
    bind_parameters(context, macro, arguments);
    Capture capture(context);
    execute(macro.body, context);
    return capture.take();
  });
}

Flow Text::exec(Context& context) const {
  context.write(text);
  return Flow::next;
}

Flow Output::exec(Context& context) const {
  context.write(to_text(evaluate(*value, context), context.budget));
  return Flow::next;
}

Flow If::exec(Context& context) const {
  for (const auto& [condition, body] : branches) {
    if (evaluate(*condition, context).truthy()) return execute(body, context);
  }
  return execute(otherwise, context);
}

Flow For::exec(Context& context) const {
  std::vector<Value> items = to_items(evaluate(*iterable, context), context.budget);
  if (condition) {
    std::erase_if(items, [&](const Value& item) {
      const ScopeGuard guard(context);
      assign(context, target, item);
      return !evaluate(*condition, context).truthy();
    });
  }
  if (items.empty()) {
    const ScopeGuard guard(context);
    return execute(otherwise, context);
  }
  LoopVariable loop(context, items);
  for (size_t i = 0; i < items.size(); ++i) {
    const ScopeGuard guard(context);
    assign(context, target, items[i]);
    context.set("loop", loop.at(i));
    if (execute(body, context) == Flow::break_loop) break;
  }
  return Flow::next;
}

Flow Set::exec(Context& context) const {
  assign(context, target, evaluate(*value, context));
  return Flow::next;
}

Flow CapturedBody::exec(Context& context) const {
  Flow flow = Flow::next;
  std::string text;
  {
    const ScopeGuard guard(context);
    Capture capture(context);
    flow = execute(body, context);
    text = capture.take();
  }
  text = apply_filters(filters, std::move(text), context);
  if (target)
    assign(context, *target, Value(std::move(text)));
  else
    context.write(text);
  return flow;
}

Flow Scoped::exec(Context& context) const {
  std::vector<Value> values;
  for (const auto& assignment : assignments) values.push_back(evaluate(*assignment.second, context));
  const ScopeGuard guard(context);
  for (size_t i = 0; i < values.size(); ++i) assign(context, assignments[i].first, values[i]);
  return execute(body, context);
}

Flow Macro::exec(Context& context) const {
  context.set(definition.name, make_macro(context, definition));
  return Flow::next;
}

Flow CallBlock::exec(Context& context) const {
  const Value function = evaluate(*callee, context);
  Arguments values = arguments.eval(context);
  values.named.emplace_back("caller", make_macro(context, caller));
  context.write(to_text(call(context, function, values), context.budget));
  return Flow::next;
}

}  // namespace lyceum::text::jinja
