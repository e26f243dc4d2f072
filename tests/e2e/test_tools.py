"""Tool calls through the official client: the families' real templates and tokenizers, random weights."""
import json
import shutil

import harness
import jsonschema
import openai
import pytest
import random_model

WEATHER = {"type": "function", "function": {"name": "get_weather", "description": "The weather of a place", "parameters": {
    "type": "object", "properties": {"city": {"type": "string", "maxLength": 12}, "unit": {"enum": ["C", "F"]}, "days": {"type": "integer", "minimum": 1, "maximum": 14}}, "required": ["city", "days"]}}}
CLOCK = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}}}
TOOLS = [WEATHER, CLOCK]
SCHEMAS = {tool["function"]["name"]: tool["function"]["parameters"] for tool in TOOLS}
ASK = [{"role": "user", "content": "Weather in Zürich?"}]


@pytest.fixture(scope="module", params=["qwen2_5", "qwen3", "mistral_nemo", "llama3_2"])
def engine(request):
    folder = harness.temporary_folder()
    random_model.make(folder / "model", request.param)
    with random_model.Engine(folder / "model", "--threads", "2") as running:
        running.family = request.param
        yield running
    shutil.rmtree(folder, ignore_errors=True)


def chat(engine, messages=ASK, **more):
    return engine.client().chat.completions.create(model="model", messages=messages, **{"max_tokens": 200, "temperature": 1, **more})


def check_calls(engine, calls):
    assert calls
    for call in calls:
        jsonschema.validate(json.loads(call.function.arguments), SCHEMAS[call.function.name])
        assert call.type == "function" and call.id
        if engine.family == "mistral_nemo":
            assert len(call.id) == 9
    assert len({call.id for call in calls}) == len(calls)


def test_required_and_named_choices_make_valid_calls(engine):
    for seed in range(4):
        choice = chat(engine, tools=TOOLS, tool_choice="required", seed=seed, parallel_tool_calls=False).choices[0]
        assert choice.finish_reason == "tool_calls" and choice.message.content is None
        check_calls(engine, choice.message.tool_calls)
        assert len(choice.message.tool_calls) == 1
        named = chat(engine, tools=TOOLS, tool_choice={"type": "function", "function": {"name": "get_weather"}}, seed=seed).choices[0]
        check_calls(engine, named.message.tool_calls)
        assert [call.function.name for call in named.message.tool_calls] == ["get_weather"]


def test_a_stream_says_the_same_as_the_whole(engine):
    whole = chat(engine, tools=TOOLS, tool_choice="required", seed=3, max_tokens=400)
    calls, finish = {}, None
    for event in chat(engine, tools=TOOLS, tool_choice="required", seed=3, max_tokens=400, stream=True):
        choice = event.choices[0]
        finish = choice.finish_reason or finish
        assert not choice.delta.content
        for delta in choice.delta.tool_calls or []:
            call = calls.setdefault(delta.index, {"name": "", "arguments": ""})
            if delta.function.name:
                assert delta.id and delta.type == "function"
                call["name"] = delta.function.name
            call["arguments"] += delta.function.arguments or ""
    assert finish == whole.choices[0].finish_reason
    assert [calls[i] for i in sorted(calls)] == [{"name": call.function.name, "arguments": call.function.arguments} for call in whole.choices[0].message.tool_calls]
    with engine.client().chat.completions.stream(model="model", messages=ASK, tools=[{**CLOCK, "function": {**CLOCK["function"], "strict": True}}], tool_choice="required", seed=3, max_tokens=400, parallel_tool_calls=False) as stream:
        final = stream.get_final_completion()   # the client's own accumulation
    assert final.choices[0].message.tool_calls[0].function.name == "clock"


def test_auto_leaves_text_as_text(engine):
    """A model of noise says noise; whatever it says is text, or calls that fit."""
    for seed in range(3):
        choice = chat(engine, tools=TOOLS, seed=seed, max_tokens=40, n=2).choices[0]
        assert choice.finish_reason in ("stop", "length", "tool_calls")
        if choice.finish_reason == "tool_calls":
            check_calls(engine, choice.message.tool_calls)
        else:
            assert choice.message.content is not None and choice.message.tool_calls is None


def test_auto_calls_fit_when_the_model_calls(engine):
    """The marker is pushed on the model by its logits, what follows is its own."""
    marker = {"qwen2_5": "<tool_call>", "qwen3": "<tool_call>", "mistral_nemo": "[TOOL_CALLS]", "llama3_2": "<|python_tag|>"}[engine.family]
    token = random_model.token_ids(engine.model)[marker]
    choice = chat(engine, tools=TOOLS, seed=1, logit_bias={str(token): 100}, max_tokens=400, parallel_tool_calls=False).choices[0]
    assert choice.finish_reason == "tool_calls"
    check_calls(engine, choice.message.tool_calls)


def test_results_go_back_in(engine):
    first = chat(engine, tools=TOOLS, tool_choice="required", seed=5, parallel_tool_calls=False).choices[0].message
    history = [*ASK, first, {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "{\"t\": 21}"}]
    answer = chat(engine, history, tools=TOOLS, tool_choice="none", max_tokens=8)
    assert answer.choices[0].message.content is not None and answer.choices[0].message.tool_calls is None
    chat(engine, [*ASK, first.model_dump(), history[-1]], tools=TOOLS, max_tokens=4)   # with all its nulls


def test_refusals_name_what_is_wrong(engine):
    def refusal(**more):
        with pytest.raises(openai.BadRequestError) as error:
            chat(engine, **more)
        return error.value.body["param"], error.value.body["message"]
    unsupported = {"type": "function", "function": {"name": "f", "strict": True, "parameters": {"type": "object", "properties": {"a": {"type": "number", "multipleOf": 2}}}}}
    param, message = refusal(tools=[unsupported])
    assert param == "tools" and '"multipleOf"' in message and "function f" in message and 'without "strict": true' in message
    for strict in (False, None):   # any object will do
        unsupported["function"]["strict"] = strict
        assert chat(engine, tools=[unsupported], max_tokens=2).choices
    assert refusal(tools=[{"type": "custom", "custom": {"name": "x"}}])[0] == "tools[0]"
    assert refusal(tools=TOOLS, tool_choice={"type": "function", "function": {"name": "nobody"}})[0] == "tool_choice"
    assert refusal(tool_choice="required")[0] == "tool_choice"
    assert refusal(tools=TOOLS, response_format={"type": "json_object"})[0] == "response_format"
    assert refusal(messages=[*ASK, {"role": "assistant", "tool_calls": [{"id": "abcdefghi", "type": "function", "function": {"name": "clock", "arguments": "[1"}}]}])[0] == "messages[1].tool_calls[0]"


def test_reasoning_comes_apart(engine):
    """Only where the template knows it; a grammar says what the noise cannot."""
    said = {"grammar": 'root ::= "<think>\\nhm, " [a-z]{3} "\\n</think>\\n\\n" [A-Z]{2}'}
    message = chat(engine, extra_body=said, seed=1).choices[0].message
    deltas = [event.choices[0].delta for event in chat(engine, extra_body=said, seed=1, stream=True)]
    content = "".join(delta.content or "" for delta in deltas)
    reasoning = "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
    assert (content, reasoning) == (message.content, getattr(message, "reasoning_content", ""))
    if engine.family == "qwen3":
        assert reasoning.startswith("hm, ") and len(reasoning) == 7 and len(content) == 2
        assert chat(engine, extra_body={**said, "reasoning_format": "none"}, seed=1).choices[0].message.content.startswith("<think>\nhm, ")
    else:
        assert reasoning == "" and content.startswith("<think>")


def test_a_pydantic_model_is_parsed(engine):
    import pydantic

    class Step(pydantic.BaseModel):
        text: str = pydantic.Field(max_length=10)
        done: bool

    class Plan(pydantic.BaseModel):
        title: str = pydantic.Field(max_length=10)
        steps: list[Step] = pydantic.Field(max_length=3)
        rating: int = pydantic.Field(ge=1, le=5)
        parent: "Plan | None"

    for seed in range(20):   # recursive: a plan may go on for long
        try:
            answer = engine.client().chat.completions.parse(model="model", messages=ASK, response_format=Plan, max_tokens=400, temperature=1, seed=seed)
        except openai.LengthFinishReasonError:
            continue
        assert isinstance(answer.choices[0].message.parsed, Plan)
        return
    pytest.fail("no plan ended within 400 tokens")


def test_a_model_without_tools_says_so():
    folder = harness.temporary_folder()
    random_model.make(folder / "model", "llama3")   # its template knows messages only
    with random_model.Engine(folder / "model") as plain:
        with pytest.raises(openai.BadRequestError) as error:
            chat(plain, tools=TOOLS)
        assert error.value.body["param"] == "tools" and "no format for tool calls" in error.value.body["message"]
        with pytest.raises(openai.BadRequestError) as error:
            chat(plain, [*ASK, {"role": "tool", "tool_call_id": "x", "content": "1"}])
        assert error.value.body["param"] == "messages[1]"
    shutil.rmtree(folder, ignore_errors=True)
