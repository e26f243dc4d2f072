"""The Rust crate hf-hub 0.4, as outlines-core has it compiled in: how Vocabulary.from_pretrained fetches tokenizer.json.
What follows (finding the end-of-text token) asks huggingface.co whatever the endpoint, so every load ends in that complaint, after the download."""
import json
import os
import pathlib

from outlines_core import Vocabulary

from matrix import GUEST, TOKEN, equal, git_blob, http, new_name, operation, raises, run

WORDS = {"<eos>": 0, "a": 1, "b": 2, "ab": 3}
MODEL = {"type": "BPE", "vocab": WORDS, "merges": [["a", "b"]], "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False}
LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
TOKENIZER = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None, "pre_tokenizer": LEVEL, "post_processor": None, "decoder": LEVEL, "model": MODEL}


def make(text=json.dumps(TOKENIZER), **more):
    name = new_name()
    http("POST", "/api/repos/create", {"name": name.split("/")[1], **more})
    put(name, "tokenizer.json", text)
    return name


def put(name, path, text):
    lines = [{"key": "header", "value": {"summary": "put"}}, {"key": "file", "value": {"path": path, "content": text, "encoding": "utf-8"}}]
    equal(http("POST", f"/api/models/{name}/commit/main", "\n".join(map(json.dumps, lines)).encode()).status, 200)


def sha(name):
    return http("GET", f"/api/models/{name}").json()["sha"]


def fetched(name, commit, text, **more):
    """Loads, and looks at what the crate put into the cache."""
    raises("ValueError", lambda: Vocabulary.from_pretrained(name, **more), "EOS token id")
    path = pathlib.Path(os.environ["HF_HOME"]) / "hub" / f"models--{name.replace('/', '--')}" / "snapshots" / commit / "tokenizer.json"
    equal(path.read_text(), text)
    equal(path.resolve().name, git_blob(text.encode()))


@operation("download through resolve, by ranges; the commit and the ETag name the cached file")
def _():
    name = make()
    fetched(name, sha(name), json.dumps(TOKENIZER))


@operation("a file of several megabytes")
def _():
    text = json.dumps({**TOKENIZER, "model": {**MODEL, "vocab": {**WORDS, **{f"w{i}": i + 4 for i in range(200_000)}}}})
    name = make(text)
    fetched(name, sha(name), text)


@operation("at a revision")
def _():
    name = make()
    first = sha(name)
    put(name, "tokenizer.json", "not JSON")
    fetched(name, first, json.dumps(TOKENIZER), revision=first)


@operation("private, with a token; missing; a stranger's token")
def _():
    name = make(private=True)
    fetched(name, sha(name), json.dumps(TOKENIZER), token=TOKEN)
    other = make(private=True)
    raises("ValueError", lambda: Vocabulary.from_pretrained(other, token=GUEST), "status code 404")
    raises("ValueError", lambda: Vocabulary.from_pretrained("admin/absent", token=TOKEN), "status code 404")


@operation("gated, without and with a grant")
def _():
    name = make()
    http("PUT", f"/api/models/{name}/settings", {"gated": "manual"})
    raises("ValueError", lambda: Vocabulary.from_pretrained(name, token=GUEST), "status code 403")
    http("POST", f"/api/models/{name}/user-access-request/grant", {"user": "guest"})
    fetched(name, sha(name), json.dumps(TOKENIZER), token=GUEST)


run()
