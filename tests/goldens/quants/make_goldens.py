#!/usr/bin/env python3
"""Makes <type>.bin: blocks of GGUF's quantised types with the values that the reference reader gives them.

    pip install gguf==0.19.0 numpy && python tests/goldens/quants/make_goldens.py

A file is: the number of blocks (u32), the blocks, the values (f32). The bytes are random, but for the scales, which are small.
"""
import pathlib
import struct

import gguf
import numpy as np

BLOCKS = 6
# Offsets of the f16 scale and minimum in a block; MXFP4 has an 8-bit exponent instead.
HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2],
          "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0], "MXFP4": []}


def make(name, seed):
    kind = getattr(gguf.GGMLQuantizationType, name)
    values, size = gguf.GGML_QUANT_SIZES[kind]
    random = np.random.default_rng(seed)
    blocks = random.integers(0, 256, (BLOCKS, size), dtype=np.uint8)
    for offset in HALVES[name]:
        blocks[:, offset:offset + 2] = (random.normal(size=(BLOCKS, 1)) * 0.01).astype(np.float16).view(np.uint8)
    if name == "MXFP4":
        blocks[:, 0] = [0, 1, 2, 120, 127, 140][:BLOCKS]
    floats = gguf.quants.dequantize(blocks, kind).astype("<f4")
    assert floats.shape == (BLOCKS, values) and np.isfinite(floats).all()
    target = pathlib.Path(__file__).with_name(name.lower() + ".bin")
    target.write_bytes(struct.pack("<I", BLOCKS) + blocks.tobytes() + floats.tobytes())
    return target


if __name__ == "__main__":
    for seed, name in enumerate(HALVES):
        print(make(name, seed))
