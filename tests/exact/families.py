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
    gemma3_rope = {"full_attention": dict(rope_type="linear", factor=8.0, rope_theta=1e6), "sliding_attention": dict(rope_type="default", rope_theta=1e4)}
    six = ["sliding_attention"] * 5 + ["full_attention"]
    experts = {"expert_count": 6, "expert_used_count": 2}
    small = {**experts, "expert_feed_forward_length": WIDTH}
    gemma = dict(norm_offset=1, sandwich=True)
    fine = dict(n_routed_experts=8, num_experts_per_tok=3, moe_intermediate_size=WIDTH, first_k_dense_replace=1)
    fine_keys = {"expert_count": 8, "expert_used_count": 3, "expert_feed_forward_length": WIDTH, "leading_dense_block_count": 1}
    heads = {**SHAPE, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 4}
    latent = dict(kv_lora_rank=WIDTH, qk_nope_head_dim=64, qk_rope_head_dim=32, v_head_dim=64)
    latent_keys = {**fine_keys, "attention.kv_lora_rank": WIDTH, "rope.dimension_count": 32}
    old_keys = {**latent_keys, "attention.key_length": 96, "attention.value_length": 64}
    new_keys = {**latent_keys, "attention.head_count_kv": 1, "attention.key_length": WIDTH + 32, "attention.value_length": WIDTH, "attention.key_length_mla": 96,
                "attention.value_length_mla": 64}
    yarn = dict(rope_type="yarn", rope_theta=1e4, factor=4.0, original_max_position_embeddings=32, beta_fast=32, beta_slow=1)
    yarn_keys = {"rope.scaling.type": "yarn", "rope.scaling.factor": 4.0, "rope.scaling.original_context_length": 32}
    return [
        Family("LlamaForCausalLM", t.LlamaConfig(**SHAPE), "llama", dict(permute=True)),
        Family("MistralForCausalLM", t.MistralConfig(**SHAPE, head_dim=32, sliding_window=None), "llama", dict(permute=True)),
        Family("MixtralForCausalLM", t.MixtralConfig(**SHAPE, num_local_experts=6, num_experts_per_tok=2), "llama", dict(permute=True), experts),
        Family("Qwen2ForCausalLM", t.Qwen2Config(**SHAPE, tie_word_embeddings=True), "qwen2"),
        Family("Qwen2MoeForCausalLM", t.Qwen2MoeConfig(**SHAPE, num_experts=6, num_experts_per_tok=2, moe_intermediate_size=WIDTH,
                                                       shared_expert_intermediate_size=2 * WIDTH), "qwen2moe", {},
               {**small, "expert_shared_feed_forward_length": 2 * WIDTH}),
        Family("Qwen3ForCausalLM", t.Qwen3Config(**SHAPE, head_dim=64), "qwen3"),
        Family("Qwen3MoeForCausalLM", t.Qwen3MoeConfig(**SHAPE, head_dim=32, num_experts=6, num_experts_per_tok=2, moe_intermediate_size=WIDTH, norm_topk_prob=True),
               "qwen3moe", {}, small),
        Family("Phi3ForCausalLM", t.Phi3Config(**SHAPE, sliding_window=None, rope_parameters=dict(rope_type="default", rope_theta=1e4, partial_rotary_factor=0.5)),
               "phi3", {}, {"rope.dimension_count": 16, "attention.key_length": None, "attention.value_length": None}),
        Family("GraniteForCausalLM", t.GraniteConfig(**SHAPE, embedding_multiplier=3.0, residual_multiplier=0.3, attention_multiplier=0.2, logits_scaling=4.0), "granite",
               dict(permute=True), {"embedding_scale": 3.0, "residual_scale": 0.3, "attention.scale": 0.2, "logit_scale": 4.0}),
        Family("SmolLM3ForCausalLM", t.SmolLM3Config(**{**SHAPE, "num_hidden_layers": 4}), "smollm3", dict(permute=True)),
        Family("Olmo2ForCausalLM", t.Olmo2Config(**SHAPE), "olmo2", dict(sandwich=True)),
        Family("OlmoeForCausalLM", t.OlmoeConfig(**{**SHAPE, "num_key_value_heads": 8}, num_experts=6, num_experts_per_tok=2), "olmoe", {}, experts),
        Family("Gemma2ForCausalLM", t.Gemma2Config(**SHAPE, head_dim=32, query_pre_attn_scalar=32, sliding_window=9, attn_logit_softcapping=5.0,
                                                   final_logit_softcapping=8.0, tie_word_embeddings=True), "gemma2", gemma,
               {"attention.sliding_window": 9, "attn_logit_softcapping": 5.0, "final_logit_softcapping": 8.0}),
        Family("Gemma3ForCausalLM", t.Gemma3TextConfig(**{**SHAPE, "num_hidden_layers": 6}, head_dim=32, query_pre_attn_scalar=32, sliding_window=9,
                                                       tie_word_embeddings=True, rope_parameters=gemma3_rope, layer_types=six), "gemma3", gemma,
               {"attention.sliding_window": 9, "rope.scaling.type": "linear", "rope.scaling.factor": 8.0}),
        Family("Starcoder2ForCausalLM", t.Starcoder2Config(**{k: v for k, v in SHAPE.items() if k != "rms_norm_eps"}, sliding_window=None), "starcoder2", {},
               {"attention.layer_norm_epsilon": 1e-5}),
        Family("GPT2LMHeadModel", t.GPT2Config(vocab_size=96, n_positions=128, n_embd=WIDTH, n_layer=2, n_head=8, n_inner=512, bos_token_id=1, eos_token_id=2), "gpt2", {},
               {"attention.layer_norm_epsilon": 1e-5, "feed_forward_length": 512}),
        Family("GlmForCausalLM", t.GlmConfig(**SHAPE, head_dim=32), ""),
        Family("Glm4ForCausalLM", t.Glm4Config(**SHAPE, head_dim=32), "glm4", {}, {"rope.dimension_count": 16}),
        Family("Glm4MoeForCausalLM", t.Glm4MoeConfig(**{**SHAPE, "num_hidden_layers": 3}, head_dim=32, **fine, n_shared_experts=1, use_qk_norm=True, attention_bias=True,
                                                     routed_scaling_factor=1.5, num_mtp_layers=0), "glm4moe", dict(post_norm=True),
               {**fine_keys, "expert_shared_count": 1, "expert_gating_func": 2, "expert_weights_scale": 1.5, "expert_weights_norm": True, "rope.dimension_count": 16}),
        Family("Dots1ForCausalLM", t.Dots1Config(**{**SHAPE, "num_hidden_layers": 3}, head_dim=32, **fine, n_shared_experts=2, norm_topk_prob=True, routed_scaling_factor=2.0,
                                                 sliding_window=None), "dots1", {},
               {**fine_keys, "expert_shared_count": 2, "expert_gating_func": 2, "expert_weights_scale": 2.0, "expert_weights_norm": True}),
        Family("GraniteMoeForCausalLM", t.GraniteMoeConfig(**SHAPE, num_local_experts=6, num_experts_per_tok=2, embedding_multiplier=3.0, residual_multiplier=0.3,
                                                           attention_multiplier=0.2, logits_scaling=4.0), "granitemoe", dict(permute=True),
               {**experts, "embedding_scale": 3.0, "residual_scale": 0.3, "attention.scale": 0.2, "logit_scale": 4.0}),
        Family("DeepseekV2 Lite", t.DeepseekV2Config(**heads, **latent, **fine, q_lora_rank=None, n_shared_experts=2), "deepseek2", {}, {**old_keys, "expert_shared_count": 2}),
        Family("DeepseekV2ForCausalLM", t.DeepseekV2Config(**heads, **latent, **fine, q_lora_rank=WIDTH, n_shared_experts=1, topk_method="group_limited_greedy", n_group=4,
                                                           topk_group=2, routed_scaling_factor=4.0, rope_parameters={**yarn, "mscale": 0.707, "mscale_all_dim": 0.707}),
               "deepseek2", dict(latent=True), {**new_keys, **yarn_keys, "expert_shared_count": 1, "attention.q_lora_rank": WIDTH, "expert_group_count": 4,
                                                "expert_group_used_count": 2, "expert_weights_scale": 4.0, "rope.scaling.yarn_log_multiplier": 0.0707}),
        Family("DeepseekV3ForCausalLM", t.DeepseekV3Config(**heads, **latent, **fine, q_lora_rank=WIDTH, n_shared_experts=1, n_group=4, topk_group=2, routed_scaling_factor=2.5,
                                                           num_mtp_layers=0, rope_parameters={**yarn, "mscale": 1.0, "mscale_all_dim": 1.0}),
               "deepseek2", dict(latent=True), {**new_keys, **yarn_keys, "expert_shared_count": 1, "attention.q_lora_rank": WIDTH, "expert_group_count": 4,
                                                "expert_group_used_count": 2, "expert_weights_scale": 2.5, "expert_weights_norm": True, "expert_gating_func": 2,
                                                "rope.scaling.yarn_log_multiplier": 0.1}),
        Family("DeepseekV3 biases", t.DeepseekV3Config(**heads, **latent, **fine, q_lora_rank=None, n_shared_experts=1, n_group=1, topk_group=1, norm_topk_prob=False,
                                                       attention_bias=True, rope_interleave=False, num_mtp_layers=0), ""),
        Family("Glm4MoeLiteForCausalLM", t.Glm4MoeLiteConfig(**heads, **latent, **{k: v for k, v in fine.items() if k != "first_k_dense_replace"}, q_lora_rank=WIDTH,
                                                             n_group=2, topk_group=1, mlp_layer_types=["sparse", "dense", "sparse"]), ""),
    ]


def common_metadata(family):
    """The keys that llama.cpp's converter writes for every decoder."""
    config, arch = family.config, family.gguf
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    rope = getattr(config, "rope_parameters", None) or {}
    rope = rope.get("full_attention", rope)
    values = {
        "block_count": config.num_hidden_layers, "context_length": config.max_position_embeddings, "embedding_length": config.hidden_size,
        "feed_forward_length": getattr(config, "intermediate_size", None), "attention.head_count": config.num_attention_heads,
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
        biases = [(name, buffer) for name, buffer in model.named_buffers() if name.endswith("e_score_correction_bias")]
        for name, parameter in [*model.named_parameters(), *biases]:
            noise = torch.randn(parameter.shape, generator=generator)
            if ("norm" in name or "ln_" in name) and name.endswith("weight"):
                value = (0.0 if family.layout.get("norm_offset") else 1.0) + 0.3 * noise
            elif name.endswith("bias"):
                value = (0.2 if "e_score" in name else 0.5) * noise
            elif "embed" in name or "lm_head" in name or "wte" in name or "wpe" in name:
                value = noise
            else:
                value = noise * 1.3 / (parameter.shape[0] if "c_" in name else parameter.shape[-1]) ** 0.5
            parameter.copy_(value.to(dtype).to(torch.float32))
    return model
