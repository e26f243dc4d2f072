"""GGUF files of small models: the container, the stored types, and llama.cpp's names and row orders.

Needs numpy, and the gguf package (the reference reader and writer of the types) for all but F32, F16 and Q8_0.
"""
import re
import struct

import numpy as np

# https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
TYPES = {"F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q5_0": 6, "Q5_1": 7, "Q8_0": 8, "Q2_K": 10, "Q3_K": 11, "Q4_K": 12, "Q5_K": 13, "Q6_K": 14,
         "IQ4_NL": 20, "IQ4_XS": 23, "BF16": 30, "MXFP4": 39}

# Where a block type keeps its f16 scale and minimum, and what the scale is about so that values are about 1 / sqrt(256).
BLOCK_HALVES = {"Q4_0": ([0], 0.1), "Q4_1": ([0, 2], 0.05), "Q5_0": ([0], 0.05), "Q5_1": ([0, 2], 0.03), "Q2_K": ([80, 82], 0.02), "Q3_K": ([108], 0.01),
                "Q4_K": ([0, 2], 0.002), "Q5_K": ([0, 2], 0.001), "Q6_K": ([208], 0.0003), "IQ4_NL": ([0], 0.01), "IQ4_XS": ([0], 0.0004), "MXFP4": ([], 0)}


def gguf_string(text):
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def gguf_value(value):
    if isinstance(value, bool):
        return struct.pack("<IB", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    return struct.pack("<I", 8) + gguf_string(value)


def write_gguf(path, metadata, tensors):
    """tensors: name -> (type, shape with the outermost dimension first, bytes)."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    head += b"".join(gguf_string(key) + gguf_value(value) for key, value in metadata.items())
    parts, at = [], 0
    for name, (kind, shape, raw) in tensors.items():
        parts.append(b"\0" * (-at % 32))
        at += len(parts[-1])
        head += gguf_string(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *reversed(shape)) + struct.pack("<IQ", TYPES[kind], at)
        parts.append(raw)
        at += len(raw)
    path.write_bytes(head + b"\0" * (-len(head) % 32) + b"".join(parts))


def pack_q8_0(values):
    blocks = values.reshape(-1, 32)
    scale = np.abs(blocks).max(axis=1) / 127
    inverse = np.where(scale > 0, 1 / np.where(scale > 0, scale, 1), 0)
    quants = np.sign(blocks) * np.floor(np.abs(blocks * inverse[:, None]) + 0.5)
    out = np.zeros(len(blocks), dtype=[("d", "<f2"), ("q", "i1", 32)])
    out["d"], out["q"] = scale.astype(np.float16), quants.astype(np.int8)
    return out.tobytes(), (out["d"].astype(np.float32)[:, None] * out["q"].astype(np.float32)).reshape(values.shape)


def pack(values, kind):
    """Bytes, and the float32 values that they stand for."""
    if kind == "F16":
        half = values.astype(np.float16)
        return half.tobytes(), half.astype(np.float32)
    if kind == "Q8_0":
        return pack_q8_0(values)
    if kind == "F32":
        return values.astype(np.float32).tobytes(), values
    import gguf  # pip install gguf==0.19.0

    of = getattr(gguf.GGMLQuantizationType, kind)
    raw = gguf.quants.quantize(values, of)
    return raw.tobytes(), gguf.quants.dequantize(raw, of).reshape(values.shape).astype(np.float32)


def random_blocks(shape, kind, random, minimum=1.0):
    """A matrix of random blocks: its rows of bytes, and the values that the reference reader sees in them. `minimum` shrinks what types that have
    it take off a block's values: all of a row's being on one side makes a model that amplifies every rounding."""
    import gguf

    of = getattr(gguf.GGMLQuantizationType, kind)
    values, size = gguf.GGML_QUANT_SIZES[of]
    blocks = random.integers(0, 256, (shape[0] * shape[1] // values, size), dtype=np.uint8)
    offsets, about = BLOCK_HALVES[kind]
    for offset in offsets:
        factor = about / 8 * (minimum if offset != offsets[0] else 1)
        blocks[:, offset:offset + 2] = (random.normal(size=(len(blocks), 1)) * factor).astype(np.float16).view(np.uint8)
    if kind == "MXFP4":
        blocks[:, 0] = random.integers(121, 123, len(blocks))
    return blocks.reshape(shape[0], -1), gguf.quants.dequantize(blocks, of).reshape(shape).astype(np.float32)


# transformers' module names -> llama.cpp's. The first match counts; {} is the layer.
NAMES = [
    (r"(?:model\.embed_tokens|transformer\.wte)", "token_embd"),
    (r"transformer\.wpe", "position_embd"),
    (r"(?:model\.norm|transformer\.ln_f)", "output_norm"),
    (r"lm_head", "output"),
    (r"(?:input_layernorm|ln_1)", "blk.{}.attn_norm"),
    (r"self_attn\.q_proj", "blk.{}.attn_q"),
    (r"self_attn\.k_proj", "blk.{}.attn_k"),
    (r"self_attn\.v_proj", "blk.{}.attn_v"),
    (r"(?:self_attn\.o_proj|attn\.c_proj)", "blk.{}.attn_output"),
    (r"(?:self_attn\.qkv_proj|attn\.c_attn)", "blk.{}.attn_qkv"),
    (r"self_attn\.q_norm", "blk.{}.attn_q_norm"),
    (r"self_attn\.k_norm", "blk.{}.attn_k_norm"),
    (r"pre_feedforward_layernorm", "blk.{}.ffn_norm"),
    (r"(?:post_feedforward_layernorm|post_mlp_layernorm)", "blk.{}.post_ffw_norm"),
    (r"post_self_attn_layernorm", "blk.{}.post_attention_norm"),
    (r"post_attention_layernorm", "blk.{}.ffn_norm"),       # of blocks with norms on both sides: see tensors_of
    (r"ln_2", "blk.{}.ffn_norm"),
    (r"mlp\.gate_up_proj", "blk.{}.ffn_up"),
    (r"mlp\.gate_proj", "blk.{}.ffn_gate"),
    (r"(?:mlp\.up_proj|mlp\.c_fc)", "blk.{}.ffn_up"),
    (r"(?:mlp\.down_proj|mlp\.c_proj)", "blk.{}.ffn_down"),
    (r"(?:mlp\.gate|block_sparse_moe\.router)", "blk.{}.ffn_gate_inp"),
    (r"self_attn\.q_a_proj", "blk.{}.attn_q_a"),
    (r"self_attn\.q_a_layernorm", "blk.{}.attn_q_a_norm"),
    (r"self_attn\.q_b_proj", "blk.{}.attn_q_b"),
    (r"self_attn\.kv_a_proj_with_mqa", "blk.{}.attn_kv_a_mqa"),
    (r"self_attn\.kv_a_layernorm", "blk.{}.attn_kv_a_norm"),
    (r"self_attn\.kv_b_proj", "blk.{}.attn_kv_b"),
    (r"mlp\.shared_experts?\.gate_proj", "blk.{}.ffn_gate_shexp"),
    (r"mlp\.shared_experts?\.up_proj", "blk.{}.ffn_up_shexp"),
    (r"mlp\.shared_experts?\.down_proj", "blk.{}.ffn_down_shexp"),
    (r"mlp\.shared_expert_gate", "blk.{}.ffn_gate_inp_shexp"),
]


def gguf_name(key):
    module, _, ending = key.rpartition(".")
    layer = re.match(r"(?:model\.layers|transformer\.h)\.(\d+)\.(.*)", module)
    inner = layer.group(2) if layer else module
    for pattern, name in NAMES:
        if re.fullmatch(pattern, inner):
            return f"{name.format(layer.group(1) if layer else '')}.{ending}"
    raise KeyError(key)


def interleaved(values, heads):
    """llama.cpp's order of the rows of q and k, as a view: pairs (i, i + half) become neighbours."""
    return values.reshape(heads, 2, values.shape[0] // heads // 2, *values.shape[1:]).swapaxes(1, 2)


def interleave(weight, heads):
    return np.ascontiguousarray(interleaved(weight, heads)).reshape(weight.shape)


def split_latent(layer, values, config):
    """kv_b as newer files have it: what makes keys, transposed in every head, and what makes values."""
    heads = values.reshape(config.num_attention_heads, -1, values.shape[1])
    parts = {"k": heads[:, :config.qk_nope_head_dim].swapaxes(1, 2), "v": heads[:, config.qk_nope_head_dim:]}
    return [(f"blk.{layer}.attn_{part}_b.weight", view, view.shape, 0) for part, view in parts.items()]


def tensors_of(model, permute=False, norm_offset=0, sandwich=False, latent=False, post_norm=False):
    """(name, view into the model, shape in the file, what is added to the stored values) of every tensor of a GGUF file."""
    config, out = model.config, []
    biases = [(key, buffer) for key, buffer in model.named_buffers() if key.endswith("e_score_correction_bias")]
    for key, parameter in [*model.named_parameters(), *biases]:
        values = parameter.detach().numpy()
        layer = re.match(r"model\.layers\.(\d+)\.(?:mlp|block_sparse_moe)\.experts\.(\w+)", key)
        if layer:
            wide = values.shape[1] // 2
            parts = {"gate_up_proj": {"gate": values[:, :wide], "up": values[:, wide:]}, "down_proj": {"down": values}}[layer.group(2)]
            out += [(f"blk.{layer.group(1)}.ffn_{part}_exps.weight", view, view.shape, 0) for part, view in parts.items()]
            continue
        if key.endswith("e_score_correction_bias"):
            out.append((f"blk.{key.split('.')[2]}.exp_probs_b.bias", values, values.shape, 0))
            continue
        if latent and key.endswith("kv_b_proj.weight"):
            out += split_latent(key.split(".")[2], values, config)
            continue
        name = gguf_name(key)
        if post_norm:
            name = name.replace("ffn_norm", "post_attention_norm")
        if sandwich and "post_attention_layernorm" in key:
            name = name.replace("ffn_norm", "post_attention_norm")
        if re.match(r"transformer\..*\.(c_attn|c_proj|c_fc)\.weight$", key):   # GPT-2 stores the transposed matrix
            out.append((name, values.T, values.T.shape, 0))
        elif permute and re.search(r"\.[qk]_proj\.", key):
            heads = config.num_attention_heads if "q_proj" in key else config.num_key_value_heads
            out.append((name, interleaved(values, heads), values.shape, 0))
        else:
            out.append((name, values, values.shape, norm_offset if "norm" in key else 0))
    return out


def encode(view, shape, offset, kind, random):
    """Bytes of a tensor of a model, whose values become what the bytes stand for."""
    values = np.ascontiguousarray(view).reshape(-1, shape[-1]) + np.float32(offset)
    if kind in ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "MXFP4"):
        raw, exact = pack(values, kind)
    else:
        blocks, exact = random_blocks(values.shape, kind, random, minimum=0.5)
        raw = blocks.tobytes()
    view[...] = (exact - np.float32(offset)).reshape(view.shape)
    return raw


def kind_of(name, shape, kind):
    """What llama.cpp's tools store a tensor as in a file of that kind."""
    if len(shape) < 2 or "ffn_gate_inp" in name or "position_embd" in name:
        return "F32"
    if shape[-1] % 256 and kind in ("Q4_K_M", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_XS"):
        return "Q8_0"   # rows shorter than a block
    if kind == "Q4_K_M":
        return "Q6_K" if re.search(r"attn_v|ffn_down|output\.|token_embd", name) else "Q4_K"
    return kind


def save(path, model, kind, metadata, seed, **layout):
    """Writes the model in that kind; its weights are afterwards what the file says."""
    random, tensors = np.random.default_rng(seed), {}
    for name, view, shape, offset in tensors_of(model, **layout):
        stored = kind_of(name, shape, kind)
        tensors[name] = (stored, shape, encode(view, shape, offset, stored, random))
    write_gguf(path, metadata, tensors)
