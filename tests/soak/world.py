"""What is served in a soak: four models of different kinds with ten adapters, on a hub to be loaded and on one that answers one request at a time."""
import json
import pathlib
import shutil
import struct
import sys

import numpy

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "e2e"), str(HERE.parents[1] / "bench")]
import harness  # noqa: E402
import random_gguf  # noqa: E402
import random_model  # noqa: E402
from safetensors.numpy import save_file  # noqa: E402

CODER, TALKER, QUANTISED, SMALL = "lyceum/stdlib-coder-3m", "admin/talker", "admin/coder-q8", "admin/small"
MODELS = [CODER, TALKER, QUANTISED, SMALL]
ADAPTERS = 4        # of the coder; each with the versions v1 and v2, of which an engine holds one unless both are in use
CONTEXT = {CODER: 1024, TALKER: 8192, QUANTISED: 1024, SMALL: 8192}


def adapter_names():
    return [f"admin/lora-{i}@{version}" for i in range(ADAPTERS) for version in ("v1", "v2")] + ["admin/lora-q8@v1", "admin/lora-q8@v2"]


def read_bf16(path):
    """name -> float32 array, of a safetensors file in BF16."""
    raw = path.read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    out = {}
    for name, entry in json.loads(raw[8:8 + size]).items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            bits = numpy.frombuffer(raw[8 + size + begin:8 + size + end], numpy.uint16).astype(numpy.uint32) << 16
            out[name] = bits.view(numpy.float32).reshape(entry["shape"])
    return out


def q8_0(matrix):
    blocks = matrix.reshape(-1, 32)
    scales = (numpy.abs(blocks).max(1, keepdims=True) / 127).astype(numpy.float16)
    values = numpy.round(blocks / numpy.maximum(scales.astype(numpy.float32), 1e-12)).clip(-127, 127).astype(numpy.int8)
    return numpy.concatenate([scales.view(numpy.uint8), values.view(numpy.uint8)], 1).tobytes()


def gguf_order(matrix, heads):
    """Rows of q and k as GGUF's llama keeps them: pairs that rotate together are neighbours."""
    rows, columns = matrix.shape
    return matrix.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def write_quantised(source, folder):
    """The starter model as Q8_0 in a GGUF file, its tokenizer beside it."""
    folder.mkdir(parents=True)
    config, weights = json.loads((source / "config.json").read_text()), read_bf16(source / "model.safetensors")
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        shutil.copy(source / name, folder / name)
    fields = {"general.architecture": "llama", "general.name": "coder", "llama.block_count": config["num_hidden_layers"], "llama.context_length": config["max_position_embeddings"],
              "llama.embedding_length": config["hidden_size"], "llama.feed_forward_length": config["intermediate_size"], "llama.attention.head_count": config["num_attention_heads"],
              "llama.attention.head_count_kv": config["num_key_value_heads"], "llama.attention.layer_norm_rms_epsilon": config["rms_norm_eps"], "llama.rope.freq_base": config["rope_theta"],
              "llama.rope.dimension_count": config["head_dim"], "llama.vocab_size": config["vocab_size"], "tokenizer.ggml.model": "none"}
    names = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
             "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    tensors = [("token_embd.weight", weights["model.embed_tokens.weight"]), ("output_norm.weight", weights["model.norm.weight"])]
    for i in range(config["num_hidden_layers"]):
        for theirs, ours in names.items():
            matrix = weights[f"model.layers.{i}.{theirs}.weight"]
            tensors.append((f"blk.{i}.{ours}.weight", gguf_order(matrix, heads[ours]) if ours in heads else matrix))
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(fields)) + b"".join(random_gguf.field(key, value) for key, value in fields.items())
    body = b""
    for name, array in tensors:
        head += random_gguf.text(name) + struct.pack(f"<I{array.ndim}QIQ", array.ndim, *array.shape[::-1], 8 if array.ndim == 2 else 0, len(body))
        data = q8_0(array) if array.ndim == 2 else array.astype(numpy.float32).tobytes()
        body += data.ljust(-(-len(data) // 32) * 32, b"\0")
    (folder / "coder-q8_0.gguf").write_bytes(head.ljust(-(-len(head) // 32) * 32, b"\0") + body)
    return folder


def write_adapter(source, folder, base, seed):
    """A LoRA adapter of random weights that are large enough to change most answers."""
    folder.mkdir(parents=True, exist_ok=True)
    random, rank = numpy.random.default_rng(seed), 2 + seed % 7
    targets = ["q_proj", "v_proj", "down_proj"] if seed % 2 else ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    tensors = {}
    for name, matrix in read_bf16(source / "model.safetensors").items():
        module = name.removesuffix(".weight")
        if module.rsplit(".", 1)[-1] in targets:
            rows, columns = matrix.shape
            tensors[f"base_model.model.{module}.lora_A.weight"] = (random.standard_normal((rank, columns)) * columns ** -0.5).astype(numpy.float32)
            tensors[f"base_model.model.{module}.lora_B.weight"] = (random.standard_normal((rows, rank)) * 0.1).astype(numpy.float32)
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "base_model_name_or_path": base, "r": rank, "lora_alpha": 2 * rank, "target_modules": targets,
                                                            "task_type": "CAUSAL_LM", "bias": "none"}))
    return folder


def make_files(folder):
    starter = harness.ROOT / "starter/model"
    random_model.make(folder / "talker", "qwen2_5", seed=5)
    random_model.make(folder / "small", "llama2", hidden=32, middle=64, layers=3, seed=6)
    write_quantised(starter, folder / "coder-q8")
    for i in range(ADAPTERS):
        for version in (1, 2):
            write_adapter(starter, folder / f"lora-{i}-v{version}", CODER, 10 * i + version)
    for version in (1, 2):
        write_adapter(starter, folder / f"lora-q8-v{version}", QUANTISED, 90 + version)


def publish(server, folder):
    from huggingface_hub import HfApi
    api = HfApi(endpoint=server.url, token=server.token)
    for name in ("talker", "small", "coder-q8"):
        api.create_repo(f"admin/{name}")
        api.upload_folder(repo_id=f"admin/{name}", folder_path=folder / name)
    for name in [f"lora-{i}" for i in range(ADAPTERS)] + ["lora-q8"]:
        api.create_repo(f"admin/{name}")
        for version in ("v1", "v2"):
            api.upload_folder(repo_id=f"admin/{name}", folder_path=folder / f"{name}-{version}")
            api.create_tag(f"admin/{name}", tag=version)
    answer = harness.ask(server.url, "POST", "/api/lyceum/deployments", {"model": CODER, "adapters": []}, server.token)
    assert answer.status == 200, answer.body


def start(folder, name, *settings):
    server = harness.Server(folder / name, starter=harness.ROOT / "starter", extra=["--rate-limit-api", "0", *settings], log=folder / (name + ".log"))
    server.start()
    publish(server, folder / "files")
    return server
