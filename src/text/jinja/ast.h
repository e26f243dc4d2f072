// ast.h: the parsed template. Expressions evaluate to a value, statements write text and say how the enclosing loop
// goes on. The tree is immutable: one tree serves any number of threads, each with its own Context.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/context.h"

namespace lyceum::text::jinja {

class Expression {
 public:
  explicit Expression(int line_) : line(line_) {}
  virtual ~Expression() = default;
  virtual Value eval(Context& context) const = 0;
  const int line;
};
using ExpressionPtr = std::unique_ptr<const Expression>;

// The only way to evaluate a node: it charges the budget and remembers the line.
Value evaluate(const Expression& expression, Context& context);

enum class Flow { next, break_loop, continue_loop };

class Statement {
 public:
  explicit Statement(int line_) : line(line_) {}
  virtual ~Statement() = default;
  virtual Flow exec(Context& context) const = 0;
  const int line;
};
using StatementPtr = std::unique_ptr<const Statement>;
using Body = std::vector<StatementPtr>;

Flow execute(const Body& body, Context& context);

struct CallArguments {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  ExpressionPtr rest, named_rest;  // *args, **kwargs
  Arguments eval(Context& context) const;
};

// What "set" and "for" assign to: a name, a namespace's attribute, or a tuple of these.
struct Target {
  std::string name;
  std::string attribute;      // with name: ns.attribute
  std::vector<Target> parts;  // a tuple when not empty
};
void assign(Context& context, const Target& target, const Value& value);

struct Parameter {
  std::string name;
  ExpressionPtr fallback;  // may be null
};

struct MacroDefinition {
  std::string name;
  std::vector<Parameter> parameters;
  Body body;
  bool takes_rest = false, takes_named_rest = false;  // the body names varargs, kwargs
};
Value make_macro(Context& context, const MacroDefinition& macro);

}  // namespace lyceum::text::jinja
