#include "text/jinja/parser.h"

#include <array>
#include <set>

#include "text/jinja/expressions.h"
#include "text/jinja/lexer.h"
#include "text/jinja/statements.h"

namespace lyceum::text::jinja {
namespace {

constexpr int kNestingMax = 200;
constexpr int kChainMax = 100;

class Parser {
 public:
  explicit Parser(std::string_view source) : tokens_(tokenize(source)) {}

  Body run() {
    Body body = statements({});
    if (peek().kind != TokenKind::end) fail("unexpected '" + peek().text + "'");
    return body;
  }

 private:
  // ---- tokens

  const Token& peek(size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  const Token& next() { return at_ + 1 < tokens_.size() ? tokens_[at_++] : tokens_[at_]; }
  int line() const { return peek().line; }
  bool is_symbol(std::string_view text, size_t ahead = 0) const {
    return peek(ahead).kind == TokenKind::symbol && peek(ahead).text == text;
  }
  bool is_name(std::string_view text, size_t ahead = 0) const {
    return peek(ahead).kind == TokenKind::name && peek(ahead).text == text;
  }
  bool skip_symbol(std::string_view text) {
    if (!is_symbol(text)) return false;
    ++at_;
    return true;
  }
  bool skip_name(std::string_view text) {
    if (!is_name(text)) return false;
    ++at_;
    return true;
  }
  void expect_symbol(std::string_view text) {
    if (!skip_symbol(text)) fail("expected '" + std::string(text) + "', found '" + peek().text + "'");
  }
  void expect_name(std::string_view text) {
    if (!skip_name(text)) fail("expected '" + std::string(text) + "', found '" + peek().text + "'");
  }
  std::string identifier() {
    if (peek().kind != TokenKind::name) fail("expected a name, found '" + peek().text + "'");
    return next().text;
  }
  void end_block() {
    if (peek().kind != TokenKind::block_end) fail("expected the end of the tag, found '" + peek().text + "'");
    ++at_;
  }
  [[noreturn]] void fail(const std::string& message) const {
    throw Error(Code::invalid_argument, "chat template line " + std::to_string(line()) + ": " + message);
  }
  [[noreturn]] void refuse(const std::string& message) const {
    throw Error(Code::unsupported, "chat template line " + std::to_string(line()) + ": " + message);
  }

  // Counts nested brackets and tags while it lives.
  struct Nesting {
    explicit Nesting(Parser& owner) : parser(owner) {
      if (++parser.nesting_ > kNestingMax) parser.fail("brackets or tags are nested too deeply");
    }
    ~Nesting() { --parser.nesting_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;
    Parser& parser;
  };

  // ---- statements

  // Up to one of the end names, which is left as the current token.
  Body statements(const std::vector<std::string_view>& ends) {
    const Nesting nesting(*this);
    Body body;
    while (peek().kind != TokenKind::end) {
      const Token& token = next();
      if (token.kind == TokenKind::data) {
        body.push_back(std::make_unique<Text>(token.line, token.text));
      } else if (token.kind == TokenKind::variable_begin) {
        body.push_back(std::make_unique<Output>(token.line, tuple(false)));
        if (next().kind != TokenKind::variable_end) fail("expected '}}', found '" + tokens_[at_ - 1].text + "'");
      } else {
        for (const std::string_view end : ends) {
          if (is_name(end)) return body;
        }
        body.push_back(statement());
      }
    }
    if (!ends.empty()) fail("'" + std::string(ends.back()) + "' is missing");
    return body;
  }

  StatementPtr statement() {
    struct Tag {
      std::string_view name;
      StatementPtr (Parser::*parse)();
    };
    static constexpr std::array<Tag, 11> kTags = {{{"if", &Parser::if_tag},
                                                   {"for", &Parser::for_tag},
                                                   {"set", &Parser::set_tag},
                                                   {"macro", &Parser::macro_tag},
                                                   {"call", &Parser::call_tag},
                                                   {"filter", &Parser::filter_tag},
                                                   {"with", &Parser::with_tag},
                                                   {"generation", &Parser::generation_tag},
                                                   {"break", &Parser::break_tag},
                                                   {"continue", &Parser::continue_tag},
                                                   {"print", &Parser::print_tag}}};
    if (peek().kind != TokenKind::name) fail("a tag begins with '" + peek().text + "'");
    for (const Tag& tag : kTags) {
      if (is_name(tag.name)) return (this->*tag.parse)();
    }
    if (peek().text.starts_with("end") || peek().text.starts_with("el")) fail("unexpected tag '" + peek().text + "'");
    refuse("tag '" + peek().text + "' is not supported");
  }

  StatementPtr if_tag() {
    auto node = std::make_unique<If>(line());
    next();
    while (true) {
      ExpressionPtr condition = tuple(false);
      end_block();
      Body body = statements({"elif", "else", "endif"});
      node->branches.emplace_back(std::move(condition), std::move(body));
      if (skip_name("elif")) continue;
      if (skip_name("else")) {
        end_block();
        node->otherwise = statements({"endif"});
      }
      expect_name("endif");
      end_block();
      return node;
    }
  }

  StatementPtr for_tag() {
    auto node = std::make_unique<For>(line());
    next();
    node->target = target(false);
    expect_name("in");
    node->iterable = tuple(true);
    if (skip_name("if")) node->condition = expression();
    if (is_name("recursive")) refuse("recursive loops are not supported");
    end_block();
    ++loops_;
    node->body = statements({"else", "endfor"});
    --loops_;
    if (skip_name("else")) {
      end_block();
      node->otherwise = statements({"endfor"});
    }
    expect_name("endfor");
    end_block();
    return node;
  }

  StatementPtr loop_control(Flow flow) {
    if (loops_ == 0) fail("'" + peek().text + "' outside a loop");
    auto node = std::make_unique<LoopControl>(line(), flow);
    next();
    end_block();
    return node;
  }
  StatementPtr break_tag() { return loop_control(Flow::break_loop); }
  StatementPtr continue_tag() { return loop_control(Flow::continue_loop); }

  StatementPtr set_tag() {
    const int start = line();
    next();
    Target assigned = target(true);
    if (skip_symbol("=")) {
      auto node = std::make_unique<Set>(start);
      node->target = std::move(assigned);
      node->value = tuple(false);
      end_block();
      return node;
    }
    auto node = std::make_unique<CapturedBody>(start);
    node->target = std::move(assigned);
    while (skip_symbol("|")) node->filters.push_back(filter_step());
    end_block();
    node->body = statements({"endset"});
    expect_name("endset");
    end_block();
    return node;
  }

  StatementPtr filter_tag() {
    auto node = std::make_unique<CapturedBody>(line());
    next();
    do node->filters.push_back(filter_step());
    while (skip_symbol("|"));
    end_block();
    node->body = statements({"endfilter"});
    expect_name("endfilter");
    end_block();
    return node;
  }

  StatementPtr with_tag() {
    auto node = std::make_unique<Scoped>(line());
    next();
    while (peek().kind != TokenKind::block_end) {
      if (!node->assignments.empty()) expect_symbol(",");
      Target assigned = single_target(false);
      expect_symbol("=");
      node->assignments.emplace_back(std::move(assigned), expression());
    }
    end_block();
    node->body = statements({"endwith"});
    expect_name("endwith");
    end_block();
    return node;
  }

  StatementPtr generation_tag() {
    auto node = std::make_unique<Scoped>(line());
    next();
    end_block();
    node->body = statements({"endgeneration"});
    expect_name("endgeneration");
    end_block();
    return node;
  }

  StatementPtr print_tag() {
    const int start = line();
    next();
    auto node = std::make_unique<Output>(start, tuple(false));
    end_block();
    return node;
  }

  StatementPtr macro_tag() {
    auto node = std::make_unique<Macro>(line());
    next();
    node->definition.name = identifier();
    node->definition.parameters = parameters();
    macro_body(node->definition, "endmacro");
    return node;
  }

  StatementPtr call_tag() {
    auto node = std::make_unique<CallBlock>(line());
    next();
    node->caller.name = "caller";
    if (is_symbol("(")) node->caller.parameters = parameters();
    node->callee = postfix(primary(), false);
    expect_symbol("(");
    node->arguments = call_arguments();
    macro_body(node->caller, "endcall");
    return node;
  }

  // Loops around a macro are not around its body; and what names it mentions decides what it accepts.
  void macro_body(MacroDefinition& macro, std::string_view end) {
    end_block();
    const int loops = std::exchange(loops_, 0);
    const size_t begin = at_;
    macro.body = statements({end});
    loops_ = loops;
    for (size_t i = begin; i < at_; ++i) {
      if (tokens_[i].kind != TokenKind::name) continue;
      macro.takes_rest |= tokens_[i].text == "varargs";
      macro.takes_named_rest |= tokens_[i].text == "kwargs";
    }
    expect_name(end);
    end_block();
  }

  std::vector<Parameter> parameters() {
    std::vector<Parameter> out;
    expect_symbol("(");
    while (!skip_symbol(")")) {
      if (!out.empty()) expect_symbol(",");
      if (skip_symbol(")")) break;
      Parameter parameter;
      parameter.name = identifier();
      if (skip_symbol("="))
        parameter.fallback = expression();
      else if (!out.empty() && out.back().fallback)
        fail("a parameter without default after one with");
      out.push_back(std::move(parameter));
    }
    return out;
  }

  Target single_target(bool attributes) {
    const Nesting nesting(*this);
    Target out;
    if (skip_symbol("(")) {
      out = target(attributes);
      expect_symbol(")");
      return out;
    }
    out.name = identifier();
    static constexpr std::array<std::string_view, 6> kReserved = {"true", "false", "none", "True", "False", "None"};
    for (const std::string_view word : kReserved) {
      if (out.name == word) fail("cannot assign to '" + out.name + "'");
    }
    if (attributes && skip_symbol(".")) out.attribute = identifier();
    return out;
  }

  Target target(bool attributes) {
    Target first = single_target(attributes);
    if (!is_symbol(",")) return first;
    Target all;
    all.parts.push_back(std::move(first));
    while (skip_symbol(",")) {
      if (is_name("in") || is_symbol("=") || is_symbol(")")) break;
      all.parts.push_back(single_target(attributes));
    }
    return all;
  }

  // ---- expressions, loosest first

  // a, b, c without brackets. `no_condition`: "if" after it belongs to the for loop.
  ExpressionPtr tuple(bool no_condition) {
    const int start = line();
    const auto item = [&] { return no_condition ? logical_or() : expression(); };
    ExpressionPtr first = item();
    if (!is_symbol(",")) return first;
    std::vector<ExpressionPtr> items;
    items.push_back(std::move(first));
    while (skip_symbol(",")) {
      if (ends_tuple()) break;
      items.push_back(item());
    }
    return std::make_unique<Sequence>(start, std::move(items), true);
  }

  bool ends_tuple() const {
    const TokenKind kind = peek().kind;
    return kind == TokenKind::variable_end || kind == TokenKind::block_end || is_symbol(")");
  }

  ExpressionPtr expression() {
    const Nesting nesting(*this);
    ExpressionPtr value = logical_or();
    int length = 0;
    while (is_name("if")) {
      const int start = line();
      next();
      ExpressionPtr condition = logical_or();
      ExpressionPtr otherwise;
      if (skip_name("else")) otherwise = expression();
      value = std::make_unique<Conditional>(start, std::move(condition), std::move(value), std::move(otherwise));
      deeper(length);
    }
    return value;
  }

  // A chain such as a.b.c or x|f|g builds a left-leaning tree, which is walked and destroyed by recursion.
  void deeper(int& length) {
    if (++length > kChainMax) fail("over 100 operators in one chain");
  }

  ExpressionPtr logical_or() {
    ExpressionPtr left = logical_and();
    int length = 0;
    while (is_name("or")) {
      const int start = line();
      next();
      left = std::make_unique<Logical>(start, false, std::move(left), logical_and());
      deeper(length);
    }
    return left;
  }

  ExpressionPtr logical_and() {
    ExpressionPtr left = logical_not();
    int length = 0;
    while (is_name("and")) {
      const int start = line();
      next();
      left = std::make_unique<Logical>(start, true, std::move(left), logical_not());
      deeper(length);
    }
    return left;
  }

  ExpressionPtr logical_not() {
    if (!is_name("not")) return comparison();
    const Nesting nesting(*this);
    const int start = line();
    next();
    return std::make_unique<Not>(start, logical_not());
  }

  ExpressionPtr comparison() {
    const int start = line();
    ExpressionPtr first = sum();
    std::vector<std::pair<std::string, ExpressionPtr>> rest;
    while (true) {
      const std::string operation = comparison_operator();
      if (operation.empty()) break;
      rest.emplace_back(operation, sum());
    }
    if (rest.empty()) return first;
    return std::make_unique<Comparison>(start, std::move(first), std::move(rest));
  }

  std::string comparison_operator() {
    static constexpr std::array<std::string_view, 6> kOperators = {"==", "!=", "<", "<=", ">", ">="};
    for (const std::string_view operation : kOperators) {
      if (skip_symbol(operation)) return std::string(operation);
    }
    if (skip_name("in")) return "in";
    if (is_name("not") && is_name("in", 1)) {
      at_ += 2;
      return "not in";
    }
    return {};
  }

  template <size_t Count>
  ExpressionPtr chain(const std::array<std::string_view, Count>& operators, ExpressionPtr (Parser::*operand)()) {
    const int start = line();
    ExpressionPtr first = (this->*operand)();
    std::vector<std::pair<std::string, ExpressionPtr>> rest;
    for (size_t i = 0; i < Count;) {
      if (skip_symbol(operators[i])) {
        rest.emplace_back(operators[i], (this->*operand)());
        i = 0;
      } else {
        ++i;
      }
    }
    if (rest.empty()) return first;
    return std::make_unique<Arithmetic>(start, std::move(first), std::move(rest));
  }

  ExpressionPtr sum() { return chain(std::array<std::string_view, 2>{"+", "-"}, &Parser::concatenation); }

  ExpressionPtr concatenation() {
    const int start = line();
    std::vector<ExpressionPtr> parts;
    parts.push_back(product());
    while (skip_symbol("~")) parts.push_back(product());
    if (parts.size() == 1) return std::move(parts.front());
    return std::make_unique<Concatenation>(start, std::move(parts));
  }

  ExpressionPtr product() { return chain(std::array<std::string_view, 4>{"*", "/", "//", "%"}, &Parser::powers); }
  ExpressionPtr powers() { return chain(std::array<std::string_view, 1>{"**"}, &Parser::unary_with_filters); }
  ExpressionPtr unary_with_filters() { return unary(true); }

  ExpressionPtr unary(bool with_filters) {
    const Nesting nesting(*this);
    const int start = line();
    ExpressionPtr node;
    if (is_symbol("-") || is_symbol("+")) {
      const bool negative = next().text == "-";
      node = std::make_unique<Sign>(start, negative, unary(false));
    } else {
      node = primary();
    }
    node = postfix(std::move(node), true);
    return with_filters ? filters(std::move(node)) : std::move(node);
  }

  ExpressionPtr primary() {
    const Token& token = peek();
    const int start = token.line;
    switch (token.kind) {
      case TokenKind::name:
        return name();
      case TokenKind::string: {
        std::string text;
        while (peek().kind == TokenKind::string) text += next().text;
        return std::make_unique<Literal>(start, Value(std::move(text)));
      }
      case TokenKind::integer:
        return std::make_unique<Literal>(start, Value(next().integer));
      case TokenKind::real:
        return std::make_unique<Literal>(start, Value(next().real));
      default:
        break;
    }
    if (skip_symbol("(")) return bracketed(start);
    if (skip_symbol("[")) return list(start);
    if (skip_symbol("{")) return dict(start);
    fail("unexpected '" + token.text + "'");
  }

  ExpressionPtr name() {
    const Token& token = next();
    if (token.text == "true" || token.text == "True") return std::make_unique<Literal>(token.line, Value(true));
    if (token.text == "false" || token.text == "False") return std::make_unique<Literal>(token.line, Value(false));
    if (token.text == "none" || token.text == "None") return std::make_unique<Literal>(token.line, Value(None{}));
    return std::make_unique<Name>(token.line, token.text);
  }

  ExpressionPtr bracketed(int start) {
    const Nesting nesting(*this);
    if (skip_symbol(")")) return std::make_unique<Sequence>(start, std::vector<ExpressionPtr>{}, true);
    ExpressionPtr inside = tuple(false);
    expect_symbol(")");
    return inside;
  }

  ExpressionPtr list(int start) {
    std::vector<ExpressionPtr> items;
    while (!skip_symbol("]")) {
      if (!items.empty()) expect_symbol(",");
      if (skip_symbol("]")) break;
      items.push_back(expression());
    }
    return std::make_unique<Sequence>(start, std::move(items), false);
  }

  ExpressionPtr dict(int start) {
    std::vector<std::pair<ExpressionPtr, ExpressionPtr>> items;
    while (!skip_symbol("}")) {
      if (!items.empty()) expect_symbol(",");
      if (skip_symbol("}")) break;
      ExpressionPtr key = expression();
      expect_symbol(":");
      items.emplace_back(std::move(key), expression());
    }
    return std::make_unique<DictLiteral>(start, std::move(items));
  }

  ExpressionPtr postfix(ExpressionPtr node, bool calls) {
    int length = 0;
    while (true) {
      const int start = line();
      if (skip_symbol(".")) {
        if (peek().kind == TokenKind::integer) {
          ExpressionPtr key = std::make_unique<Literal>(start, Value(next().integer));
          node = std::make_unique<Item>(start, std::move(node), std::move(key));
        } else {
          node = std::make_unique<Attribute>(start, std::move(node), identifier());
        }
      } else if (skip_symbol("[")) {
        node = subscript(start, std::move(node));
      } else if (calls && skip_symbol("(")) {
        node = std::make_unique<Call>(start, std::move(node), call_arguments());
      } else {
        return node;
      }
      deeper(length);
    }
  }

  ExpressionPtr subscript(int start, ExpressionPtr object) {
    ExpressionPtr first = is_symbol(":") ? nullptr : tuple(false);
    if (first && skip_symbol("]")) return std::make_unique<Item>(start, std::move(object), std::move(first));
    expect_symbol(":");
    ExpressionPtr stop = is_symbol(":") || is_symbol("]") ? nullptr : expression();
    ExpressionPtr step;
    if (skip_symbol(":") && !is_symbol("]")) step = expression();
    expect_symbol("]");
    return std::make_unique<Slice>(start, std::move(object), std::move(first), std::move(stop), std::move(step));
  }

  // After "(".
  CallArguments call_arguments() {
    CallArguments out;
    bool first = true;
    while (!skip_symbol(")")) {
      if (!std::exchange(first, false)) expect_symbol(",");
      if (skip_symbol(")")) break;
      if (skip_symbol("*")) {
        out.rest = expression();
      } else if (skip_symbol("**")) {
        out.named_rest = expression();
      } else if (peek().kind == TokenKind::name && is_symbol("=", 1)) {
        std::string name = identifier();
        next();
        out.named.emplace_back(std::move(name), expression());
      } else {
        if (!out.named.empty() || out.rest || out.named_rest) fail("a positional argument after a named one");
        out.positional.push_back(expression());
      }
    }
    return out;
  }

  ExpressionPtr filters(ExpressionPtr node) {
    int length = 0;
    while (true) {
      const int start = line();
      if (skip_symbol("|")) {
        FilterStep step = filter_step();
        node = std::make_unique<FilterCall>(start, std::move(node), step.filter, std::move(step.arguments));
      } else if (skip_name("is")) {
        node = test(start, std::move(node));
      } else if (skip_symbol("(")) {
        node = std::make_unique<Call>(start, std::move(node), call_arguments());
      } else {
        return node;
      }
      deeper(length);
    }
  }

  FilterStep filter_step() {
    FilterStep step{};
    std::string name = identifier();
    while (skip_symbol(".")) name += "." + identifier();
    step.filter = find_filter(name);
    if (step.filter == nullptr) refuse("filter '" + name + "' is not supported");
    if (skip_symbol("(")) step.arguments = call_arguments();
    return step;
  }

  ExpressionPtr test(int start, ExpressionPtr subject) {
    const bool negated = skip_name("not");
    std::string name = identifier();
    while (skip_symbol(".")) name += "." + identifier();
    const Test function = find_test(name);
    if (function == nullptr) refuse("test '" + name + "' is not supported");
    CallArguments arguments;
    if (skip_symbol("("))
      arguments = call_arguments();
    else if (begins_test_argument())
      arguments.positional.push_back(postfix(primary(), true));
    return std::make_unique<TestCall>(start, std::move(subject), function, std::move(arguments), negated);
  }

  // "x is divisibleby 3": one argument without brackets, unless the next word goes on with the expression around.
  bool begins_test_argument() {
    const TokenKind kind = peek().kind;
    if (kind == TokenKind::string || kind == TokenKind::integer || kind == TokenKind::real || is_symbol("[") ||
        is_symbol("{"))
      return true;
    if (kind != TokenKind::name) return false;
    if (is_name("is")) fail("tests with 'is' cannot be chained");
    static constexpr std::array<std::string_view, 6> kWords = {"else", "or", "and", "if", "in", "not"};
    for (const std::string_view word : kWords) {
      if (is_name(word)) return false;
    }
    return true;
  }

  std::vector<Token> tokens_;
  size_t at_ = 0;
  int nesting_ = 0;
  int loops_ = 0;
};

}  // namespace

Body parse(std::string_view source) { return Parser(source).run(); }

}  // namespace lyceum::text::jinja
