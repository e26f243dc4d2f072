"""`transformers`: configurations, tokenizers and, where torch is installed, models. It probes many files that are not there."""
import importlib.util
import json

from huggingface_hub import HfApi
from transformers import AutoConfig, AutoTokenizer, GenerationConfig, LlamaConfig, PreTrainedTokenizerFast

from matrix import GUEST, TOKEN, URL, NotAvailable, equal, folder, holds, new_name, operation, raises, run

api = HfApi(endpoint=URL, token=TOKEN)
SMALL = dict(vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2)


def tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    made = Tokenizer(models.BPE(unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.ByteLevel()
    made.train_from_iterator(["hello world, hello hub"] * 10, trainers.BpeTrainer(vocab_size=300, special_tokens=["<unk>"]))
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>")


def need_torch():
    if not importlib.util.find_spec("torch"):
        raise NotAvailable("torch is not installed in this environment")


@operation("config: push_to_hub and from_pretrained, at a revision")
def _():
    name = new_name()
    LlamaConfig(**SMALL).push_to_hub(name)
    first = api.model_info(name).sha
    LlamaConfig(**{**SMALL, "hidden_size": 48, "num_attention_heads": 6}).push_to_hub(name)
    equal([AutoConfig.from_pretrained(name, cache_dir=folder()).hidden_size, AutoConfig.from_pretrained(name, revision=first, cache_dir=folder()).hidden_size], [48, 32])
    equal(api.model_info(name).config["model_type"], "llama")


@operation("tokenizer: push_to_hub and from_pretrained, subfolder, private")
def _():
    name = new_name()
    fast = tokenizer()
    fast.push_to_hub(name, private=True)
    loaded = AutoTokenizer.from_pretrained(name, cache_dir=folder())
    equal(loaded("hello world").input_ids, fast("hello world").input_ids)
    source = folder()
    fast.save_pretrained(source / "inner")
    api.upload_folder(repo_id=name, folder_path=source)
    equal(AutoTokenizer.from_pretrained(name, subfolder="inner", cache_dir=folder())("hub").input_ids, fast("hub").input_ids)
    raises("OSError", lambda: AutoTokenizer.from_pretrained(name, token=GUEST, cache_dir=folder()))


@operation("tokenizers: Tokenizer.from_pretrained")
def _():
    from tokenizers import Tokenizer
    name = new_name()
    fast = tokenizer()
    fast.push_to_hub(name)
    equal(Tokenizer.from_pretrained(name).encode("hello").ids, fast("hello").input_ids)


@operation("missing, private and gated repositories: what transformers says")
def _():
    name = new_name()
    LlamaConfig(**SMALL).push_to_hub(name)
    raises("OSError", lambda: AutoConfig.from_pretrained("admin/absent", cache_dir=folder()), "is not a local folder and is not a valid model identifier")
    raises("OSError", lambda: AutoConfig.from_pretrained(name, revision="absent", cache_dir=folder()), "is not a valid git identifier")
    empty = new_name()
    api.create_repo(empty)
    raises(("OSError", "ValueError"), lambda: AutoConfig.from_pretrained(empty, cache_dir=folder()), "config.json")
    api.update_repo_settings(name, gated="manual")
    raises("OSError", lambda: AutoConfig.from_pretrained(name, token=GUEST, cache_dir=folder()), "gated")


@operation("generation config, chat template")
def _():
    name = new_name()
    GenerationConfig(max_new_tokens=7).push_to_hub(name)
    equal(GenerationConfig.from_pretrained(name, cache_dir=folder()).max_new_tokens, 7)
    fast = tokenizer()
    fast.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    fast.push_to_hub(name)
    loaded = AutoTokenizer.from_pretrained(name, cache_dir=folder())
    equal(loaded.apply_chat_template([{"role": "user", "content": "hi"}], tokenize=False), "hi")


@operation("model: push_to_hub, from_pretrained, shards")
def _():
    need_torch()
    import torch
    from transformers import AutoModelForCausalLM, LlamaForCausalLM
    torch.set_num_threads(1)
    name = new_name()
    model = LlamaForCausalLM(LlamaConfig(**SMALL))
    model.push_to_hub(name, max_shard_size="40KB")
    files = api.list_repo_files(name)
    holds("model.safetensors.index.json" in files, files)
    ids = torch.arange(8).unsqueeze(0)
    loaded = AutoModelForCausalLM.from_pretrained(name, cache_dir=folder())
    holds(torch.equal(model(ids).logits, loaded(ids).logits), "logits differ")
    equal(api.get_safetensors_metadata(name).parameter_count, {"F32": sum(p.numel() for p in model.parameters())})


@operation("model: push_to_hub as a pull request, load it by its ref")
def _():
    need_torch()
    import torch
    from transformers import AutoModelForCausalLM, LlamaForCausalLM
    name = new_name()
    model = LlamaForCausalLM(LlamaConfig(**SMALL))
    model.push_to_hub(name, create_pr=True)
    holds("model.safetensors" not in api.list_repo_files(name), "main moved")
    loaded = AutoModelForCausalLM.from_pretrained(name, revision="refs/pr/1", cache_dir=folder())
    holds(all(torch.equal(a, b) for a, b in zip(model.parameters(), loaded.parameters())), "weights differ")


run()
