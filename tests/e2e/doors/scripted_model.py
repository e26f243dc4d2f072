"""A model whose weights are wired by hand to follow a script, so that programs that need a model with sense can be driven by one without.

Offered tools and shown no result yet, it says one of the given tool calls; otherwise it says its last words. Nothing of the server knows of it: a prompt
is rendered, encoded, attended to and sampled as always. Each piece of a sentence is a token of its own that the next piece follows, all calls are
equally likely to begin, and the constraint that holds tool calls to the offered functions' schemas picks the one that fits. How: the
embedding marks the tokens <tool_call> (the template writes it where it explains tools) and <tool_response>; two attention heads look for them at any
distance (their queries and keys lie in the slowest pair of RoPE, which hardly turns); the output weighs what they found.
"""
import json
import pathlib
import shutil
import sys

import numpy
from safetensors.numpy import save_file

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "text"))
import npm_packages  # noqa: E402

HIDDEN, HEAD_DIM, CONTEXT = 128, 16, 131072
PIECE = 32   # bytes; a constraint does not look at longer tokens
CONSTANT, ENDS, CALL, RESULT, SAW_CALL, SAW_RESULT, FREE = range(7)   # dimensions of the residual stream; from FREE on, "the next piece is …"
ONE = HIDDEN ** 0.5


def call(name, **arguments):
    return f"<tool_call>\n{{\"name\": \"{name}\", \"arguments\": {json.dumps(arguments, separators=(',', ':'))}}}\n</tool_call>"


def write_tokenizer(folder, sentences):
    """Qwen3's, with a token for each piece of each sentence. Returns all ids and those of the sentences' pieces."""
    source = npm_packages.models_folder("qwen3")
    shutil.copy(source / "tokenizer_config.json", folder / "tokenizer_config.json")
    file = json.loads((source / "tokenizer.json").read_text())
    ids = {**file["model"]["vocab"], **{token["content"]: token["id"] for token in file["added_tokens"]}}
    first = max(ids.values()) + 1
    pieces, said, around = {}, [], {}   # text -> id; what stands before and after each text
    for sentence in sentences:
        line, at = [], 0
        while at < len(sentence):
            def fits(size):   # no token of Qwen's; if one of ours, then it begins or ends its sentence in the same way
                text, before, rest = sentence[at:at + size], sentence[:at], sentence[at + size:]
                known = around.get(text, (before, rest))
                return text not in ids and (known[0] == before or known[1] == rest) and (not rest or len(rest) > PIECE // 4)
            size = next(size for size in range(min(PIECE, len(sentence) - at), 0, -1) if fits(size))
            piece = sentence[at:at + size]
            around.setdefault(piece, (sentence[:at], sentence[at + size:]))
            line.append(pieces.setdefault(piece, first + len(pieces)))
            at += size
        said.append(line)
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    file["added_tokens"] += [{"id": number, "content": piece, **flags} for piece, number in pieces.items()]
    (folder / "tokenizer.json").write_text(json.dumps(file))
    return ids, said


def write_weights(folder, ids, calls, last):
    vocab = max(last) + 1
    embed = numpy.zeros((vocab, HIDDEN), numpy.float32)
    head = numpy.zeros((vocab, HIDDEN), numpy.float32)
    embed[:, CONSTANT] = ONE
    embed[ids["<tool_call>"], CALL] = ONE
    embed[ids["<tool_response>"], RESULT] = ONE
    head[ids["<|im_end|>"], ENDS] = 120
    head[last[0], CONSTANT] = 8
    free = FREE
    for sentence in [*calls, last]:
        embed[sentence[-1], ENDS] = ONE
        for piece, following in zip(sentence, sentence[1:]):
            if not embed[piece, FREE:].any():
                embed[piece, free] = ONE
                free += 1
            head[following, FREE + numpy.argmax(embed[piece, FREE:])] = 120
    for sentence in calls:
        head[sentence[0], [SAW_CALL, SAW_RESULT]] = 60, -180
    query, key, value, out = (numpy.zeros((HIDDEN, HIDDEN), numpy.float32) for _ in range(4))
    for number, (seen, found) in enumerate(((CALL, SAW_CALL), (RESULT, SAW_RESULT))):
        slowest = number * HEAD_DIM + HEAD_DIM // 2 - 1   # with the dimension half a head after it, the last pair
        query[slowest, CONSTANT] = key[slowest, seen] = 6
        value[number * HEAD_DIM, seen] = 1
        out[found, number * HEAD_DIM] = 1
    layer = "model.layers.0."
    zero = numpy.zeros((HIDDEN, HIDDEN), numpy.float32)
    weights = {"model.embed_tokens.weight": embed, "lm_head.weight": head, "model.norm.weight": numpy.ones(HIDDEN, numpy.float32),
               **{layer + f"self_attn.{name}_proj.weight": matrix for name, matrix in (("q", query), ("k", key), ("v", value), ("o", out))},
               **{layer + f"mlp.{name}_proj.weight": zero.copy() for name in ("gate", "up", "down")},
               **{layer + f"{name}_layernorm.weight": numpy.ones(HIDDEN, numpy.float32) for name in ("input", "post_attention")}}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return vocab


def make(folder, calls, last_words):
    """Writes the model; calls: texts from call()."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    ids, said = write_tokenizer(folder, [*calls, last_words])
    vocab = write_weights(folder, ids, said[:-1], said[-1])
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": HIDDEN, "num_hidden_layers": 1, "num_attention_heads": HIDDEN // HEAD_DIM,
              "num_key_value_heads": HIDDEN // HEAD_DIM, "head_dim": HEAD_DIM, "vocab_size": vocab, "max_position_embeddings": CONTEXT, "rms_norm_eps": 1e-6, "rope_theta": 1e9, "hidden_act": "silu",
              "tie_word_embeddings": False, "torch_dtype": "float32", "eos_token_id": [ids["<|im_end|>"], ids["<|endoftext|>"]]}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "generation_config.json").write_text(json.dumps({"do_sample": False}))
    return folder
