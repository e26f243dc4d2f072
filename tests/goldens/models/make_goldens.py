#!/usr/bin/env python3
"""Makes the model goldens beside this file with transformers and PEFT.

    python make_goldens.py            needs torch, transformers, peft, safetensors, numpy, gguf

Every case is a folder with config.json, weights (or a link to another case's weights, where only the configuration differs)
and expected.safetensors: ids, and the float32 logits of transformers' eager attention for them. The weights are random but
large enough that attention is far from uniform, and rounded to bfloat16 precision so that they compress. GGUF cases hold a
model.gguf written here, with llama.cpp's names and row order; their logits come from the very values that the file stores,
so quantised files need no wider tolerance. Adapter cases hold PEFT's own files.
"""
import json
import pathlib
import shutil
import sys

import numpy as np
import torch
import transformers
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "exact"))
from gguf_files import BLOCK_HALVES, gguf_name, interleave, pack, random_blocks, write_gguf  # noqa: E402

CASES = HERE / "cases"
SHAPE = dict(vocab_size=96, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=0, rms_norm_eps=1e-5)


def ids_of(length, seed=5):
    return torch.randint(3, SHAPE["vocab_size"], (1, length), generator=torch.Generator().manual_seed(seed))


def round_to(tensor, dtype):
    return tensor.to(dtype).to(torch.float32)


def randomise(model, seed, dtype=torch.bfloat16):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if "norm" in name or (".ln_" in name and name.endswith("weight")):
                value = 1 + 0.3 * noise
            elif name.endswith("bias"):
                value = 0.5 * noise
            elif "embed" in name or "lm_head" in name or ".wte" in name or ".wpe" in name:
                value = noise
            else:
                value = noise * 1.3 / parameter.shape[-1] ** 0.5
            parameter.copy_(round_to(value, dtype))


def build(config, seed, dtype=torch.bfloat16):
    config._attn_implementation = "eager"
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    randomise(model, seed, dtype)
    return model


def logits_of(model, ids):
    with torch.no_grad():
        return model(input_ids=ids, use_cache=False).logits[0].to(torch.float32).contiguous()


def write_expected(folder, model, length=40):
    ids = ids_of(length)
    save_file({"ids": ids[0].to(torch.int32), "logits": logits_of(model, ids)}, folder / "expected.safetensors")


def fresh(name):
    folder = CASES / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def save_weights(folder, model, dtype=torch.float32, shards=1):
    if any("experts" in name for name, _ in model.named_parameters()):   # in memory they are stacked; only transformers knows the names on the hub
        model.save_pretrained(folder)
        for name in ("config.json", "generation_config.json"):
            (folder / name).unlink(missing_ok=True)
        return
    skip = "lm_head.weight" if model.config.tie_word_embeddings else None
    state = {name: value.detach().to(dtype).contiguous() for name, value in model.state_dict().items() if name != skip}
    if shards == 1:
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
        return
    names, weight_map = sorted(state), {}
    for index in range(shards):
        file = f"model-{index + 1:05}-of-{shards:05}.safetensors"
        part = {name: state[name] for name in names[index::shards]}
        save_file(part, folder / file, metadata={"format": "pt"})
        weight_map.update({name: file for name in part})
    index = {"metadata": {"total_size": sum(v.numel() * v.element_size() for v in state.values())}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")


def write_config(folder, model, architecture, edit=None):
    config = model.config.to_dict()
    for key in ("_attn_implementation", "transformers_version", "_name_or_path"):
        config.pop(key, None)
    config["architectures"] = [architecture]
    if edit:
        edit(config)
    (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")


class Family:
    """Cases of one architecture; those with the same `weights` name share a file through a link."""

    def __init__(self, config_class, architecture):
        self.config_class, self.architecture, self.owners = config_class, architecture, {}

    def case(self, name, weights, seed=1, length=40, dtype=torch.float32, shards=1, edit=None, **fields):
        model = build(self.config_class(**{**SHAPE, **fields}), seed, torch.bfloat16 if dtype == torch.float32 else dtype)
        folder = fresh(name)
        if weights in self.owners:
            (folder / "model.safetensors").symlink_to(pathlib.Path("..") / self.owners[weights] / "model.safetensors")
        else:
            self.owners[weights] = name
            save_weights(folder, model, dtype, shards)
        write_config(folder, model, self.architecture, edit)
        write_expected(folder, model, length)
        return model


def old_style_rope(config):
    """As files before transformers 5 say it."""
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    rope["type"] = rope.pop("rope_type")
    config["rope_scaling"] = rope


def make_llama():
    llama = Family(transformers.LlamaConfig, "LlamaForCausalLM")
    llama.case("llama_plain", "mha", seed=1, num_key_value_heads=4)
    llama.case("llama_gqa_tied", "gqa", seed=2, tie_word_embeddings=True)
    rope = lambda kind, **more: dict(rope_type=kind, rope_theta=10000.0, **more)
    shared = dict(weights="gqa", seed=2, tie_word_embeddings=True)
    llama.case("llama_rope_theta", rope_parameters=rope("default") | {"rope_theta": 500000.0}, **shared)
    llama.case("llama_rope_linear", rope_parameters=rope("linear", factor=4.0), **shared)
    llama.case("llama_rope_linear_old", rope_parameters=rope("linear", factor=4.0), edit=old_style_rope, **shared)
    llama.case("llama_rope_dynamic_within", rope_parameters=rope("dynamic", factor=2.0), **shared)
    llama.case("llama_rope_dynamic_beyond", rope_parameters=rope("dynamic", factor=2.0), length=100, **shared)
    llama3 = rope("llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)
    llama.case("llama_rope_llama3", rope_parameters=llama3, **shared)
    yarn = rope("yarn", factor=4.0, original_max_position_embeddings=16)
    llama.case("llama_rope_yarn", rope_parameters=yarn, **shared)
    llama.case("llama_rope_yarn_old", rope_parameters=yarn, edit=old_style_rope, **shared)
    llama.case("llama_rope_yarn_mscale", rope_parameters=yarn | dict(mscale=0.7, mscale_all_dim=1.2, beta_fast=16.0, beta_slow=2.0, truncate=False), **shared)
    longrope = rope("longrope", factor=2.0, original_max_position_embeddings=50, short_factor=[1.0, 1.1, 1.3, 1.6], long_factor=[1.5, 2.0, 3.0, 4.0])
    llama.case("llama_rope_longrope_short", rope_parameters=longrope, length=50, **shared)
    llama.case("llama_rope_longrope_long", rope_parameters=longrope, length=60, **shared)
    llama.case("llama_biases", "biases", seed=3, attention_bias=True, mlp_bias=True)
    llama.case("llama_head_dim", "head_dim", seed=4, head_dim=16)
    llama.case("llama_f16", "f16", seed=5, dtype=torch.float16, attention_bias=True)
    llama.case("llama_bf16", "bf16", seed=6, dtype=torch.bfloat16, tie_word_embeddings=True)
    llama.case("llama_sharded", "sharded", seed=7, shards=3)


def make_others():
    mistral = Family(transformers.MistralConfig, "MistralForCausalLM")
    mistral.case("mistral_window", "mistral", seed=11, sliding_window=12)
    mistral.case("mistral_full", "mistral", seed=11, sliding_window=None)
    qwen2 = Family(transformers.Qwen2Config, "Qwen2ForCausalLM")
    qwen2.case("qwen2", "qwen2", seed=21, tie_word_embeddings=True, sliding_window=8)
    windowed = dict(weights="qwen2", seed=21, tie_word_embeddings=True, use_sliding_window=True, sliding_window=8)
    qwen2.case("qwen2_max_window_layers", max_window_layers=1, edit=lambda c: c.pop("layer_types"), **windowed)
    qwen2.case("qwen2_layer_types", layer_types=["sliding_attention", "full_attention"], **windowed)
    qwen3 = Family(transformers.Qwen3Config, "Qwen3ForCausalLM")
    qwen3.case("qwen3", "qwen3", seed=31, head_dim=16, tie_word_embeddings=True)
    qwen3.case("qwen3_biases_window", "qwen3_biases", seed=32, head_dim=8, attention_bias=True, use_sliding_window=True, sliding_window=9, max_window_layers=0)


def old_style_gemma(config):
    """As files before transformers 5 say it."""
    rope = config.pop("rope_parameters")
    config["rope_theta"], config["rope_local_base_freq"] = rope["full_attention"]["rope_theta"], rope["sliding_attention"]["rope_theta"]
    config["rope_scaling"] = {"rope_type": "linear", "factor": rope["full_attention"]["factor"]}
    del config["layer_types"]
    config["sliding_window_pattern"] = 3


def make_variants():
    phi3 = Family(transformers.Phi3Config, "Phi3ForCausalLM")
    phi3.case("phi3_window", "phi3", seed=61, sliding_window=11)
    longrope = dict(rope_type="longrope", rope_theta=10000.0, short_factor=[1.0, 1.2], long_factor=[1.5, 3.0], partial_rotary_factor=0.5)
    phi3.case("phi3_partial_longrope", "phi3", seed=61, rope_parameters=longrope, original_max_position_embeddings=50, length=60)
    granite = Family(transformers.GraniteConfig, "GraniteForCausalLM")
    granite.case("granite", "granite", seed=62, tie_word_embeddings=True, embedding_multiplier=3.0, residual_multiplier=0.3, attention_multiplier=0.2, logits_scaling=4.0)
    granite.case("granite_biases", "granite_biases", seed=63, attention_bias=True, mlp_bias=True, residual_multiplier=0.5, attention_multiplier=0.4)
    smollm3 = Family(transformers.SmolLM3Config, "SmolLM3ForCausalLM")
    smollm3.case("smollm3", "smollm3", seed=64, num_hidden_layers=4)
    smollm3.case("smollm3_list", "smollm3", seed=64, num_hidden_layers=4, no_rope_layers=[0, 1, 1, 0])
    olmo2 = Family(transformers.Olmo2Config, "Olmo2ForCausalLM")
    olmo2.case("olmo2", "olmo2", seed=65)
    gemma3 = Family(transformers.Gemma3TextConfig, "Gemma3ForCausalLM")
    rope = {"full_attention": dict(rope_type="linear", factor=8.0, rope_theta=1e6), "sliding_attention": dict(rope_type="default", rope_theta=1e4)}
    fields = dict(seed=66, num_hidden_layers=3, head_dim=16, query_pre_attn_scalar=24, sliding_window=9, tie_word_embeddings=True, rope_parameters=rope,
                  layer_types=["sliding_attention", "sliding_attention", "full_attention"])
    gemma3.case("gemma3", "gemma3", **fields)
    gemma3.case("gemma3_old", "gemma3", edit=old_style_gemma, **fields)


def make_experts():
    few = dict(num_experts_per_tok=2, num_hidden_layers=3)
    mixtral = Family(transformers.MixtralConfig, "MixtralForCausalLM")
    mixtral.case("mixtral_window", "mixtral", seed=71, num_local_experts=5, sliding_window=11, **few)
    qwen2 = Family(transformers.Qwen2MoeConfig, "Qwen2MoeForCausalLM")
    qwen2.case("qwen2_moe_every_second", "qwen2_moe", seed=72, num_experts=5, moe_intermediate_size=32, shared_expert_intermediate_size=48, decoder_sparse_step=2, **few)
    qwen3 = Family(transformers.Qwen3MoeConfig, "Qwen3MoeForCausalLM")
    qwen3.case("qwen3_moe_dense_layer", "qwen3_moe", seed=73, num_experts=5, moe_intermediate_size=32, head_dim=16, norm_topk_prob=True, mlp_only_layers=[1], attention_bias=True, **few)
    olmoe = Family(transformers.OlmoeConfig, "OlmoeForCausalLM")
    olmoe.case("olmoe", "olmoe", seed=74, num_experts=5, **few)


def make_families():
    gemma2 = Family(transformers.Gemma2Config, "Gemma2ForCausalLM")
    gemma2.case("gemma2", "gemma2", seed=75, head_dim=16, query_pre_attn_scalar=24, sliding_window=9, attn_logit_softcapping=4.0, final_logit_softcapping=6.0, tie_word_embeddings=True)
    gemma2.case("gemma2_uncapped", "gemma2", seed=75, head_dim=16, query_pre_attn_scalar=24, sliding_window=9, attn_logit_softcapping=None, final_logit_softcapping=None, tie_word_embeddings=True)
    starcoder2 = Family(transformers.Starcoder2Config, "Starcoder2ForCausalLM")
    starcoder2.case("starcoder2_window", "starcoder2", seed=76, sliding_window=11)
    starcoder2.case("starcoder2_no_bias", "starcoder2_no_bias", seed=77, use_bias=False, tie_word_embeddings=False)
    gpt2 = Family(transformers.GPT2Config, "GPT2LMHeadModel")
    gpt2.case("gpt2", "gpt2", seed=78, n_embd=32, n_layer=2, n_head=4, n_positions=64)
    glm = Family(transformers.GlmConfig, "GlmForCausalLM")
    glm.case("glm", "glm", seed=79, head_dim=16)
    glm4 = Family(transformers.Glm4Config, "Glm4ForCausalLM")
    glm4.case("glm4", "glm4", seed=80, head_dim=16, attention_bias=False)


def random_lora(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.copy_(round_to(torch.randn(parameter.shape, generator=generator) * 0.3, torch.bfloat16))


def make_adapters():
    linears = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    kinds = {
        "all_linear": (LoraConfig(r=4, lora_alpha=8, target_modules=linears, task_type="CAUSAL_LM"), torch.float32),
        "patterns_rslora": (LoraConfig(r=4, lora_alpha=6, target_modules=["q_proj", "v_proj", "down_proj"], use_rslora=True, task_type="CAUSAL_LM",
                                       rank_pattern={"v_proj": 2, r"layers\.1\.mlp\.down_proj": 3}, alpha_pattern={r"layers\.0\.self_attn\.q_proj": 3}), torch.float32),
        "one_layer_bf16": (LoraConfig(r=2, lora_alpha=4, target_modules=["q_proj", "up_proj"], layers_to_transform=[1], task_type="CAUSAL_LM"), torch.bfloat16),
    }
    for index, (name, (config, dtype)) in enumerate(kinds.items()):
        base = build(transformers.LlamaConfig(**SHAPE, tie_word_embeddings=True), 2)
        model = get_peft_model(base, config).eval()
        random_lora(model, 40 + index)
        folder = HERE / "adapters" / name
        shutil.rmtree(folder, ignore_errors=True)
        model.save_pretrained(folder)
        (folder / "README.md").unlink(missing_ok=True)
        if dtype != torch.float32:
            from safetensors.torch import load_file
            state = load_file(folder / "adapter_model.safetensors")
            save_file({key: value.to(dtype) for key, value in state.items()}, folder / "adapter_model.safetensors", metadata={"format": "pt"})
        config_file = folder / "adapter_config.json"
        fields = json.loads(config_file.read_text())
        fields["target_modules"] = sorted(fields["target_modules"])
        fields["base_model_name_or_path"] = "llama_gqa_tied"
        config_file.write_text(json.dumps(fields, indent=1, sort_keys=True) + "\n")
        write_expected(folder, model)


def gguf_case(name, config, architecture, kinds, seed, permute, metadata=None, rope_freqs=None):
    """kinds: the type of all matrices, or a list that they take in turn (then their values are random blocks)."""
    model = build(config, seed)
    tensors, state, turn = {}, model.state_dict(), 0
    for key, value in state.items():
        if key == "lm_head.weight" and config.tie_word_embeddings:
            continue
        values = value.numpy()
        mixed = isinstance(kinds, list) and values.ndim == 2
        kind = kinds[turn % len(kinds)] if mixed else kinds if values.ndim == 2 else "F32"
        turn += mixed
        rows, exact = random_blocks(values.shape, kind, np.random.default_rng(seed + turn)) if mixed else pack(values, kind)
        with torch.no_grad():
            value.copy_(torch.from_numpy(np.ascontiguousarray(exact)))
        if permute and ("q_proj" in key or "k_proj" in key):
            heads = config.num_attention_heads if "q_proj" in key else config.num_key_value_heads
            rows = interleave(rows, heads) if mixed else pack(interleave(values, heads), kind)[0]
        tensors[gguf_name(key)] = (kind, values.shape, rows.tobytes() if mixed else rows)
    if rope_freqs is not None:
        tensors["rope_freqs.weight"] = ("F32", rope_freqs.shape, rope_freqs.astype(np.float32).tobytes())
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    base = {"general.architecture": architecture, f"{architecture}.block_count": config.num_hidden_layers,
            f"{architecture}.context_length": config.max_position_embeddings, f"{architecture}.embedding_length": config.hidden_size,
            f"{architecture}.feed_forward_length": config.intermediate_size, f"{architecture}.attention.head_count": config.num_attention_heads,
            f"{architecture}.attention.head_count_kv": config.num_key_value_heads, f"{architecture}.attention.layer_norm_rms_epsilon": config.rms_norm_eps,
            f"{architecture}.attention.key_length": head_dim, f"{architecture}.attention.value_length": head_dim,
            f"{architecture}.rope.freq_base": float(config.rope_parameters["rope_theta"]),
            "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2}
    folder = fresh(name)
    write_gguf(folder / "model.gguf", {**base, **(metadata or {})}, tensors)
    write_expected(folder, model)


def make_gguf():
    tied = dict(SHAPE, tie_word_embeddings=True)
    gguf_case("gguf_llama_f32", transformers.LlamaConfig(**SHAPE), "llama", "F32", 51, True)
    gguf_case("gguf_llama_f16", transformers.LlamaConfig(**tied), "llama", "F16", 52, True)
    gguf_case("gguf_llama_q8_0", transformers.LlamaConfig(**tied), "llama", "Q8_0", 53, True)
    llama3 = dict(rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)
    config = transformers.LlamaConfig(**tied, rope_parameters=llama3)
    plain = 1 / 10000.0 ** (np.arange(0, 8, 2) / 8)
    scaled = transformers.modeling_rope_utils.ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")[0].numpy()
    gguf_case("gguf_llama_rope_freqs", config, "llama", "F16", 54, True, rope_freqs=plain / scaled)
    linear = dict(rope_type="linear", rope_theta=10000.0, factor=4.0)
    gguf_case("gguf_llama_rope_linear", transformers.LlamaConfig(**tied, rope_parameters=linear), "llama", "F16", 55, True,
              {"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 4.0})
    gguf_case("gguf_qwen2_q8_0", transformers.Qwen2Config(**tied), "qwen2", "Q8_0", 56, False)
    blocks = dict(SHAPE, tie_word_embeddings=True, hidden_size=256, intermediate_size=256, num_attention_heads=8, num_key_value_heads=2, head_dim=32)
    gguf_case("gguf_llama_blocks", transformers.LlamaConfig(**blocks), "llama", list(BLOCK_HALVES), 58, True)
    gguf_case("gguf_qwen3_f16", transformers.Qwen3Config(**tied, head_dim=16), "qwen3", "F16", 57, False)


def main():
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    shutil.rmtree(CASES, ignore_errors=True)
    make_llama()
    make_others()
    make_variants()
    make_experts()
    make_families()
    make_gguf()
    make_adapters()
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    (HERE / "MADE_WITH.txt").write_text(versions + "\n")
    print(f"{len(list(CASES.iterdir()))} cases in {CASES}, with {versions}")


if __name__ == "__main__":
    main()
