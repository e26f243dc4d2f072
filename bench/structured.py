#!/usr/bin/env python3
"""What keeping to a schema costs: decoding with and without one, in turns, in one engine. Random BF16 weights at the shape of Qwen2.5-0.5B under its
real tokenizer (151,665 tokens, so masks as large as they get).

usage: LYCEUM_BIN=… python bench/structured.py [--rounds 7] [--tokens 48] [--streams 1 8]
"""
import argparse
import concurrent.futures
import json
import pathlib
import shutil
import statistics
import sys
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/e2e"))
import harness  # noqa: E402
import numpy  # noqa: E402
import random_model  # noqa: E402

SCHEMA = {"type": "array", "minItems": 1000, "items": {"type": "object", "additionalProperties": False, "required": ["id", "name", "note", "tags", "score"], "properties": {
    "id": {"type": "integer", "minimum": 1, "maximum": 99999}, "name": {"type": "string", "maxLength": 60}, "note": {"type": "string"},
    "kind": {"enum": ["person", "place", "thing"]}, "tags": {"type": "array", "items": {"type": "string", "maxLength": 20}, "maxItems": 6}, "score": {"type": "number"},
    "at": {"type": "string", "format": "date-time"}}}}


def as_bfloat16(folder):
    """Halves the file: the upper 16 bits of each float32."""
    path = folder / "model.safetensors"
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:8 + size])
    header.pop("__metadata__", None)
    data = (numpy.frombuffer(raw, "<u4", offset=8 + size) >> 16).astype("<u2").tobytes()
    for tensor in header.values():
        tensor.update(dtype="BF16", data_offsets=[offset // 2 for offset in tensor["data_offsets"]])
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def decode(engine, tokens, schema, seed):
    body = {"model": "model", "prompt": f"Item {seed}:", "max_tokens": tokens, "temperature": 0.8, "seed": seed, "ignore_eos": True}
    if schema:
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": "items", "schema": schema}}
    request = urllib.request.Request(engine.url + "/v1/completions", data=json.dumps(body).encode(), headers={"Content-Type": "application/json"})
    answer = json.loads(urllib.request.urlopen(request, timeout=600).read())
    return answer["usage"]["completion_tokens"], answer["choices"][0]["text"]


def speed(engine, streams, tokens, schema, seed):
    started = time.time()
    with concurrent.futures.ThreadPoolExecutor(streams) as pool:
        counts = [count for count, _ in pool.map(lambda i: decode(engine, tokens, schema, seed * 100 + i), range(streams))]
    return sum(counts) / (time.time() - started)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 8])
    arguments = parser.parse_args()
    folder = harness.temporary_folder()
    try:
        model = random_model.make(folder / "model", "qwen2_5", layers=24, hidden=896, middle=4864, heads=14)
        as_bfloat16(model)
        with random_model.Engine(model) as engine:
            decode(engine, 4, None, 0)   # the file is read
            for name in ("first", "second"):
                started = time.time()
                decode(engine, 1, SCHEMA, 0)
                with_schema = time.time() - started
                started = time.time()
                decode(engine, 1, None, 0)
                print(json.dumps({"what": f"{name} token with the schema, beyond one without", "ms": round(1000 * (with_schema - time.time() + started), 1)}), flush=True)
            for streams in arguments.streams:
                pairs = []
                for round_number in range(arguments.rounds):
                    turns = [None, SCHEMA] if round_number % 2 == 0 else [SCHEMA, None]
                    speeds = {bool(schema): speed(engine, streams, arguments.tokens, schema, round_number + 1) for schema in turns}
                    pairs.append((speeds[False], speeds[True]))
                print(json.dumps({"streams": streams, "free_tokens_per_s": round(statistics.median(p[0] for p in pairs), 2), "schema_tokens_per_s": round(statistics.median(p[1] for p in pairs), 2),
                                  "ratio_median": round(statistics.median(p[1] / p[0] for p in pairs), 3), "ratios": [round(p[1] / p[0], 3) for p in pairs]}), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
