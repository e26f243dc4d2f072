#!/usr/bin/env python3
"""Writes a GGUF file of a real model's shape with random weights, which is all that a measurement of speed needs; llama.cpp loads it, too.

usage: python bench/random_gguf.py --shape qwen2-0.5b --type Q4_K_M --out model.gguf

Types are mixed as llama.cpp's quantiser mixes them: the head and, with Q4_K_M, half of the values and down projections have more bits, and rows that are no
multiple of 256 values fall back from Q4_K to Q5_0 and from Q6_K to Q8_0.
"""
import argparse
import pathlib
import struct

import numpy

SHAPES = {
    "qwen2-0.5b": dict(arch="qwen2", hidden=896, middle=4864, layers=24, heads=14, kv_heads=2, vocab=151936, tied=True, bias=True, theta=1e6),
    "tinyllama-1.1b": dict(arch="llama", hidden=2048, middle=5632, layers=22, heads=32, kv_heads=4, vocab=32000, tied=False, bias=False, theta=1e4),
    # Qwen3-MoE's blocks: 1.3 thousand million parameters, of which a token reads 0.24.
    "moe-1.3b": dict(arch="qwen3moe", hidden=1024, middle=3072, layers=12, heads=16, kv_heads=4, vocab=32000, tied=False, bias=False, theta=1e6, experts=64, chosen=8, expert=512),
}
# number in the file, values and bytes a block, where the f16 scale and minimum are and what they must be for weights near 0.02
TYPES = {
    "F32": (0, 1, 4, []), "F16": (1, 1, 2, []), "BF16": (30, 1, 2, []),
    "Q4_0": (2, 32, 18, [(0, 0.0043)]), "Q4_1": (3, 32, 20, [(0, 0.0043), (2, -0.032)]), "Q5_0": (6, 32, 22, [(0, 0.0022)]), "Q5_1": (7, 32, 24, [(0, 0.0022), (2, -0.033)]),
    "Q8_0": (8, 32, 34, [(0, 0.00027)]), "Q4_K": (12, 256, 144, [(0, 0.00014), (2, 0.001)]), "Q5_K": (13, 256, 176, [(0, 0.00007), (2, 0.001)]), "Q6_K": (14, 256, 210, [(208, 1.5e-5)]),
    "Q2_K": (10, 256, 84, [(80, 0.003), (82, 0.004)]), "Q3_K": (11, 256, 110, [(108, 0.0005)]), "IQ4_NL": (20, 32, 18, [(0, 0.0003)]), "IQ4_XS": (23, 256, 136, [(0, 1.5e-5)]),
}
ALIGNMENT = 32


def text(value):
    return struct.pack("<Q", len(value)) + value.encode()


def field(key, value):
    if isinstance(value, str):
        return text(key) + struct.pack("<I", 8) + text(value)
    if isinstance(value, float):
        return text(key) + struct.pack("<If", 6, value)
    return text(key) + struct.pack("<II", 4, value)


def type_of(name, columns, wanted, shape, layer):
    if "ffn_gate_inp" in name:
        return "F32"
    head = name == "output.weight" or (name == "token_embd.weight" and shape["tied"])
    kind = {"Q4_K_M": "Q4_K"}.get(wanted, wanted)
    if head and kind.startswith("Q") and kind != "Q8_0":
        kind = "Q6_K"
    if wanted == "Q4_K_M" and ("attn_v" in name or "ffn_down" in name):
        count = shape["layers"]
        if layer < count // 8 or layer >= 7 * count // 8 or (layer - count // 8) % 3 == 2:
            kind = "Q6_K"
    if columns % TYPES[kind][1] != 0:
        kind = {"Q6_K": "Q8_0"}.get(kind, "Q5_0")
    return kind


def pattern(kind, random):
    """Some blocks to be repeated: only their number and what they cost matter."""
    _, values, size, halves = TYPES[kind]
    if values == 1:
        weights = (random.standard_normal(1 << 20) * 0.02).astype(numpy.float32)
        if kind == "BF16":
            return (weights.view(numpy.uint32) >> 16).astype(numpy.uint16).tobytes()
        return weights.astype({"F32": numpy.float32, "F16": numpy.float16}[kind]).tobytes()
    blocks = random.integers(0, 256, ((1 << 21) // size, size), dtype=numpy.uint8)
    for offset, scale in halves:
        blocks[:, offset:offset + 2] = numpy.full((len(blocks), 1), scale, numpy.float16).view(numpy.uint8)
    return blocks.tobytes()


def tensors_of(shape, wanted):
    """(name, dimensions as GGUF lists them, type)"""
    hidden, middle, head = shape["hidden"], shape["middle"], shape["hidden"] // shape["heads"]
    kv = head * shape["kv_heads"]
    matrices = [("token_embd.weight", hidden, shape["vocab"], 0)] + ([] if shape["tied"] else [("output.weight", hidden, shape["vocab"], 0)])
    vectors, stacks = [("output_norm.weight", hidden)], []
    for i in range(shape["layers"]):
        layer = f"blk.{i}."
        matrices += [(layer + "attn_q.weight", hidden, hidden, i), (layer + "attn_k.weight", hidden, kv, i), (layer + "attn_v.weight", hidden, kv, i), (layer + "attn_output.weight", hidden, hidden, i)]
        if "experts" in shape:
            stacks += [(layer + f"ffn_{part}_exps.weight", *sizes, i) for part, sizes in
                       {"gate": (hidden, shape["expert"]), "up": (hidden, shape["expert"]), "down": (shape["expert"], hidden)}.items()]
            matrices += [(layer + "ffn_gate_inp.weight", hidden, shape["experts"], i)]
            vectors += [(layer + "attn_q_norm.weight", head), (layer + "attn_k_norm.weight", head)]
        else:
            matrices += [(layer + "ffn_gate.weight", hidden, middle, i), (layer + "ffn_up.weight", hidden, middle, i), (layer + "ffn_down.weight", middle, hidden, i)]
        vectors += [(layer + "attn_norm.weight", hidden), (layer + "ffn_norm.weight", hidden)]
        if shape["bias"]:
            vectors += [(layer + "attn_q.bias", hidden), (layer + "attn_k.bias", kv), (layer + "attn_v.bias", kv)]
    out = [(name, (columns, rows), type_of(name, columns, wanted, shape, layer)) for name, columns, rows, layer in matrices]
    out += [(name, (columns, rows, shape["experts"]), type_of(name, columns, wanted, shape, layer)) for name, columns, rows, layer in stacks]
    return out + [(name, (size,), "F32") for name, size in vectors]


def write(path, shape_name, wanted):
    shape = SHAPES[shape_name]
    arch = shape["arch"]
    fields = {"general.architecture": arch, "general.name": f"random {shape_name} {wanted}", f"{arch}.block_count": shape["layers"], f"{arch}.context_length": 4096,
              f"{arch}.embedding_length": shape["hidden"], f"{arch}.feed_forward_length": shape["middle"], f"{arch}.attention.head_count": shape["heads"],
              f"{arch}.attention.head_count_kv": shape["kv_heads"], f"{arch}.attention.layer_norm_rms_epsilon": 1e-5, f"{arch}.rope.freq_base": shape["theta"],
              f"{arch}.rope.dimension_count": shape["hidden"] // shape["heads"], f"{arch}.vocab_size": shape["vocab"], "tokenizer.ggml.model": "none"}
    if "experts" in shape:
        fields |= {f"{arch}.expert_count": shape["experts"], f"{arch}.expert_used_count": shape["chosen"], f"{arch}.expert_feed_forward_length": shape["expert"]}
    tensors = tensors_of(shape, wanted)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(fields)) + b"".join(field(key, value) for key, value in fields.items())
    sizes, offset = [], 0
    for name, dimensions, kind in tensors:
        number, values, size, _ = TYPES[kind]
        head += text(name) + struct.pack(f"<I{len(dimensions)}QIQ", len(dimensions), *dimensions, number, offset)
        count = int(numpy.prod(dimensions)) // values * size
        sizes.append(count)
        offset += -(-count // ALIGNMENT) * ALIGNMENT
    random = numpy.random.default_rng(1)
    patterns = {kind: pattern(kind, random) for kind in {kind for _, _, kind in tensors}}
    with open(path, "wb") as file:
        file.write(head.ljust(-(-len(head) // ALIGNMENT) * ALIGNMENT, b"\0"))
        for (name, dimensions, kind), size in zip(tensors, sizes):
            if len(dimensions) == 1:
                data = numpy.full(dimensions, 1.0 if name.endswith("norm.weight") else 0.0, numpy.float32).tobytes()
            else:
                data = patterns[kind]
                data = data * (size // len(data)) + data[:size % len(data)]
            file.write(data.ljust(-(-size // ALIGNMENT) * ALIGNMENT, b"\0"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shape", choices=SHAPES, required=True)
    parser.add_argument("--type", choices=["Q4_K_M", *TYPES], required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    write(arguments.out, arguments.shape, arguments.type)
