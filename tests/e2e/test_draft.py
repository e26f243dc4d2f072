"""A draft model: the answers are those of the model alone, and a model of another family is refused."""
import json
import subprocess
import urllib.request

import harness
import pytest
import random_model

PROMPTS = ["def add(a, b):\n    return", "The capital of France is", "1 2 3 4 5 6 7 8"]
SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0, "maximum": 99}}, "required": ["n"]}}}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("draft")
    return {name: random_model.make(folder / name, tokenizer, seed=seed, layers=1 if name == "small" else 2)
            for name, tokenizer, seed in (("model", "qwen2_5", 0), ("small", "qwen2_5", 1), ("foreign", "mistral_nemo", 0))}


def answers(engine):
    client = engine.client()
    out = [client.completions.create(model="model", prompt=prompt, max_tokens=48, temperature=temperature, seed=7).choices[0].text for prompt in PROMPTS for temperature in (0, 0.8)]
    chat = client.chat.completions.create(model="model", messages=[{"role": "user", "content": "A number?"}], max_tokens=60, temperature=0, response_format=SCHEMA)
    return out + [chat.choices[0].message.content]


def timings(engine):
    body = json.dumps({"input_prefix": "def add(a, b):\n", "input_suffix": "\n", "n_predict": 40, "temperature": 0}).encode()
    return json.loads(urllib.request.urlopen(urllib.request.Request(engine.url + "/infill", data=body, headers={"Content-Type": "application/json"}), timeout=120).read())["timings"]


def test_answers_are_those_of_the_model_alone(folders):
    with random_model.Engine(folders["model"], "--threads", "1", "--no-prompt-lookup") as plain:
        expected = answers(plain)
        assert timings(plain)["draft_n"] == 0
    with random_model.Engine(folders["model"], "--draft", str(folders["model"]), "--draft-tokens", "4", "--no-prompt-lookup") as itself:
        assert answers(itself) == expected
        measured = timings(itself)
        assert measured["draft_n"] > 0 and measured["draft_n_accepted"] == measured["draft_n"]   # greedy, and the same model
    with random_model.Engine(folders["model"], "--draft", str(folders["small"]), "--draft-tokens", "3") as other:
        assert answers(other) == expected
        measured = timings(other)
        assert measured["draft_n"] > 0 and measured["draft_n_accepted"] < measured["draft_n"]
    with random_model.Engine(folders["model"], "--draft", str(folders["small"])) as measuring:
        assert answers(measuring) == expected


def test_another_vocabulary_is_refused(folders):
    refused = subprocess.run([harness.BIN, "engine", "--model", folders["model"], "--draft", folders["foreign"], "--port", "0"], capture_output=True, text=True, timeout=60)
    assert refused.returncode != 0 and "another vocabulary" in refused.stderr and "smaller model of the same family" in refused.stderr
