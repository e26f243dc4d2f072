"""Compares our chat templates with transformers' Jinja: the templates of real models, and snippets written by us for each feature.

    python tests/text/compare_templates.py [--verbose] [--tool PATH]

Prints "N renderings, D differences" and exits 1 on any difference. A template that transformers refuses must be refused by us too.
"""

import argparse
import json
import subprocess
import sys

import npm_packages
from transformers.utils.chat_template_utils import render_jinja_template

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a <place> & \"more\"",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "Città, 城市"}, "days": {"type": "integer", "enum": [1, 2]}},
            "required": ["city"],
        },
    },
}
CALL = {"role": "assistant", "content": "", "tool_calls": [
    {"id": "abcdefghi", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Zürich", "days": 2, "f": 1.5, "n": None, "b": True}}}]}
RESULT = {"role": "tool", "name": "get_weather", "tool_call_id": "abcdefghi", "content": "{\"t\": 21}"}
CHATS = [
    [],
    [{"role": "user", "content": "Hello"}],
    [{"role": "user", "content": "  Hi \n"}, {"role": "assistant", "content": " Yes? "}, {"role": "user", "content": "嗨 🙂"}],
    [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}],
    [{"role": "system", "content": "S"}, {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}],
    [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}],
    [{"role": "assistant", "content": "first"}],
    [{"role": "user", "content": "Weather?"}, CALL, RESULT, {"role": "assistant", "content": "21 degrees."}, {"role": "user", "content": "Thanks"}],
    [{"role": "user", "content": "Weather?"}, CALL, RESULT],
    [{"role": "user", "content": "Weather?"}, CALL, RESULT, dict(RESULT, content="two")],
    [{"role": "user", "content": "q"}, {"role": "assistant", "content": "<think>\nhm\n</think>\n\nanswer"}, {"role": "user", "content": "next"}],
    [{"role": "user", "content": "q"}, {"role": "assistant", "reasoning_content": "r", "content": "answer"}],
    [{"role": "user", "content": [{"type": "text", "text": "part"}]}],
    [{"role": "tool", "content": "odd"}],
    [{"role": "weird", "content": "odd"}],
]

# One line each: text, and what it must do is decided by Jinja itself.
SNIPPETS = r"""
{{ 1 }} {{ 1.0 }} {{ 1e20 }} {{ 1.5e-7 }} {{ 0.1 + 0.2 }} {{ 100000000000000000.0 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }}
{{ -2 ** 2 }} {{ 2 ** 3 ** 2 }} {{ 1_000 }} {{ 3 * 'ab' }} {{ [1] * 2 }} {{ 'a' ~ 1 ~ none ~ true }} {{ 1 + 2 * 3 - 4 }} {{ 10 - 2 - 3 }}
{{ true }} {{ none }} {{ [1, 'a', "it's", none, true, 1.5] }} {{ {'a': 1, 'b': [1, {'c': 'x"y'}]} }} {{ (1,) }} {{ (1, 2) }} {{ () }} {{ [] }} {{ {} }}
{{ ['\n\t\\', 'é', '\x01', "'\""] }} {{ "a" 'b' }} {{ 'x\'y' }} {{ "\u00e9\n" }}
{% for i in range(5) %}{{ i }}{{ ',' if not loop.last }}{% endfor %} {{ range(3)|list }} {{ range(5, 0, -2)|list }} {{ range(3)|length }}
{% for i in [1,2,3,4] if i is even %}{{ loop.index }}/{{ loop.length }}:{{ i }} {% else %}none{% endfor %}
{% for i in [] %}x{% else %}empty{% endfor %} {% for i in undefined_thing %}x{% else %}empty{% endfor %}
{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}={{ v }} {% endfor %} {% for k in {'z': 1, 'y': 2} %}{{ k }}{% endfor %} {% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}
{% for x in [1, 2, 3, 4, 5] %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 4 %}{% break %}{% endif %}{{ x }}{% endfor %}
{% for x in 'abc' %}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.cycle('o', 'e') }} {% endfor %}
{% for x in [1, 1, 2] %}{{ loop.changed(x) }}{% for y in [1] %}{{ loop.depth }}{{ loop.depth0 }}{% endfor %}{% endfor %}
{% set x = 1 %}{% for i in [1, 2] %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }} {% if true %}{% set x = 9 %}{% endif %}{{ x }}
{% set ns = namespace(a=1, b='x') %}{% for i in range(3) %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}{{ ns.b }}{{ ns.missing is defined }}
{% set a, b = 1, [2] %}{{ a }}{{ b }} {% set t = 1, 2 %}{{ t }} {% set body %} text {{ a }} {% endset %}[{{ body }}] {% set up | upper | trim %} abc {% endset %}[{{ up }}]
{% macro f(a, b=2, c='z') %}{{ a }}-{{ b }}-{{ c }}{% endmacro %}{{ f(1) }} {{ f(1, c=3) }} {{ f('x', 'y') }} {{ f() }}
{% macro g() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ g(1, 2, k=3) }} {% macro h(x) %}[{{ caller(x) }}]{% endmacro %}{% call(v) h(7) %}v={{ v }}{% endcall %}
{% macro fact(n) %}{% if n <= 1 %}1{% else %}{{ n }}*{{ fact(n - 1) }}{% endif %}{% endmacro %}{{ fact(5) }}
{% filter upper %}abc{{ 'd' }}{% endfilter %} {% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a is defined }} {% generation %}gen{% endgeneration %} {% raw %}{{ raw }}{% endraw %}
{{ '  a b '|trim }}|{{ 'xxaxx'|trim('x') }}|{{ 'abc'|length }}|{{ '日本'|length }}|{{ [1,2]|join('-') }}|{{ [1,2]|join }}|{{ [{'a': 1}, {'a': 2}]|join(',', attribute='a') }}
{{ x|default('d') }} {{ ''|default('d') }} {{ ''|default('d', true) }} {{ none|d('n') }} {{ 'aBc'|upper }} {{ 'aBc'|lower }} {{ 'hello world-foo (bar)'|title }} {{ 'hELLO wORLD'|capitalize }}
{{ [3,1,2]|first }}{{ [3,1,2]|last }}{{ [3,1,2]|sort }}{{ [3,1,2]|sort(reverse=true) }}{{ ['b','A','c']|sort }}{{ ['b','A','c']|sort(case_sensitive=true) }}{{ [3,1,2]|sum }}{{ [3,1,2]|min }}{{ [3,1,2]|max }}
{{ [1,2,3]|map('string')|list }} {{ ['a','b']|map('upper')|join }} {{ [{'n': {'m': 1}}, {'n': {'m': 2}}]|map(attribute='n.m')|list }} {{ [{'a':1},{}]|map(attribute='a', default=0)|list }}
{{ [1,2,3,4]|select('odd')|list }}{{ [1,2,3,4]|reject('odd')|list }}{{ [0,1,'']|select|list }}{{ [{'r':'a','v':1},{'r':'b','v':2}]|selectattr('r','equalto','b')|map(attribute='v')|list }}
{{ [{'r':'a'},{'q':1}]|selectattr('r','defined')|list }} {{ [{'r':'a'},{'r':'b'}]|rejectattr('r','eq','a')|list }} {{ [{'r': none}, {'r': 1}]|selectattr('r')|list }}
{{ {'b':1,'a':2}|items|list }} {{ {'b':1,'a':2}|dictsort }} {{ {'b':1,'a':2}|dictsort(by='value') }} {{ {'b':1,'a':2}|dictsort(reverse=true) }} {{ {'b':1,'a':2}|list }} {{ {'b':1}|length }}
{{ 'a-b-c'|replace('-', '+') }} {{ 'a-b-c'|replace('-', '+', 1) }} {{ 5|string + 'x' }} {{ '42'|int + 1 }} {{ '42.9'|int }} {{ 'x'|int }} {{ 'x'|int(7) }} {{ 3.9|int }} {{ '1.5'|float }} {{ 'x'|float }} {{ 3|float }}
{{ 42.55|round }} {{ 42.55|round(1) }} {{ 2.5|round }} {{ 3.5|round|int }} {{ 42.55|round(1, 'floor') }} {{ 42.1|round(method='ceil') }} {{ 5|round }} {{ '<a href="x">&\''|escape }} {{ '<b>'|safe }} {{ '<b>'|e }}
{{ 'a\nb\n\nc'|indent }} {{ 'a\nb'|indent(2, true) }} {{ 'a\nb\n\nc'|indent('> ', blank=true) }} {{ 'abc'|reverse }} {{ [1,2]|reverse|list }} {{ (-3)|abs }} {{ [1,1,2]|unique|list }} {{ ['a','A']|unique|list }}
{{ [1,2,3,4,5]|batch(2)|list }} {{ [1,2,3]|batch(2, 'x')|list }} {{ 'a b  c'|wordcount }} {{ {'a': 1}|attr('a') is defined }} {% for g, items in [{'k':1,'v':'a'},{'k':2,'v':'b'},{'k':1,'v':'c'}]|groupby('k') %}{{ g }}:{{ items|map(attribute='v')|join }} {% endfor %}
{{ {'a': [1, 2.0, none, true, 'é<>&\'"\n'], 'b': {}} | tojson }} {{ {'a': [1, []], 'b': {'c': {}}} | tojson(indent=2) }} {{ 'é😀'|tojson(ensure_ascii=true) }} {{ {'b':1,'a':2}|tojson(sort_keys=true) }} {{ [1,2]|tojson(separators=(',', ':')) }} {{ {1: 2, none: 3, true: 4}|tojson }}
{{ x is defined }}{{ x is undefined }}{{ none is none }}{{ 'a' is string }}{{ 1 is number }}{{ true is number }}{{ 1 is integer }}{{ true is integer }}{{ 1.0 is float }}{{ {} is mapping }}{{ [] is mapping }}{{ [] is iterable }}{{ 1 is iterable }}{{ 'a' is sequence }}{{ {} is sequence }}{{ 1 is sequence }}
{{ true is boolean }}{{ 1 is boolean }}{{ true is true }}{{ 1 is true }}{{ false is false }}{{ 3 is odd }}{{ 3 is even }}{{ 9 is divisibleby 3 }}{{ 9 is divisibleby(4) }}{{ 1 is in [1, 2] }}{{ 3 is not in([1, 2]) }}{{ 1 is eq 1 }}{{ 1 is ne 2 }}{{ 1 is lt 2 }}{{ 1 is ge(2) }}{{ 'a' is equalto 'a' }}{{ 'abc' is lower }}{{ 'ABC' is upper }}{{ none is sameas none }}
{{ 1 == 1.0 }}{{ 1 == true }}{{ '1' == 1 }}{{ [1, 2] == [1, 2] }}{{ (1, 2) == [1, 2] }}{{ {'a': 1} == {'a': 1.0} }}{{ 1 < 2 < 3 }}{{ 1 < 3 < 2 }}{{ 'a' < 'b' }}{{ [1, 2] < [1, 3] }}{{ 'b' in 'abc' }}{{ 'x' not in 'abc' }}{{ 1 in [1] }}{{ 'a' in {'a': 1} }}{{ not 1 == 2 }}{{ 1 and 0 or 'x' }}{{ '' or none }}{{ 'q' in undefined_thing }}
{{ 'a,b,,c'.split(',') }} {{ ' a  b '.split() }} {{ 'a b c'.split(' ', 1) }} {{ 'a b c'.rsplit(' ', 1) }} {{ 'a b c'.split(None, 1) }} {{ '  x '.strip() }}|{{ 'xxaxx'.strip('x') }}|{{ '  x'.lstrip() }}|{{ 'x  '.rstrip() }}|{{ 'x\n\n'.rstrip('\n') }}|
{{ 'abc'.startswith('ab') }}{{ 'abc'.endswith(('x', 'c')) }}{{ 'abc'.replace('b', 'X') }}{{ 'aaa'.replace('a', 'b', 2) }}{{ 'aBc'.upper() }}{{ 'aBc'.lower() }}{{ "they're bill's".title() }}{{ 'aBC'.capitalize() }}{{ 'abcb'.find('b') }}{{ 'abc'.find('x') }}{{ 'abcb'.rfind('b') }}{{ 'abab'.count('ab') }}{{ '-'.join(['a', 'b']) }}
{{ 'a\nb\r\nc'.splitlines() }} {{ 'prefix-x'.removeprefix('prefix-') }} {{ 'x.py'.removesuffix('.py') }} {{ 'a=b=c'.partition('=') }} {{ 'a=b=c'.rpartition('=') }} {{ '12'.isdigit() }}{{ 'ab'.isalpha() }}{{ ' '.isspace() }}{{ 'AB'.isupper() }}{{ 'abc'.replace('', '-') }}
{{ {'a': 1}.get('a') }}{{ {'a': 1}.get('b') }}{{ {'a': 1}.get('b', 'z') }} {{ {'a': 1}.keys()|list }} {{ {'a': 1}.values()|list }} {{ {'a': 1}.items()|list }} {{ {'a': {'b': 2}}.a.b }} {{ {'a': 1}['a'] }} {{ {'items': 5}['items'] }} {{ [1, 2, 1].count(1) }} {{ [5, 6].index(6) }} {{ dict(a=1, b=2) }} {{ dict({'x': 1}, y=2) }}
{{ [1, 2, 3, 4][1:3] }} {{ [1, 2, 3, 4][::-1] }} {{ [1, 2, 3][-1] }} {{ 'abcdef'[::2] }} {{ 'abcdef'[-3:] }} {{ 'héllo'[1] }} {{ [1, 2, 3][:-1] }} {{ 'abc'[10:] }} {{ [1, 2, 3][5:1:-1] }} {{ [1, 2, 3].0 }} {{ {'a': [1, 2]}.a[1] }} {{ [1][9] is defined }}
{{ 'yes' if 1 else 'no' }} {{ 'yes' if 0 else 'no' }} [{{ 'yes' if 0 }}] {{ 'a' if 0 else 'b' if 0 else 'c' }} {{ (1 if true else 2) + 1 }} {{ (x.y is defined) if (x is defined) else 'nox' }} {{ messages is defined and messages|length == 0 }}
  {% if true %}indented{% endif %}  |  {%+ if true %}kept{% endif %}|{{- ' a ' -}}|  {%- if true -%}  tight  {%- endif -%}  |{# comment #}  {#- c -#}  end
{{ undefined_thing }}|{{ undefined_thing|length }}|{{ undefined_thing|list }}|{{ undefined_thing|upper }}|{{ undefined_thing == none }}|{{ undefined_thing is none }}|{{ not undefined_thing }}|{{ none|trim }}|{{ [undefined_thing] }}
{{ strftime_now('%Y-%m-%d') == strftime_now('%Y-%m-%d') }} {{ raise_exception('stop') if false }} {{ 'a' 'b' ~ 'c' }} {{ "%"|string }} {{ {'a': 1, 'a': 2} }} {{ [1, 2,] }} {{ {'a': 1,} }} {{ 'A' ~ 1 + 2 }}
{{ raise_exception('stop here') }}
{{ undefined_thing.attribute }}
{{ undefined_thing + 'x' }}
{{ 'a' + 1 }}
{{ [1].append(2) }}
{{ {'a': 1}.update({'b': 2}) }}
{{ 1 < 'a' }}
{{ none|length }}
{{ 5 in 5 }}
{{ 1 / 0 }}
{{ 'a'.nosuch() }}
{{ nosuch() }}
{{ undefined_thing|tojson }}
{{ 'x'|nosuchfilter }}
{{ 'x' is nosuchtest }}
{% if true %}
{% endfor %}
{{ 'unclosed }}
{{ 1 + }}
{% unknown_tag %}
{% set ns = namespace(_a=1) %}
{{ namespace().__class__ }} {{ [].append is defined }}
{{ namespace().__class__() }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}
{% for a, b in [1] %}{% endfor %}
"""

BLOCKS = [
    "{% if true %}\n  a\n{% endif %}\nb\n",
    "a\n  {% for x in [1, 2] %}\n  {{ x }}\n  {% endfor %}\nb\n\n",
    "a   {% if true %}   b\n   {%- if true +%}\n c {% endif %}{% endif %}\n",
    "{# c #}\nx\n  {# d #}\ny {# e #}\nz",
    "{%- for m in messages -%}\n{{ m.role }}\n{%- endfor -%}\n",
    "x\r\ny\rz{% raw %}\n {% if %} {% endraw %}\nq\n",
    "  {{- 1 }}\n  {{ 2 -}}\n  3\n\t{% set x = 1 %}\n\t{{ x }}\n",
    "{% set x %}\n a\n {% if true %}\n b\n {% endif %}\n{% endset %}\n[{{ x }}]",
    "{{ {'a': {'b': 1}} }}{{ '}}' }}{{ '%}' }}{% if '%}' %}ok{% endif %}",
    "{% if messages %}{{ messages[0]['role'] }}{% elif tools %}t{% else %}none{% endif %}",
    "\n\n{% if true %}\n\nx{% endif %}",
    "{%if true%}tight{%endif%}{{1}}{%-if true-%} a {%-endif-%}",
]


def cases() -> list:
    out = []
    for name in [*npm_packages.NAMES, "llama3_2", "gemma3"]:  # Llama 3.1 to 3.3 share 3.2's format of tool calls
        config = json.loads((npm_packages.models_folder(name) / "tokenizer_config.json").read_text(encoding="utf-8"))
        template = config.get("chat_template")
        if isinstance(template, list):
            template = {entry["name"]: entry["template"] for entry in template}.get("default")
        if not template:
            continue
        extra = {}
        for key in ("bos_token", "eos_token", "pad_token", "unk_token"):
            value = config.get(key)
            if value is not None:
                extra[key] = value["content"] if isinstance(value, dict) else value
        for chat in CHATS:
            for tools in ([], [TOOL], [TOOL, TOOL]):
                for prompt in (False, True):
                    out.append((name, {"template": template, "messages": chat, "tools": tools, "add_generation_prompt": prompt, "extra": extra}))
        out.append((name, {"template": template, "messages": CHATS[1], "add_generation_prompt": True, "extra": dict(extra, enable_thinking=False)}))
    for snippet in [line for line in SNIPPETS.split("\n") if line] + BLOCKS:
        out.append(("snippet", {"template": snippet, "messages": CHATS[0], "extra": {}}))
        out.append(("snippet", {"template": snippet, "messages": CHATS[4], "extra": {}}))
    return out


def theirs(request: dict):
    try:
        rendered, _ = render_jinja_template(
            conversations=[json.loads(json.dumps(request["messages"]))],
            tools=request.get("tools") or None,
            chat_template=request["template"],
            add_generation_prompt=request.get("add_generation_prompt", False),
            **request["extra"],
        )
        return rendered[0]
    except Exception as error:  # any refusal of theirs counts the same
        return error


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--tool", help="the built tokenize_tool; otherwise it is looked for")
    arguments = parser.parse_args()
    requests = cases()
    lines = "".join(json.dumps(request) + "\n" for _, request in requests)
    done = subprocess.run([arguments.tool or npm_packages.find_tool("tokenize_tool"), "render"], input=lines.encode(), stdout=subprocess.PIPE, check=True)
    answers = [json.loads(line) for line in done.stdout.decode("utf-8").split("\n") if line]
    totals = {}
    for (name, request), ours in zip(requests, answers, strict=True):
        expected = theirs(request)
        refused = isinstance(expected, Exception)
        same = ("error" in ours) if refused else ours.get("text") == expected
        count = totals.setdefault(name, [0, 0])
        count[0] += 1
        count[1] += not same
        if not same or (arguments.verbose and refused):
            print(f"  {name}: {request['template'][:300]!r}\n    theirs {expected!r}\n    ours   {ours!r}")
    for name, (count, differences) in totals.items():
        print(f"{name}: {count} renderings, {differences} differences")
    return 1 if any(differences for _, differences in totals.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
