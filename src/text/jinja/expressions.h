// expressions.h: the expression nodes. Their evaluation is in expressions.cpp.
#pragma once

#include "text/jinja/ast.h"

namespace lyceum::text::jinja {

struct Literal final : Expression {
  Literal(int line_, Value value_) : Expression(line_), value(std::move(value_)) {}
  Value eval(Context&) const override { return value; }
  Value value;
};

struct Name final : Expression {
  Name(int line_, std::string name_) : Expression(line_), name(std::move(name_)) {}
  Value eval(Context& context) const override { return context.find(name); }
  std::string name;
};

struct Sequence final : Expression {  // [a, b] and (a, b)
  Sequence(int line_, std::vector<ExpressionPtr> items_, bool tuple_)
      : Expression(line_), items(std::move(items_)), tuple(tuple_) {}
  Value eval(Context& context) const override;
  std::vector<ExpressionPtr> items;
  bool tuple;
};

struct DictLiteral final : Expression {
  DictLiteral(int line_, std::vector<std::pair<ExpressionPtr, ExpressionPtr>> items_)
      : Expression(line_), items(std::move(items_)) {}
  Value eval(Context& context) const override;
  std::vector<std::pair<ExpressionPtr, ExpressionPtr>> items;
};

struct Attribute final : Expression {
  Attribute(int line_, ExpressionPtr object_, std::string name_)
      : Expression(line_), object(std::move(object_)), name(std::move(name_)) {}
  Value eval(Context& context) const override { return get_attribute(context, evaluate(*object, context), name); }
  ExpressionPtr object;
  std::string name;
};

struct Item final : Expression {
  Item(int line_, ExpressionPtr object_, ExpressionPtr key_)
      : Expression(line_), object(std::move(object_)), key(std::move(key_)) {}
  Value eval(Context& context) const override;
  ExpressionPtr object, key;
};

struct Slice final : Expression {  // any of the three may be null
  Slice(int line_, ExpressionPtr object_, ExpressionPtr start_, ExpressionPtr stop_, ExpressionPtr step_)
      : Expression(line_),
        object(std::move(object_)),
        start(std::move(start_)),
        stop(std::move(stop_)),
        step(std::move(step_)) {}
  Value eval(Context& context) const override;
  ExpressionPtr object, start, stop, step;
};

struct Call final : Expression {
  Call(int line_, ExpressionPtr callee_, CallArguments arguments_)
      : Expression(line_), callee(std::move(callee_)), arguments(std::move(arguments_)) {}
  Value eval(Context& context) const override;
  ExpressionPtr callee;
  CallArguments arguments;
};

struct FilterCall final : Expression {
  FilterCall(int line_, ExpressionPtr subject_, Filter filter_, CallArguments arguments_)
      : Expression(line_), subject(std::move(subject_)), filter(filter_), arguments(std::move(arguments_)) {}
  Value eval(Context& context) const override;
  ExpressionPtr subject;
  Filter filter;
  CallArguments arguments;
};

struct TestCall final : Expression {
  TestCall(int line_, ExpressionPtr subject_, Test test_, CallArguments arguments_, bool negated_)
      : Expression(line_),
        subject(std::move(subject_)),
        test(test_),
        arguments(std::move(arguments_)),
        negated(negated_) {}
  Value eval(Context& context) const override;
  ExpressionPtr subject;
  Test test;
  CallArguments arguments;
  bool negated;
};

struct Conditional final : Expression {  // a if test else b; b may be null
  Conditional(int line_, ExpressionPtr test_, ExpressionPtr yes_, ExpressionPtr no_)
      : Expression(line_), test(std::move(test_)), yes(std::move(yes_)), no(std::move(no_)) {}
  Value eval(Context& context) const override;
  ExpressionPtr test, yes, no;
};

struct Logical final : Expression {  // and, or: the value that decided
  Logical(int line_, bool is_and_, ExpressionPtr left_, ExpressionPtr right_)
      : Expression(line_), is_and(is_and_), left(std::move(left_)), right(std::move(right_)) {}
  Value eval(Context& context) const override;
  bool is_and;
  ExpressionPtr left, right;
};

struct Not final : Expression {
  Not(int line_, ExpressionPtr operand_) : Expression(line_), operand(std::move(operand_)) {}
  Value eval(Context& context) const override { return !evaluate(*operand, context).truthy(); }
  ExpressionPtr operand;
};

struct Comparison final : Expression {  // a < b <= c: each pair, left to right, stopping at the first that is false
  Comparison(int line_, ExpressionPtr first_, std::vector<std::pair<std::string, ExpressionPtr>> rest_)
      : Expression(line_), first(std::move(first_)), rest(std::move(rest_)) {}
  Value eval(Context& context) const override;
  ExpressionPtr first;
  std::vector<std::pair<std::string, ExpressionPtr>> rest;
};

struct Concatenation final : Expression {  // a ~ b ~ c
  Concatenation(int line_, std::vector<ExpressionPtr> parts_) : Expression(line_), parts(std::move(parts_)) {}
  Value eval(Context& context) const override;
  std::vector<ExpressionPtr> parts;
};

// A chain of operators of one precedence, left to right: one node, so that a long sum is not a deep tree.
struct Arithmetic final : Expression {
  Arithmetic(int line_, ExpressionPtr first_, std::vector<std::pair<std::string, ExpressionPtr>> rest_)
      : Expression(line_), first(std::move(first_)), rest(std::move(rest_)) {}
  Value eval(Context& context) const override;
  ExpressionPtr first;
  std::vector<std::pair<std::string, ExpressionPtr>> rest;
};

struct Sign final : Expression {
  Sign(int line_, bool negative_, ExpressionPtr operand_)
      : Expression(line_), negative(negative_), operand(std::move(operand_)) {}
  Value eval(Context& context) const override;
  bool negative;
  ExpressionPtr operand;
};

}  // namespace lyceum::text::jinja
