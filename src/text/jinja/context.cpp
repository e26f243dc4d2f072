#include "text/jinja/context.h"

#include <algorithm>

namespace lyceum::text::jinja {

Context::~Context() {
  for (const auto& each : namespaces_) each->attributes.clear();
  for (const auto& each : macro_scopes_) each->variables.clear();
}

Value Context::find(std::string_view name) const {
  for (const Scope* each = scope.get(); each != nullptr; each = each->parent.get()) {
    const auto found = each->variables.find(name);
    if (found != each->variables.end()) return found->second;
  }
  return Undefined{std::string(name), ""};
}

void Context::write(std::string_view text) {
  out += text;
  if (out.size() > Budget::kTextBytesMax) budget.text(out.size());
}

std::shared_ptr<Namespace> Context::make_namespace() {
  namespaces_.push_back(std::make_shared<Namespace>());
  return namespaces_.back();
}

Parameters::Parameters(Arguments& arguments, std::string_view function, std::initializer_list<std::string_view> names)
    : function_(function), names_(names.begin(), names.end()), values_(names.size()), given_(names.size()) {
  if (arguments.positional.size() > names_.size())
    throw Error(Code::invalid_argument, function_ + " got too many arguments");
  for (size_t i = 0; i < arguments.positional.size(); ++i) {
    values_[i] = arguments.positional[i];
    given_[i] = true;
  }
  for (const auto& [name, value] : arguments.named) {
    const auto index = static_cast<size_t>(std::ranges::find(names_, name) - names_.begin());
    if (index == names_.size()) throw Error(Code::unsupported, function_ + " has no parameter '" + name + "'");
    if (given_[index]) throw Error(Code::invalid_argument, function_ + " got parameter '" + name + "' twice");
    values_[index] = value;
    given_[index] = true;
  }
}

const Value& Parameters::require(size_t index) const {
  if (!given_[index]) throw Error(Code::invalid_argument, function_ + " needs parameter '" + names_[index] + "'");
  return values_[index];
}

int64_t Parameters::whole(size_t index, int64_t fallback) const {
  const Value* value = find(index);
  if (value == nullptr || value->is_none()) return fallback;
  if (!value->is_whole())
    throw Error(Code::invalid_argument,
                "parameter '" + names_[index] + "' of " + function_ + " must be a whole number");
  return value->whole();
}

std::string Parameters::text(size_t index, std::string_view fallback, Budget& budget) const {
  const Value* value = find(index);
  return value == nullptr ? std::string(fallback) : to_text(*value, budget);
}

Value make_callable(std::string name, std::function<Value(Arguments&)> body) {
  return std::make_shared<const Callable>(Callable{std::move(name), std::move(body)});
}

Value call(Context& context, const Value& callee, Arguments& arguments) {
  if (const Callable* callable = callee.as_callable()) {
    context.budget.step();
    return callable->call(arguments);
  }
  if (const Undefined* missing = callee.as_undefined()) {
    if (missing->owner.starts_with(kUnsafeOwner)) {
      throw Error(Code::invalid_argument, "access to attribute '" + missing->name + "' of '" +
                                              missing->owner.substr(kUnsafeOwner.size()) + "' is unsafe");
    }
    if (!missing->owner.empty())
      throw Error(Code::unsupported, "method '" + missing->name + "' of " + missing->owner + " is not supported");
    throw Error(Code::unsupported, "function '" + missing->name + "' is not known");
  }
  throw Error(Code::invalid_argument, "'" + std::string(callee.type_name()) + "' object is not callable");
}

}  // namespace lyceum::text::jinja
