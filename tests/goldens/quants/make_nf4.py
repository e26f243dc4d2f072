#!/usr/bin/env python3
"""Makes nf4.bin (as make_goldens.py's files), bitsandbytes.safetensors and nf4_model/ from bitsandbytes itself, on the CPU.

    pip install bitsandbytes==0.50.2 torch transformers safetensors && python tests/goldens/quants/make_nf4.py

bitsandbytes.safetensors holds, for each case, `<case>.values` and what bitsandbytes makes of them: NF4 codes and scales (whole, short and odd last
blocks, a block of zeros), its values again; the same double-quantised; the dynamic maps, and 8-bit codes of values by them. For 8-bit codes bitsandbytes'
own arithmetic in PyTorch is used (its "default" backend, which rounds to the nearest as its CUDA kernels do), not its CPU kernel, which looks up a grid of
65,536 values and so never stores a zero.
"""
import pathlib
import struct

import numpy as np
import torch
from bitsandbytes import functional as F
from bitsandbytes.backends.default import ops as default_ops  # noqa: F401 (registers)
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).resolve().parent
torch.manual_seed(5)


def quantize_blockwise(values, code, block=256):
    """bitsandbytes' default backend, spelt as there."""
    flat = values.reshape(-1).float()
    rem = flat.numel() % block
    full = flat.numel() - rem
    whole = flat[:full].reshape(-1, block)
    absmax = whole.abs().max(dim=-1)[0] if full else flat.new_empty(0)
    scaled = torch.clamp(whole * (1.0 / absmax.clamp(min=1e-38).view(-1, 1)), -1, 1).reshape(-1)
    if rem:
        last = flat[full:].abs().max().clamp(min=1e-38)
        absmax = torch.cat([absmax, last.unsqueeze(0)])
        scaled = torch.cat([scaled, torch.clamp(flat[full:] / last, -1, 1)])
    return torch.bucketize(scaled, (code[:-1] + code[1:]) / 2, out_int32=True).to(torch.uint8), absmax


def blocks_file():
    values = torch.randn(6 * 64)
    packed, state = F.quantize_4bit(values, blocksize=64, quant_type="nf4")
    floats = F.dequantize_4bit(packed, state).numpy().astype("<f4")
    codes = packed.numpy().reshape(-1)
    codes = np.stack([codes >> 4, codes & 15], axis=1).reshape(-1, 2, 32)
    halves = (codes[:, :, :16] | codes[:, :, 16:] << 4).astype(np.uint8).reshape(6, 32)
    blocks = np.concatenate([state.absmax.numpy().astype("<f4").reshape(6, 1).view(np.uint8), halves], axis=1)
    (HERE / "nf4.bin").write_bytes(struct.pack("<I", 6) + blocks.tobytes() + floats.tobytes())


def tensors_file():
    out = {"map.signed": F.create_dynamic_map(signed=True), "map.unsigned": F.create_dynamic_map(signed=False)}
    cases = {"whole": torch.randn(48 * 64), "short": torch.randn(5 * 64 + 30), "odd": torch.randn(64 + 7), "tiny": torch.randn(3) * 1e-3, "bf16": torch.randn(1024).bfloat16().float()}
    cases["whole"][64:128] = 0
    for name, values in cases.items():
        packed, state = F.quantize_4bit(values, blocksize=64, quant_type="nf4")
        out |= {f"{name}.values": values, f"{name}.packed": packed.reshape(-1), f"{name}.absmax": state.absmax, f"{name}.again": F.dequantize_4bit(packed, state).reshape(-1)}
    scales = F.quantize_4bit(torch.randn(600 * 64), blocksize=64, quant_type="nf4")[1].absmax
    offset = scales.mean()
    codes, nested = quantize_blockwise(scales - offset, out["map.signed"])
    again = F.dequantize_blockwise(codes, absmax=nested, code=out["map.signed"], blocksize=256) + offset
    out |= {"double.scales": scales, "double.absmax": codes, "double.nested_absmax": nested, "double.offset": offset.reshape(1), "double.again": again}
    for name, code in (("signed", out["map.signed"]), ("unsigned", out["map.unsigned"])):
        values = torch.randn(3 * 256 + 41) * torch.logspace(-6, 0, 3 * 256 + 41)
        values = values if name == "signed" else values.abs()
        codes, absmax = quantize_blockwise(values, code)
        out |= {f"{name}.values": values, f"{name}.codes": codes, f"{name}.absmax": absmax, f"{name}.again": F.dequantize_blockwise(codes, absmax=absmax, code=code, blocksize=256)}
    save_file({key: value.contiguous() for key, value in out.items()}, HERE / "bitsandbytes.safetensors")


if __name__ == "__main__":
    blocks_file()
    tensors_file()
