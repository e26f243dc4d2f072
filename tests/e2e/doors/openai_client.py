"""The `openai` package against /v1/…."""
import json
import typing

import openai
import pydantic
from jobs import CODER, KEY, LAST_WORDS, PARAMETERS, SCRIPTED, URL, check_arguments, job, report

client = openai.OpenAI(base_url=URL + "/v1", api_key=KEY, max_retries=0)
MESSAGES = [{"role": "user", "content": "Write the file."}]
CHAT_TOOLS = [{"type": "function", "function": {"name": "write_file", "parameters": PARAMETERS, "strict": True}}]
TOOLS = [{"type": "function", "name": "write_file", "parameters": PARAMETERS, "strict": True}]


class Report(pydantic.BaseModel):
    done: bool
    size: typing.Literal[1, 2, 3]


@job("models")
def _():
    assert {SCRIPTED, CODER} <= {model.id for model in client.models.list()}


@job("chat")
def _():
    assert client.chat.completions.create(model=SCRIPTED, messages=MESSAGES).choices[0].message.content == LAST_WORDS


@job("chat, streamed")
def _():
    with client.chat.completions.stream(model=SCRIPTED, messages=MESSAGES) as stream:
        assert stream.get_final_completion().choices[0].message.content == LAST_WORDS


@job("chat, tool round trip")
def _():
    first = client.chat.completions.create(model=SCRIPTED, messages=MESSAGES, tools=CHAT_TOOLS).choices[0].message
    check_arguments(json.loads(first.tool_calls[0].function.arguments))
    second = client.chat.completions.create(model=SCRIPTED, messages=[*MESSAGES, first, {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "ok"}], tools=CHAT_TOOLS)
    assert second.choices[0].message.content == LAST_WORDS


@job("chat, parsed into a class")
def _():
    assert isinstance(client.chat.completions.parse(model=SCRIPTED, messages=MESSAGES, response_format=Report).choices[0].message.parsed, Report)


@job("completions, echo and logprobs of token ids")
def _():
    choice = client.completions.create(model=CODER, prompt=[40, 41, 42, 43], max_tokens=1, echo=True, logprobs=1, temperature=0).choices[0]
    assert len(choice.logprobs.token_logprobs) == 5 and choice.logprobs.token_logprobs[0] is None and choice.logprobs.top_logprobs[0] is None
    assert all(value <= max(top.values()) for value, top in zip(choice.logprobs.token_logprobs[1:], choice.logprobs.top_logprobs[1:])) and choice.text.startswith("".join(choice.logprobs.tokens[:4]))


@job("completions, suffix")
def _():
    assert client.completions.create(model=CODER, prompt="def add(a, b):\n    return ", suffix="\n", max_tokens=4).usage.prompt_tokens > 8


@job("embeddings")
def _():
    assert len(client.embeddings.create(model=CODER, input=["one", "two"]).data) == 2


@job("responses")
def _():
    answer = client.responses.create(model=SCRIPTED, instructions="Be brief.", input="Write the file.")
    assert answer.output_text == LAST_WORDS and answer.status == "completed" and answer.usage.total_tokens > 10


@job("responses, streamed")
def _():
    with client.responses.stream(model=SCRIPTED, input=MESSAGES) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        assert text == stream.get_final_response().output_text == LAST_WORDS


@job("responses, tool round trip, streamed")
def _():
    def run(history):
        with client.responses.stream(model=SCRIPTED, input=history, tools=TOOLS, store=False) as stream:
            stream.until_done()
            return stream.get_final_response()
    first = run(MESSAGES)
    call = next(item for item in first.output if item.type == "function_call")
    check_arguments(json.loads(call.arguments))
    assert run([*MESSAGES, *first.output, {"type": "function_call_output", "call_id": call.call_id, "output": "ok"}]).output_text == LAST_WORDS


@job("responses, parsed into a class")
def _():
    assert isinstance(client.responses.parse(model=SCRIPTED, input="x", text_format=Report).output_parsed, Report)


@job("errors")
def _():
    for more, param in (({"previous_response_id": "resp_1"}, "previous_response_id"), ({"tools": [{"type": "web_search"}]}, "tools[0]"), ({"background": True}, "background")):
        try:
            client.responses.create(model=SCRIPTED, input="x", **more)
        except openai.BadRequestError as error:
            assert error.param == param, error
        else:
            raise AssertionError(f"{more} was not refused")


report()
