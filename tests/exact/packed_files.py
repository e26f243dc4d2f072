"""Safetensors of GPTQ, AWQ and FP8: tensors as their published layouts have them, and the values they stand for."""
import json
import re

import numpy as np
import torch
from safetensors.torch import load_file, save_file

GROUP = 128
AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]   # the output that each four bits of a word belong to

# name -> quantization_config
KINDS = {
    "FP8 128x128": dict(quant_method="fp8", activation_scheme="dynamic", fmt="e4m3", weight_block_size=[128, 128]),
    "FP8 tensor": dict(quant_method="compressed-tensors", format="float-quantized",
                       config_groups={"group_0": {"targets": ["Linear"], "weights": {"num_bits": 8, "type": "float", "strategy": "tensor", "symmetric": True}}}),
    "FP8 channel": dict(quant_method="compressed-tensors", format="float-quantized",
                        config_groups={"group_0": {"targets": ["Linear"], "weights": {"num_bits": 8, "type": "float", "strategy": "channel", "symmetric": True}}}),
    "GPTQ 4": dict(quant_method="gptq", bits=4, group_size=GROUP, sym=True, desc_act=False, checkpoint_format="gptq"),
    "GPTQ 4 zeros": dict(quant_method="gptq", bits=4, group_size=GROUP, sym=False, desc_act=False),
    "GPTQ 4 v2": dict(quant_method="gptq", bits=4, group_size=-1, sym=False, desc_act=False, checkpoint_format="gptq_v2"),
    "GPTQ 8": dict(quant_method="gptq", bits=8, group_size=GROUP, sym=True, desc_act=False),
    "AWQ 4": dict(quant_method="awq", bits=4, group_size=GROUP, zero_point=True, version="gemm"),
}


def pack_fp8(weight, config):
    rows, columns = weight.shape
    block = config.get("weight_block_size")
    strategy = None if block else config["config_groups"]["group_0"]["weights"]["strategy"]
    high, wide = block or {"tensor": (rows, columns), "channel": (1, columns)}[strategy]
    scale = torch.zeros(-(-rows // high), -(-columns // wide))
    eight = torch.zeros(rows, columns, dtype=torch.float8_e4m3fn)
    values = torch.zeros(rows, columns)
    for i in range(scale.shape[0]):
        for j in range(scale.shape[1]):
            at = (slice(i * high, (i + 1) * high), slice(j * wide, (j + 1) * wide))
            scale[i, j] = weight[at].abs().max() / 448
            if not block:
                scale[i, j] = scale[i, j].to(torch.bfloat16)
            eight[at] = (weight[at] / scale[i, j]).clamp(-448, 448).to(torch.float8_e4m3fn)
            values[at] = (eight[at].to(torch.float32) * scale[i, j]).to(torch.bfloat16).to(torch.float32)
    if block:
        return {"weight": eight, "weight_scale_inv": scale}, values
    return {"weight": eight, "weight_scale": (scale.reshape(1) if strategy == "tensor" else scale).to(torch.bfloat16)}, values


def pack_words(fields, bits):
    """Fields along the last axis, the first in the lowest bits."""
    a_word = 32 // bits
    fields = fields.reshape(*fields.shape[:-1], -1, a_word).astype(np.uint32)
    return torch.from_numpy((fields << (np.arange(a_word, dtype=np.uint32) * bits)).sum(-1, dtype=np.uint32).view(np.int32))


def pack_whole(weight, config):
    """Groups of inputs with a scale and a zero point an output."""
    bits, top = config["bits"], 2 ** config["bits"] - 1
    rows, columns = weight.shape
    group = columns if config["group_size"] == -1 else config["group_size"]
    grouped = weight.numpy().reshape(rows, -1, group)
    if config.get("sym"):
        scale = (np.abs(grouped).max(2) / (2 ** (bits - 1) - 1)).astype(np.float16)
        zero = np.full(scale.shape, 2 ** (bits - 1))
    else:
        low, high = np.minimum(grouped.min(2), 0), np.maximum(grouped.max(2), 0)
        scale = ((high - low) / top).astype(np.float16)
        zero = np.clip(np.round(-low / scale.astype(np.float32)), 0, top).astype(int)
    wide = scale.astype(np.float32)[:, :, None]
    whole = np.clip(np.round(grouped / wide) + zero[:, :, None], 0, top).astype(int)
    values = torch.from_numpy((wide * (whole - zero[:, :, None]).astype(np.float32)).reshape(rows, columns))
    whole = whole.reshape(rows, columns)
    if config["quant_method"] == "awq":
        order = lambda fields: fields.reshape(*fields.shape[:-1], -1, 8)[..., AWQ_ORDER].reshape(fields.shape)
        return {"qweight": pack_words(order(whole.T), 4), "qzeros": pack_words(order(zero.T), 4), "scales": torch.from_numpy(scale.T.copy())}, values
    stored = (zero if config.get("checkpoint_format") == "gptq_v2" else zero - 1) & top
    return {"qweight": pack_words(whole, bits).T.contiguous(), "qzeros": pack_words(stored.T, bits), "scales": torch.from_numpy(scale.T.copy()),
            "g_idx": torch.arange(columns, dtype=torch.int32) // group}, values


def save(folder, model, kind):
    """Writes the model in that kind; returns a folder beside it with the float32 values that the files stand for."""
    config, plain = KINDS[kind], folder.with_name(folder.name + "-plain")
    model.save_pretrained(plain)
    tensors, packed = load_file(plain / "model.safetensors"), {}
    for name, weight in list(tensors.items()):
        if not re.fullmatch(r"model\.layers\.\d+\.(self_attn|mlp)\..*proj(_with_mqa)?\.weight", name):
            packed[name] = weight.clone()
            continue
        parts, tensors[name] = (pack_fp8 if "8" in kind and "FP" in kind else pack_whole)(weight, config)
        packed |= {f"{name.removesuffix('.weight')}.{part}": value.contiguous() for part, value in parts.items()}
    save_file(tensors, plain / "model.safetensors", metadata={"format": "pt"})
    folder.mkdir()
    save_file(packed, folder / "model.safetensors", metadata={"format": "pt"})
    description = json.loads((plain / "config.json").read_text()) | {"quantization_config": config}
    (folder / "config.json").write_text(json.dumps(description))
    return plain
