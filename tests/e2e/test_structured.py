"""Answers that keep to a form: response_format and grammar, through the official client, at temperatures where a free model writes noise."""
import concurrent.futures
import json
import re
import shutil

import harness
import jsonschema
import pytest
import random_model

SCHEMAS = {
    "person": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer", "minimum": 0, "maximum": 150}, "tags": {"type": "array", "items": {"enum": ["a", "b", "c"]}, "maxItems": 4}},
               "required": ["name", "age"], "additionalProperties": False},
    "dates": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "object", "properties": {"day": {"type": "string", "format": "date"}, "at": {"type": "string", "format": "time"}, "when": {"type": "string", "format": "date-time"},
              "id": {"type": "string", "format": "uuid"}}, "required": ["day", "at", "when", "id"]}},
    "tree": {"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "properties": {"value": {"type": ["integer", "null"]}, "left": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}}, "required": ["value", "left"], "additionalProperties": False}}},
    "pattern": {"type": "object", "properties": {"code": {"type": "string", "pattern": "^[A-Z]{2}-\\d{3}(\\.[a-f]+)?$"}, "free": {"type": "string", "pattern": "x\"|y"}}, "required": ["code"]},
    "numbers": {"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 6},
    "bounds": {"type": "array", "items": {"type": "integer", "minimum": -37, "exclusiveMaximum": 1042}, "minItems": 5, "maxItems": 9},
    "union": {"anyOf": [{"type": "object", "properties": {"kind": {"const": "dot"}, "x": {"type": "integer"}}, "required": ["kind", "x"]}, {"type": "object", "properties": {"kind": {"const": "text"}, "t": {"type": "string", "maxLength": 9}},
              "required": ["kind", "t"]}, {"type": "boolean"}]},
    "merged": {"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"properties": {"a": {"minimum": 10}, "b": {"const": None}}, "required": ["b"]}]},
    "tuple": {"type": "array", "prefixItems": [{"type": "integer"}, {"enum": ["é\"\\", "日本"]}], "items": False, "minItems": 2},
    "optional": {"type": "object", "properties": {name: {"type": "boolean"} for name in "abcdef"}, "required": ["c"], "additionalProperties": False},
    "map": {"type": "object", "properties": {"known": {"type": "integer"}}, "additionalProperties": {"type": "boolean"}, "required": ["known"]},
    "formats": {"type": "object", "properties": {"ip": {"type": "string", "format": "ipv4"}, "mail": {"type": "string", "format": "email"}}, "required": ["ip", "mail"]},
}
CHECKER = jsonschema.Draft202012Validator.FORMAT_CHECKER


@pytest.fixture(scope="module", params=["qwen2_5", "llama2"])   # bytes in the GPT-2 alphabet; SentencePiece's pieces with byte tokens
def engine(request):
    folder = harness.temporary_folder()
    random_model.make(folder / "model", request.param)
    with random_model.Engine(folder / "model", "--threads", "2") as running:
        yield running
    shutil.rmtree(folder, ignore_errors=True)


def complete(engine, **more):
    return engine.client().completions.create(model="model", prompt="Give me JSON:", **more)


def schema_format(schema):
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}


def check(choice, schema):
    """1 if the answer is whole and right, 0 if it was cut off; fails otherwise."""
    if choice.finish_reason == "length":
        return 0
    jsonschema.validate(json.loads(choice.text), schema, format_checker=CHECKER, cls=jsonschema.Draft202012Validator)
    return 1


def test_every_whole_answer_is_valid(engine):
    def ask(name, temperature, seed):
        answer = complete(engine, max_tokens=250, temperature=temperature, seed=seed, n=1 if temperature == 0 else 2, extra_body={"response_format": schema_format(SCHEMAS[name])})
        return name, sum(check(choice, SCHEMAS[name]) for choice in answer.choices)
    whole = dict.fromkeys(SCHEMAS, 0)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:   # several grammars in one batch
        for name, count in pool.map(lambda job: ask(*job), [(name, temperature, seed) for name in SCHEMAS for temperature, seed in ((0, 1), (1, 2), (2, 3))]):
            whole[name] += count
    missing = {name: count for name, count in whole.items() if count == 0 and name not in ("tree", "map", "pattern")}   # these three need not end
    assert not missing, whole
    assert sum(whole.values()) > 30, whole


def test_any_object_and_a_grammar(engine):
    objects = complete(engine, max_tokens=200, temperature=1, n=4, seed=5, extra_body={"response_format": {"type": "json_object"}, "logit_bias": {}})
    for choice in objects.choices:
        assert choice.text.startswith("{")
        if choice.finish_reason == "stop":
            assert isinstance(json.loads(choice.text), dict)
    moves = complete(engine, max_tokens=64, temperature=2, n=4, seed=6, extra_body={"grammar": 'root ::= move (" " move){0,3} "."\nmove ::= [a-h] [1-8] | "O-O" "-O"?'})
    for choice in moves.choices:
        assert choice.finish_reason == "stop" and re.fullmatch(r"(([a-h][1-8]|O-O(-O)?) ?){1,4}\.", choice.text), choice.text


def test_a_grammar_leaves_the_rest_as_it_was(engine):
    """Logprobs, stop, streaming and the same seed; a request beside it and one after it are not touched."""
    free = {"max_tokens": 24, "temperature": 1, "seed": 9}
    alone = complete(engine, **free).choices[0].text
    body = {"response_format": schema_format(SCHEMAS["bounds"])}
    first = complete(engine, max_tokens=100, temperature=1, seed=3, logprobs=2, extra_body=body).choices[0]
    assert "".join(first.logprobs.tokens) == first.text and all(value <= 0 for value in first.logprobs.token_logprobs)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        beside = [pool.submit(complete, engine, **free), *(pool.submit(complete, engine, max_tokens=100, temperature=1, seed=3, extra_body=body) for _ in range(3))]
        assert beside[0].result().choices[0].text == alone
        assert {one.result().choices[0].text for one in beside[1:]} == {first.text}
    stream = complete(engine, max_tokens=100, temperature=1, seed=3, stream=True, extra_body=body)
    assert "".join(event.choices[0].text for event in stream) == first.text
    cut = complete(engine, max_tokens=100, temperature=1, seed=3, stop=",", extra_body=body).choices[0]
    assert cut.text == first.text.split(",")[0] and cut.finish_reason == "stop"
    short = complete(engine, max_tokens=3, temperature=1, seed=3, extra_body=body).choices[0]
    assert short.finish_reason == "length" and first.text.startswith(short.text)


def test_refusals_name_the_field_and_the_keyword(engine):
    import openai

    def refusal(**body):
        with pytest.raises(openai.BadRequestError) as error:
            complete(engine, max_tokens=4, extra_body=body)
        return error.value.body["param"], error.value.body["message"]
    assert refusal(grammar="root ::= root") == ("grammar", "grammar: the grammar matches no text at all: every way through it goes on forever or contradicts itself")
    param, message = refusal(response_format=schema_format({"type": "object", "properties": {"a": {"multipleOf": 3}}}))
    assert param == "response_format" and "#/properties/a" in message and '"multipleOf"' in message
    assert refusal(response_format={"type": "regex"})[0] == "response_format"
    assert refusal(guided_json={})[0] == "guided_json"
    assert refusal(grammar='root ::= "a"', response_format={"type": "json_object"})[0] == "grammar"
