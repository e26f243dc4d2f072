// context.h: the state of one rendering: variables by scope, the output, the budget.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/budget.h"
#include "text/jinja/value.h"

namespace lyceum::text::jinja {

struct Scope {
  std::map<std::string, Value, std::less<>> variables;
  std::shared_ptr<Scope> parent;
};

class Context {
 public:
  explicit Context(int64_t now_ms) : scope(std::make_shared<Scope>()), now_ms_(now_ms) {}
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  Value find(std::string_view name) const;  // Undefined when no scope has it
  void set(std::string_view name, Value value) {
    scope->variables.insert_or_assign(std::string(name), std::move(value));
  }
  void write(std::string_view text);
  std::shared_ptr<Namespace> make_namespace();
  void keep(const std::shared_ptr<Scope>& macro_scope) { macro_scopes_.push_back(macro_scope); }
  int64_t now_ms() const { return now_ms_; }

  Budget budget;
  std::shared_ptr<Scope> scope;
  std::string out;
  int line = 0;  // of the node evaluated last, for error messages

 private:
  int64_t now_ms_;
  // Namespaces may hold themselves, and a scope may hold a macro that holds the scope: both are emptied at the end.
  std::vector<std::shared_ptr<Namespace>> namespaces_;
  std::vector<std::shared_ptr<Scope>> macro_scopes_;
};

// A new innermost scope while it lives.
class ScopeGuard {
 public:
  explicit ScopeGuard(Context& context) : ScopeGuard(context, context.scope) {}
  ScopeGuard(Context& context, std::shared_ptr<Scope> parent) : context_(context), saved_(context.scope) {
    context.scope = std::make_shared<Scope>();
    context.scope->parent = std::move(parent);
  }
  ~ScopeGuard() { context_.scope = saved_; }
  ScopeGuard(const ScopeGuard&) = delete;
  ScopeGuard& operator=(const ScopeGuard&) = delete;

 private:
  Context& context_;
  std::shared_ptr<Scope> saved_;
};

// Output goes into a text of its own while it lives.
class Capture {
 public:
  explicit Capture(Context& context) : context_(context) { std::swap(saved_, context.out); }
  ~Capture() { std::swap(saved_, context_.out); }
  std::string take() { return std::move(context_.out); }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

 private:
  Context& context_;
  std::string saved_;
};

// Arguments of a filter, test or function, matched to its parameter names as Python does. Throws for unknown or surplus
// ones.
class Parameters {
 public:
  Parameters(Arguments& arguments, std::string_view function, std::initializer_list<std::string_view> names);
  const Value* find(size_t index) const { return given_[index] ? &values_[index] : nullptr; }
  const Value& require(size_t index) const;
  bool flag(size_t index, bool fallback) const { return find(index) == nullptr ? fallback : find(index)->truthy(); }
  int64_t whole(size_t index, int64_t fallback) const;
  std::string text(size_t index, std::string_view fallback, Budget& budget) const;

 private:
  std::string function_;
  std::vector<std::string> names_;
  std::vector<Value> values_;
  std::vector<bool> given_;
};

// The tables. A null result means there is no such filter or test; the parser refuses it by name.
using Filter = Value (*)(Context&, const Value&, Arguments&);
using Test = bool (*)(Context&, const Value&, Arguments&);
Filter find_filter(std::string_view name);
Test find_test(std::string_view name);
void define_globals(Context& context);

// Marks, in Undefined::owner, a name that the sandbox hides.
constexpr std::string_view kUnsafeOwner = "unsafe ";
Value get_attribute(Context& context, const Value& object, std::string_view name);  // object.name
Value get_item(Context& context, const Value& object, const Value& key);            // object[key]
Value slice(Context& context, const Value& object, const Value& start, const Value& stop, const Value& step);
Value call(Context& context, const Value& callee, Arguments& arguments);
Value make_callable(std::string name, std::function<Value(Arguments&)> body);

}  // namespace lyceum::text::jinja
