// What each feature must print is compared with Jinja itself in tests/text/compare_templates.py; here are the contract,
// the limits and the refusals.
#include "text/chat_template.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/error.h"

namespace lyceum::text {
namespace {

constexpr std::string_view kTemplate = R"({%- if tools %}<|tools|>{{ tools | tojson }}
{% endif %}
{%- for message in messages %}
    {%- if message.role not in ['system', 'user', 'assistant'] %}{{ raise_exception('role ' ~ message.role ~ ' is not known') }}{% endif %}
    {{- '<|' + message['role'] + '|>' + message.content | trim + eos_token }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|assistant|>' }}
{%- endif %})";

ChatInputs chat(const std::string& messages) {
  ChatInputs inputs;
  inputs.messages = parse_json(messages, "messages").get_array();
  inputs.eos_token = "</s>";
  return inputs;
}

std::string render(std::string_view source, const json::object& extra = {}) {
  ChatInputs inputs;
  inputs.extra = extra;
  return ChatTemplate(source).render(inputs);
}

Code code_of(std::string_view source) {
  try {
    render(source);
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "was accepted: " << source.substr(0, 100);
  return Code::internal;
}

std::string message_of(std::string_view source) {
  try {
    render(source);
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

TEST(ChatTemplate, RendersAChat) {
  const ChatTemplate chat_template(kTemplate);
  ChatInputs inputs = chat(R"([{"role": "system", "content": " Be brief. "}, {"role": "user", "content": "Hi"}])");
  EXPECT_EQ(chat_template.render(inputs), "<|system|>Be brief.</s><|user|>Hi</s><|assistant|>");
  inputs.add_generation_prompt = false;
  inputs.tools = parse_json(R"([{"name": "é", "n": 1.0}])", "tools").get_array();
  EXPECT_EQ(chat_template.render(inputs),
            "<|tools|>[{\"name\": \"é\", \"n\": 1.0}]\n<|system|>Be brief.</s><|user|>Hi</s>");
}

TEST(ChatTemplate, PassesOnTheTemplatesOwnRefusal) {
  try {
    ChatTemplate(kTemplate).render(chat(R"([{"role": "robot", "content": "x"}])"));
    FAIL() << "was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::invalid_argument);
    EXPECT_NE(std::string(error.what()).find("role robot is not known"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("line 4"), std::string::npos) << error.what();
  }
}

TEST(ChatTemplate, GivesReasoningUnderItsNames) {
  const ChatTemplate chat_template("{{ messages[0].reasoning_content }}/{{ messages[0].thinking }}");
  EXPECT_EQ(chat_template.render(chat(R"([{"role": "assistant", "reasoning": "r", "content": "c"}])")), "r/r");
}

TEST(ChatTemplate, SaysTheTimeItIsGiven) {
  ChatInputs inputs;
  inputs.now_ms = 1'750'000'000'000;
  EXPECT_EQ(ChatTemplate("{{ strftime_now('%Y-%m') }}").render(inputs), "2025-06");
}

TEST(ChatTemplate, RefusesUnknownNamesWithTheirLine) {
  EXPECT_EQ(code_of("{{ x|nosuch }}"), Code::unsupported);
  EXPECT_EQ(code_of("{{ x is nosuch }}"), Code::unsupported);
  EXPECT_EQ(code_of("{{ nosuch() }}"), Code::unsupported);
  EXPECT_EQ(code_of("{{ 'a'.nosuch() }}"), Code::unsupported);
  EXPECT_EQ(code_of("{% include 'x' %}"), Code::unsupported);
  EXPECT_EQ(code_of("{% for x in [] recursive %}{% endfor %}"), Code::unsupported);
  EXPECT_EQ(message_of("a\nb\n{{ x|nosuch }}"), "chat template line 3: filter 'nosuch' is not supported");
  EXPECT_EQ(message_of("a\n\n{{ x.y.z }}"), "chat template line 3: 'x' is undefined");
}

TEST(ChatTemplate, RefusesMalformedSource) {
  for (const char* source :
       {"{{", "{% if %}", "{% if x %}", "{% endif %}", "{{ 1 + }}", "{{ 'a }}", "{# a", "{% raw %}", "{{ (1] }}",
        "{% break %}", "{% set true = 1 %}", "{{ f(a=1, 2) }}", "{{ 99999999999999999999 }}"}) {
    EXPECT_EQ(code_of(source), Code::invalid_argument) << source;
  }
  EXPECT_EQ(code_of("\xff"), Code::invalid_argument);
}

TEST(ChatTemplate, StaysInsideTheSandbox) {
  EXPECT_EQ(code_of("{{ [1].append(2) }}"), Code::invalid_argument);
  EXPECT_EQ(code_of("{{ {}.update({}) }}"), Code::invalid_argument);
  EXPECT_EQ(code_of("{{ ''.__class__() }}"), Code::invalid_argument);
  EXPECT_EQ(code_of("{% set ns = namespace() %}{% set ns._x = 1 %}"), Code::invalid_argument);
}

std::string repeated(std::string_view part, size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i) out += part;
  return out;
}

TEST(ChatTemplate, StopsAtItsLimits) {
  EXPECT_EQ(code_of("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}"),
            Code::unprocessable);
  EXPECT_EQ(code_of("{{ range(100001) }}"), Code::unprocessable);
  EXPECT_EQ(code_of("{{ 'x' * 100000000 }}"), Code::too_large);
  EXPECT_EQ(code_of("{% set ns = namespace(s='xxxxxxxxxxxxxxxx') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s "
                    "%}{% endfor %}"),
            Code::too_large);
  EXPECT_EQ(code_of("{% set ns = namespace(s=[1]) %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}"),
            Code::unprocessable);
  EXPECT_EQ(code_of("{% set ns = namespace(s=[]) %}{% for i in range(200) %}{% set ns.s = [ns.s] %}{% endfor %}"),
            Code::unprocessable);
  EXPECT_EQ(
      code_of(
          "{% set ns = namespace(s=[1]) %}{% for i in range(90) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}"),
      Code::unprocessable);
  EXPECT_EQ(code_of("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"), Code::unprocessable);
  EXPECT_EQ(code_of("{{ " + repeated("(", 5000) + "1" + repeated(")", 5000) + " }}"), Code::invalid_argument);
  EXPECT_EQ(code_of("{{ " + repeated("not ", 5000) + "1 }}"), Code::invalid_argument);
  EXPECT_EQ(code_of("{{ x" + repeated(".a", 5000) + " }}"), Code::invalid_argument);
  EXPECT_EQ(code_of(repeated("{% if 1 %}", 5000)), Code::invalid_argument);
  EXPECT_EQ(code_of(std::string(300'000, 'x')), Code::too_large);
}

TEST(ChatTemplate, LongSumsAreNotDeep) { EXPECT_EQ(render("{{ 1" + repeated(" + 1", 3000) + " }}"), "3001"); }

TEST(ChatTemplate, CyclesDoNotLeak) {
  EXPECT_EQ(render("{% set ns = namespace() %}{% set ns.me = ns %}{% set ns.list = [ns] %}{% macro m() %}x{% endmacro "
                   "%}{% set ns.m = m %}{{ ns.m() }}"),
            "x");
  EXPECT_EQ(render("{% set ns = namespace() %}{% for x in [1, 2] %}{% set ns.c = loop.cycle %}{% set ns.l = loop %}{% "
                   "endfor %}{{ ns.c('a', 'b') }}"),
            "b");
}

TEST(ChatTemplate, OneTemplateServesSeveralThreads) {
  const ChatTemplate chat_template(kTemplate);
  const ChatInputs inputs = chat(R"([{"role": "user", "content": "Hi"}])");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 50; ++round) EXPECT_EQ(chat_template.render(inputs), "<|user|>Hi</s><|assistant|>");
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace lyceum::text
