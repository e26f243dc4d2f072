#!/usr/bin/env python3
"""What guessing tokens (prompt lookup, a draft model) saves and costs: the same requests to two engines, one with it and one without, in turn; the answers must be the same.

usage: LYCEUM_BIN=… python bench/lookup.py [--type Q8_0] [--tokens 160] [--repeats 3]

The model has TinyLlama's shape (1.1 billion parameters) and is wired so that each token is followed by the next number: attention and MLP are computed as always, but add
nothing, and the head's row of token t + 1 is the embedding of token t. So what it "writes" is known: a prompt that holds the same numbers with one changed is a file that it rewrites
with one change; a prompt without them is text that does not repeat. Sampled text of the starter model is the second of that kind, with matches that are mostly wrong.
"""
import argparse
import json
import pathlib
import statistics
import sys
import urllib.request

import numpy

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/e2e"))
import harness  # noqa: E402
import random_gguf  # noqa: E402
import random_model  # noqa: E402

CACHE = pathlib.Path.home() / ".cache/lyceum/bench"
VOCAB = 32000


def quantise(matrix, kind):
    """Rows as Q8_0 or Q4_0 blocks."""
    blocks = matrix.reshape(-1, 32)
    if kind == "Q8_0":
        scales = (numpy.abs(blocks).max(1, keepdims=True) / 127).astype(numpy.float16)
        values = numpy.round(blocks / scales.astype(numpy.float32)).clip(-127, 127).astype(numpy.int8).view(numpy.uint8)
    else:
        scales = (numpy.abs(blocks).max(1, keepdims=True) / 7).astype(numpy.float16)
        steps = (numpy.round(blocks / scales.astype(numpy.float32)).clip(-8, 7) + 8).astype(numpy.uint8)
        values = steps[:, :16] | (steps[:, 16:] << 4)
    return numpy.concatenate([scales.view(numpy.uint8), values], 1).tobytes()


def make_model(kind):
    """Returns the folder. The file is random_gguf's with embedding, head and the last matrices of each block replaced."""
    folder = CACHE / f"counter-{kind}"
    if (folder / "tokenizer.json").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    shape = random_gguf.SHAPES["tinyllama-1.1b"]
    plain_type_of = random_gguf.type_of
    random_gguf.type_of = lambda *arguments: kind   # the head, too
    path = folder / "model.gguf"
    random_gguf.write(path, "tinyllama-1.1b", kind)
    tensors, (_, values, size, halves) = random_gguf.tensors_of(shape, kind), random_gguf.TYPES[kind]
    random_gguf.type_of = plain_type_of
    total = sum(-(-(int(numpy.prod(dimensions)) // random_gguf.TYPES[one][1] * random_gguf.TYPES[one][2]) // 32) * 32 for _, dimensions, one in tensors)
    offset = path.stat().st_size - total
    embedding = (numpy.random.default_rng(1).standard_normal((VOCAB, shape["hidden"])) * 0.02).astype(numpy.float32)
    with open(path, "r+b") as file:
        for name, dimensions, one in tensors:
            bytes_of = int(numpy.prod(dimensions)) // random_gguf.TYPES[one][1] * random_gguf.TYPES[one][2]
            if name in ("token_embd.weight", "output.weight"):
                file.seek(offset)
                file.write(quantise(numpy.roll(embedding, 1, 0) if name == "output.weight" else embedding, kind))
            elif "attn_output" in name or "ffn_down" in name:
                data = numpy.memmap(path, numpy.uint8, "r+", offset, (bytes_of // size, size))
                for half, _ in halves:
                    data[:, half:half + 2] = 0
                data.flush()
            offset += -(-bytes_of // 32) * 32
    vocab = {f"t{i}": i for i in range(VOCAB)}
    (folder / "tokenizer.json").write_text(json.dumps({"version": "1.0", "added_tokens": [], "normalizer": None, "pre_tokenizer": {"type": "Whitespace"}, "post_processor": None, "decoder": None,
                                                       "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "t0"}}))
    return folder


def make_draft(right):
    """A model of one layer that does nothing, over the same vocabulary: it counts on as the large one does, or (right=False) guesses nonsense."""
    import safetensors.numpy
    folder = CACHE / f"counter-draft-{'right' if right else 'wrong'}"
    if (folder / "tokenizer.json").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    hidden, middle, heads = 256, 512, 4
    embedding = (numpy.random.default_rng(1).standard_normal((VOCAB, hidden)) * 0.02).astype(numpy.float16)
    zeros, ones, layer = (lambda *shape: numpy.zeros(shape, numpy.float16)), numpy.ones(hidden, numpy.float16), "model.layers.0."
    weights = {"model.embed_tokens.weight": embedding, "lm_head.weight": numpy.roll(embedding, 1 if right else 7, 0), "model.norm.weight": ones, layer + "input_layernorm.weight": ones,
               layer + "post_attention_layernorm.weight": ones, layer + "mlp.gate_proj.weight": zeros(middle, hidden), layer + "mlp.up_proj.weight": zeros(middle, hidden),
               layer + "mlp.down_proj.weight": zeros(hidden, middle)}
    weights |= {layer + f"self_attn.{name}_proj.weight": zeros(hidden, hidden) for name in "qkvo"}
    safetensors.numpy.save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": hidden, "intermediate_size": middle, "num_hidden_layers": 1,
                                                    "num_attention_heads": heads, "num_key_value_heads": heads, "vocab_size": VOCAB, "max_position_embeddings": 2048}))
    (folder / "tokenizer.json").write_bytes((make_model("Q8_0") / "tokenizer.json").read_bytes())
    return folder


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def ask(engine, body):
    """The answer, and wall and CPU seconds an answered token. max_tokens 1 first, so that the prompt is in the cache."""
    def send(more):
        request = urllib.request.Request(engine.url + "/v1/completions", data=json.dumps({**body, "model": "model", "ignore_eos": True, **more}).encode(), headers={"Content-Type": "application/json"})
        return json.loads(urllib.request.urlopen(request, timeout=900).read())
    import time
    send({"max_tokens": 1})
    begun, cpu = time.time(), cpu_seconds(engine.process.pid)
    answer = send({})
    tokens = answer["usage"]["completion_tokens"]
    return answer["choices"][0]["text"], (time.time() - begun) / tokens, (cpu_seconds(engine.process.pid) - cpu) / tokens


def compare(what, engines, bodies, repeats):
    walls, cpus, rates = [], [], []
    for _ in range(repeats):
        for body in bodies:
            with_it, without = ask(engines[0], body), ask(engines[1], body)
            if with_it[0] != without[0]:
                sys.exit(f"{what}: the answers differ:\n{with_it[0][:300]}\n{without[0][:300]}")
            walls.append(without[1] / with_it[1])
            cpus.append(without[2] / max(with_it[2], 1e-9))
            rates.append((1 / with_it[1], 1 / without[1]))
    print(json.dumps({"what": what, "pairs": len(walls), "tokens_per_s": [round(statistics.median(one), 1) for one in zip(*rates)], "wall_ratio": round(statistics.median(walls), 2),
                      "cpu_ratio": round(statistics.median(cpus), 2), "wall_ratios": [round(min(walls), 2), round(max(walls), 2)]}), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--type", choices=["Q8_0", "Q4_0"], default="Q8_0")
    parser.add_argument("--tokens", type=int, default=160)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    tokens, file = arguments.tokens, list(range(1000, 1400))
    changed = file[:60] + [31000] + file[61:]
    edit = {"prompt": changed + [5, 6, 7] + file[:3], "max_tokens": tokens, "temperature": 0}
    fresh = {"prompt": list(range(9000, 9400)), "max_tokens": tokens, "temperature": 0}
    counter = make_model(arguments.type) / "model.gguf"
    with random_model.Engine(counter, "--threads", "2") as first, random_model.Engine(counter, "--threads", "2", "--no-prompt-lookup") as second:
        compare(f"1.1B {arguments.type}, rewrites a file with one change", (first, second), [edit], arguments.repeats)
        compare(f"1.1B {arguments.type}, nothing repeats", (first, second), [fresh], arguments.repeats)
    for right in (True, False):
        with random_model.Engine(counter, "--threads", "2", "--no-prompt-lookup", "--draft", make_draft(right)) as first, random_model.Engine(counter, "--threads", "2", "--no-prompt-lookup") as second:
            compare(f"1.1B {arguments.type}, a draft model that is always {'right' if right else 'wrong'}", (first, second), [fresh], arguments.repeats)
    starter = ROOT / "starter/model"
    text = "".join(f"def function_{i}(argument_{i}):\n    return argument_{i} + {i}\n\n" for i in range(12))
    noise = [{"prompt": "import os\n", "max_tokens": 400, "temperature": 1.3, "seed": seed} for seed in range(6)]
    with random_model.Engine(starter, "--threads", "2") as first, random_model.Engine(starter, "--threads", "2", "--no-prompt-lookup") as second:
        compare("starter model, continues a list of functions, greedy", (first, second), [{"prompt": text, "max_tokens": 300, "temperature": 0}], arguments.repeats)
        compare("starter model, sampled at temperature 1.3", (first, second), noise, arguments.repeats)


if __name__ == "__main__":
    main()
