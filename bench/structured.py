#!/usr/bin/env python3
"""What keeping to a schema costs the engine: its CPU time a token with and without one, in turns, in one process of one thread. A one-layer model of
random weights under Qwen2.5's real tokenizer (151,665 tokens, so masks and sampling are as large as they get, and little else is).

usage: LYCEUM_BIN=… python bench/structured.py [--rounds 3] [--tokens 150]
"""
import argparse
import json
import os
import pathlib
import shutil
import sys
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/e2e"))
import harness  # noqa: E402
import random_model  # noqa: E402

SCHEMA = {"type": "array", "minItems": 1000, "items": {"type": "object", "additionalProperties": False, "required": ["id", "name", "note", "tags", "score"], "properties": {
    "id": {"type": "integer", "minimum": 1, "maximum": 99999}, "name": {"type": "string", "maxLength": 60}, "note": {"type": "string"},
    "kind": {"enum": ["person", "place", "thing"]}, "tags": {"type": "array", "items": {"type": "string", "maxLength": 20}, "maxItems": 6}, "score": {"type": "number"},
    "at": {"type": "string", "format": "date-time"}}}}


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_of(engine, tokens, schema, seed):
    """CPU-milliseconds of a request, and its tokens."""
    body = {"model": "model", "prompt": f"Item {seed}:", "max_tokens": tokens, "temperature": 0.8, "seed": seed, "ignore_eos": True}
    if schema:
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": "items", "schema": schema}}
    request = urllib.request.Request(engine.url + "/v1/completions", data=json.dumps(body).encode(), headers={"Content-Type": "application/json"})
    begun = cpu_seconds(engine.process.pid)
    answer = json.loads(urllib.request.urlopen(request, timeout=600).read())
    return 1000 * (cpu_seconds(engine.process.pid) - begun), answer["usage"]["completion_tokens"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=150)
    arguments = parser.parse_args()
    folder = harness.temporary_folder()
    try:
        random_model.make(folder / "model", "qwen2_5", layers=1)
        with random_model.Engine(folder / "model", "--threads", "1") as engine:
            cpu_of(engine, 4, None, 0)   # the file is read
            for what, schema in (("free", None), ("the first with a schema", SCHEMA), ("the next with it", SCHEMA)):
                print(json.dumps({"one token": what, "cpu_ms": round(cpu_of(engine, 1, schema, 1)[0])}), flush=True)
            for number in range(1, arguments.rounds + 1):
                for schema in [None, SCHEMA] if number % 2 else [SCHEMA, None]:
                    spent, tokens = cpu_of(engine, arguments.tokens, schema, number)
                    print(json.dumps({"round": number, "schema": schema is not None, "tokens": tokens, "cpu_ms_a_token": round(spent / tokens, 2)}), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
