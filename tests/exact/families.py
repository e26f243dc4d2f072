"""The architectures of the exactness suite: a small model of each, and how llama.cpp's files say it.

Sizes are multiples of 256, the block length of the K types. Weights are random and so large that attention is far from uniform.
"""
import copy
from dataclasses import dataclass, field

import torch
import transformers

WIDTH = 256
SHAPE = dict(vocab_size=96, hidden_size=WIDTH, intermediate_size=WIDTH, num_hidden_layers=2, num_attention_heads=8, num_key_value_heads=2,
             max_position_embeddings=128, bos_token_id=1, eos_token_id=2, pad_token_id=0, rms_norm_eps=1e-5)


@dataclass
class Family:
    name: str                      # architectures[0] of config.json
    config: transformers.PretrainedConfig
    gguf: str                      # general.architecture; "" = such files are not written here
    layout: dict = field(default_factory=dict)     # gguf_files.tensors_of
    metadata: dict = field(default_factory=dict)   # besides the common keys, without the architecture's prefix
    seed: int = 1


def families():
    t = transformers
    local = dict(layer_types=["sliding_attention", "full_attention"], sliding_window=9)
    gemma3_rope = {"full_attention": dict(rope_type="linear", factor=8.0, rope_theta=1e6), "sliding_attention": dict(rope_type="default", rope_theta=1e4)}
    six = ["sliding_attention"] * 5 + ["full_attention"]
    return [
        Family("LlamaForCausalLM", t.LlamaConfig(**SHAPE), "llama", dict(permute=True)),
        Family("MistralForCausalLM", t.MistralConfig(**SHAPE, head_dim=32, sliding_window=None), "llama", dict(permute=True)),
        Family("Qwen2ForCausalLM", t.Qwen2Config(**SHAPE, tie_word_embeddings=True), "qwen2"),
        Family("Qwen3ForCausalLM", t.Qwen3Config(**SHAPE, head_dim=64), "qwen3"),
        Family("Phi3ForCausalLM", t.Phi3Config(**SHAPE, sliding_window=None), ""),
        Family("GraniteForCausalLM", t.GraniteConfig(**SHAPE, embedding_multiplier=3.0, residual_multiplier=0.3, attention_multiplier=0.2, logits_scaling=4.0), ""),
        Family("SmolLM3ForCausalLM", t.SmolLM3Config(**{**SHAPE, "num_hidden_layers": 4}), ""),
        Family("Olmo2ForCausalLM", t.Olmo2Config(**SHAPE), ""),
        Family("Gemma3ForCausalLM", t.Gemma3TextConfig(**{**SHAPE, "num_hidden_layers": 6}, head_dim=32, query_pre_attn_scalar=32, sliding_window=9,
                                                       tie_word_embeddings=True, rope_parameters=gemma3_rope, layer_types=six), ""),
    ]


def common_metadata(family):
    """The keys that llama.cpp's converter writes for every decoder."""
    config, arch = family.config, family.gguf
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    rope = getattr(config, "rope_parameters", None) or {}
    rope = rope.get("full_attention", rope)
    values = {
        "block_count": config.num_hidden_layers, "context_length": config.max_position_embeddings, "embedding_length": config.hidden_size,
        "feed_forward_length": config.intermediate_size, "attention.head_count": config.num_attention_heads,
        "attention.head_count_kv": getattr(config, "num_key_value_heads", config.num_attention_heads),
        "attention.layer_norm_rms_epsilon": getattr(config, "rms_norm_eps", None), "attention.key_length": head_dim, "attention.value_length": head_dim,
        "rope.dimension_count": head_dim, "rope.freq_base": float(rope["rope_theta"]) if rope else None,
        **family.metadata,
    }
    keys = {f"{arch}.{key}": value for key, value in values.items() if value is not None}
    return {"general.architecture": arch, "general.name": family.name, **keys, "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2}


def build(family, dtype):
    """The model with random weights of that precision, in float32."""
    config = copy.deepcopy(family.config)
    config._attn_implementation = "eager"
    config._experts_implementation = "eager"
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    generator = torch.Generator().manual_seed(family.seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if ("norm" in name or "ln_" in name) and name.endswith("weight"):
                value = (0.0 if family.layout.get("norm_offset") else 1.0) + 0.3 * noise
            elif name.endswith("bias"):
                value = 0.5 * noise
            elif "embed" in name or "lm_head" in name or "wte" in name or "wpe" in name:
                value = noise
            else:
                value = noise * 1.3 / (parameter.shape[0] if "c_" in name else parameter.shape[-1]) ** 0.5
            parameter.copy_(value.to(dtype).to(torch.float32))
    return model
