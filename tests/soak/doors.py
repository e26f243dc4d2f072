"""Random requests at every door, and what of an answer must be the same whenever it is asked again."""
import itertools
import json
import re

from world import CODER, CONTEXT, QUANTISED, SMALL, TALKER, adapter_names, harness

SCHEMA = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 12}, "count": {"type": "integer", "minimum": 0, "maximum": 9999}, "tags": {"type": "array", "items": {"enum": ["red", "green"]}, "maxItems": 3}},
          "required": ["name", "count"], "additionalProperties": False}
GRAMMAR = 'root ::= item (", " item)*\nitem ::= [a-z]{1,8} "=" [0-9]{1,3}'
TOOL = {"name": "find_file", "description": "Finds a file", "parameters": {"type": "object", "properties": {"path": {"type": "string", "maxLength": 12}, "deep": {"type": "boolean"}}, "required": ["path"]}}


def texts():
    """Prose and code for prompts: this repository's own, which does not change during a run."""
    files = sorted(itertools.chain((harness.ROOT / "tests/e2e").glob("*.py"), (harness.ROOT / "docs").glob("*.md")))
    return "\n".join(path.read_text() for path in files)


class Wish:
    """One request: where it goes, what it says, whether it can come in pieces, and how to read either answer."""

    def __init__(self, door, body, refused=None):
        self.door, self.body, self.refused = door, body, refused
        self.model = body["model"]
        self.streams = door.stream is not None

    def bytes(self, stream):
        return json.dumps({**self.body, "stream": stream} if self.streams else self.body).encode()

    def read(self, raw, stream):
        """What must be the same each time. Raises if it is not a whole answer."""
        return self.door.stream(raw.decode()) if stream else self.door.whole(json.loads(raw))

    def told(self):
        return f"POST {self.door.path} {json.dumps(self.body)[:600]}"


class Door:
    def __init__(self, path, whole, stream=None):
        self.path, self.whole, self.stream = path, whole, stream


def events(raw):
    """The data of server-sent events; the last of an answer of OpenAI's is [DONE]."""
    found = [line[6:] for line in raw.splitlines() if line.startswith("data: ")]
    out = [json.loads(one) for one in found if one != "[DONE]"]
    for one in out:
        if "error" in one and one.get("type") != "message_delta":
            raise ValueError(f"an error in the stream: {one}")
    return out


def join_completion(raw):
    texts_of, ends = {}, {}
    for event in events(raw):
        for choice in event["choices"]:
            texts_of[choice["index"]] = texts_of.get(choice["index"], "") + choice["text"]
            ends[choice["index"]] = choice["finish_reason"] or ends.get(choice["index"])
    return finished([[texts_of[i], ends[i]] for i in sorted(ends)])


def join_chat(raw):
    content, calls, end = "", {}, None
    for event in events(raw):
        for choice in event["choices"]:
            delta = choice["delta"]
            content += delta.get("content") or ""
            for call in delta.get("tool_calls") or []:
                mine = calls.setdefault(call["index"], ["", ""])
                mine[0] += call["function"].get("name") or ""
                mine[1] += call["function"].get("arguments") or ""
            end = choice["finish_reason"] or end
    return finished([[content, [calls[i] for i in sorted(calls)], end]])


def whole_chat(answer):
    message = answer["choices"][0]["message"]
    calls = [[call["function"]["name"], call["function"]["arguments"]] for call in message.get("tool_calls") or []]
    return finished([[message.get("content") or "", calls, answer["choices"][0]["finish_reason"]]])


def join_messages(raw):
    blocks, end = {}, None
    for event in events(raw):
        if event["type"] == "content_block_delta" and event["delta"]["type"] == "text_delta":
            blocks[event["index"]] = blocks.get(event["index"], "") + event["delta"]["text"]
        if event["type"] == "message_delta":
            end = event["delta"]["stop_reason"]
    return finished([["".join(blocks[i] for i in sorted(blocks)), end]])


def whole_messages(answer):
    return finished([["".join(block.get("text", "") for block in answer["content"]), answer["stop_reason"]]])


def join_lines(pick):
    def join(raw):
        lines = [json.loads(line) for line in raw.splitlines() if line]
        if "error" in lines[-1]:
            raise ValueError(f"an error in the stream: {lines[-1]}")
        return finished([["".join(pick(line) for line in lines), lines[-1].get("done_reason")]])
    return join


def join_infill(raw):
    found = events(raw)
    return finished([["".join(event["content"] for event in found), found[-1].get("stop_type")]])


def finished(choices):
    if any(choice[-1] is None for choice in choices):
        raise ValueError("the answer broke off")
    return choices


def pick_chat(line):
    return line["message"]["content"]


def pick_generate(line):
    return line["response"]


COMPLETION = Door("/v1/completions", lambda answer: finished([[one["text"], one["finish_reason"]] for one in sorted(answer["choices"], key=lambda one: one["index"])]), join_completion)
CHAT = Door("/v1/chat/completions", whole_chat, join_chat)
MESSAGES = Door("/v1/messages", whole_messages, join_messages)
OLLAMA_CHAT = Door("/api/chat", lambda answer: finished([[pick_chat(answer), answer.get("done_reason")]]), join_lines(pick_chat))
OLLAMA_GENERATE = Door("/api/generate", lambda answer: finished([[pick_generate(answer), answer.get("done_reason")]]), join_lines(pick_generate))
INFILL = Door("/infill", lambda answer: finished([[answer["content"], answer["stop_type"]]]), join_infill)
RESPONSES = Door("/v1/responses", lambda answer: [[[[part.get("text") for part in item.get("content", [])] for item in answer["output"]], answer["status"]]])
EMBEDDINGS = Door("/v1/embeddings", lambda answer: [one["embedding"] for one in answer["data"]])


class Wishes:
    """Draws requests. Three in four are greedy; the others sample with a seed, which must give the same text, too."""

    def __init__(self, random):
        self.random, self.text = random, texts()
        self.beginnings = [self.piece(800) for _ in range(6)]   # prompts share these, so that prefixes are found and shared

    def piece(self, longest):
        size = self.random.randint(1, longest)
        at = self.random.randrange(len(self.text) - size)
        return self.text[at:at + size]

    def prompt(self):
        kind = self.random.random()
        if kind < 0.3:
            return self.random.choice(self.beginnings) + self.piece(60)
        return self.piece(2000 if kind < 0.4 else 300)

    def tokens(self):
        return self.random.randint(64, 200) if self.random.random() < 0.15 else self.random.randint(1, 48)

    def how(self):
        if self.random.random() < 0.75:
            return {"temperature": 0}
        return {"temperature": self.random.choice([0.5, 1.0, 1.5]), "top_p": self.random.choice([0.8, 1.0]), "seed": self.random.randrange(1 << 30)}

    def messages(self):
        turns = [{"role": "user", "content": self.piece(200)}]
        if self.random.random() < 0.3:
            turns += [{"role": "assistant", "content": self.piece(100)}, {"role": "user", "content": self.piece(100)}]
        return turns

    def model(self, among):
        return self.random.choice([name for name in adapter_names() if not among or name.startswith(among)] if self.random.random() < 0.45 else [CODER, CODER, QUANTISED])

    def draw(self):
        kinds = [(self.completion, 30), (self.middle, 10), (self.chat, 14), (self.form, 12), (self.tools, 5), (self.small, 10), (self.other_doors, 16), (self.embeddings, 4), (self.too_long, 5)]
        return self.random.choices([kind for kind, _ in kinds], [weight for _, weight in kinds])[0]()

    def completion(self):
        body = {"model": self.model(""), "prompt": self.prompt(), "max_tokens": self.tokens(), **self.how()}
        if self.random.random() < 0.2:
            body["stop"] = self.random.choice([["\n\n"], ["def ", "return"], [" "]])
        if self.random.random() < 0.1:
            body.update(n=2, temperature=1.0, seed=self.random.randrange(1 << 30))
        return Wish(COMPLETION, body)

    def middle(self):
        model, prefix, suffix = self.model(""), self.piece(300), self.piece(200)
        if self.random.random() < 0.3:
            return Wish(INFILL, {"model": model, "input_prefix": prefix, "input_suffix": suffix, "n_predict": self.tokens(), "temperature": 0})
        return Wish(COMPLETION, {"model": model, "prompt": prefix, "suffix": suffix, "max_tokens": self.tokens(), **self.how()})

    def chat(self):
        return Wish(CHAT, {"model": self.model(""), "messages": self.messages(), "max_tokens": self.tokens(), **self.how()})

    def form(self):
        body = {"model": self.random.choice([self.model(""), TALKER, SMALL]), "prompt": self.piece(100), "max_tokens": 60, **self.how()}
        if self.random.random() < 0.5:
            return Wish(COMPLETION, {**body, "grammar": GRAMMAR})
        return Wish(COMPLETION, {**body, "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA}}})

    def tools(self):
        return Wish(CHAT, {"model": TALKER, "messages": self.messages(), "max_tokens": 60, "tools": [{"type": "function", "function": TOOL}],
                           "tool_choice": self.random.choice(["auto", "required"]), **self.how()})

    def small(self):
        return Wish(COMPLETION, {"model": self.random.choice([SMALL, TALKER]), "prompt": self.prompt(), "max_tokens": self.tokens(), **self.how()})

    def other_doors(self):
        model, tokens, kind = self.model(""), self.tokens(), self.random.randrange(4)
        if kind == 0:
            return Wish(MESSAGES, {"model": model, "messages": self.messages(), "max_tokens": tokens, "temperature": 0})
        if kind == 1:
            return Wish(OLLAMA_CHAT, {"model": model, "messages": self.messages(), "options": {"num_predict": tokens, "temperature": 0}})
        if kind == 2:
            return Wish(OLLAMA_GENERATE, {"model": model, "prompt": self.prompt(), "raw": True, "options": {"num_predict": tokens, "temperature": 0}})
        return Wish(RESPONSES, {"model": model, "input": self.piece(200), "max_output_tokens": max(tokens, 16), "temperature": 0})

    def embeddings(self):
        return Wish(EMBEDDINGS, {"model": self.random.choice([CODER, QUANTISED, SMALL, "admin/lora-0@v1"]), "input": [self.piece(200) for _ in range(self.random.randint(1, 3))]})

    def too_long(self):
        model = self.random.choice([CODER, QUANTISED, "admin/lora-1@v1"])
        words = "word " * (CONTEXT.get(model, 1024) * 2 + self.random.randrange(4000))
        if self.random.random() < 0.5:
            return Wish(CHAT, {"model": model, "messages": [{"role": "user", "content": words}], "max_tokens": 5}, refused="context_length_exceeded")
        return Wish(COMPLETION, {"model": model, "prompt": words, "max_tokens": 5}, refused="context_length_exceeded")


def is_clear_refusal(status, raw, code):
    """A 4xx in OpenAI's form that names the cause in a sentence."""
    if not 400 <= status < 500:
        return False
    error = json.loads(raw)["error"]
    return error.get("code") == code and re.search(r"\d+ tokens", error.get("message", "")) is not None
