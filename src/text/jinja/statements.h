// statements.h: the statement nodes. Their execution is in statements.cpp.
#pragma once

#include "text/jinja/ast.h"

namespace lyceum::text::jinja {

struct Text final : Statement {
  Text(int line_, std::string text_) : Statement(line_), text(std::move(text_)) {}
  Flow exec(Context& context) const override;
  std::string text;
};

struct Output final : Statement {
  Output(int line_, ExpressionPtr value_) : Statement(line_), value(std::move(value_)) {}
  Flow exec(Context& context) const override;
  ExpressionPtr value;
};

struct If final : Statement {
  explicit If(int line_) : Statement(line_) {}
  Flow exec(Context& context) const override;
  std::vector<std::pair<ExpressionPtr, Body>> branches;
  Body otherwise;
};

struct For final : Statement {
  explicit For(int line_) : Statement(line_) {}
  Flow exec(Context& context) const override;
  Target target;
  ExpressionPtr iterable, condition;  // condition may be null
  Body body, otherwise;
};

struct LoopControl final : Statement {
  LoopControl(int line_, Flow flow_) : Statement(line_), flow(flow_) {}
  Flow exec(Context&) const override { return flow; }
  Flow flow;
};

struct Set final : Statement {
  explicit Set(int line_) : Statement(line_) {}
  Flow exec(Context& context) const override;
  Target target;
  ExpressionPtr value;
};

struct FilterStep {
  Filter filter;
  CallArguments arguments;
};

// {% set x | filter %}…{% endset %} and {% filter a | b %}…{% endfilter %}: a body, captured, through filters.
struct CapturedBody final : Statement {
  explicit CapturedBody(int line_) : Statement(line_) {}
  Flow exec(Context& context) const override;
  std::optional<Target> target;  // none: the text is written
  std::vector<FilterStep> filters;
  Body body;
};

struct Scoped final : Statement {  // {% with %} and {% generation %}
  explicit Scoped(int line_) : Statement(line_) {}
  Flow exec(Context& context) const override;
  std::vector<std::pair<Target, ExpressionPtr>> assignments;
  Body body;
};

struct Macro final : Statement {
  explicit Macro(int line_) : Statement(line_) {}
  Flow exec(Context& context) const override;
  MacroDefinition definition;
};

struct CallBlock final : Statement {  // {% call(x) f() %}…{% endcall %}
  explicit CallBlock(int line_) : Statement(line_) {}
  Flow exec(Context& context) const override;
  ExpressionPtr callee;
  CallArguments arguments;
  MacroDefinition caller;
};

}  // namespace lyceum::text::jinja
