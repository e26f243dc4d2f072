"""transformers and datasets loading what this hub serves."""
import json

import pytest


@pytest.fixture
def dataset(api, new_name):
    name = new_name()
    api.create_repo(name, repo_type="dataset")
    return name


ROWS = [{"text": f"row {i}", "label": i % 2} for i in range(20)]


def test_tokenizer_from_pretrained(api, repo):
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import AutoTokenizer, PreTrainedTokenizerFast
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
    tokenizer.train_from_iterator(["hello world, hello hub"] * 10, trainers.BpeTrainer(vocab_size=300, special_tokens=["<unk>"]))
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")
    fast.push_to_hub(repo)
    loaded = AutoTokenizer.from_pretrained(repo)
    assert loaded("hello world").input_ids == fast("hello world").input_ids


def test_model_from_pretrained_with_push_to_hub(api, repo):
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM
    torch.set_num_threads(1)
    config = LlamaConfig(vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2)
    model = LlamaForCausalLM(config)
    model.push_to_hub(repo)
    loaded = AutoModelForCausalLM.from_pretrained(repo)
    ids = torch.arange(8).unsqueeze(0)
    assert torch.equal(model(ids).logits, loaded(ids).logits)
    assert api.model_info(repo).config["model_type"] == "llama"


def test_load_dataset_from_jsonl(api, dataset):
    from datasets import load_dataset
    api.upload_file(path_or_fileobj="".join(json.dumps(r) + "\n" for r in ROWS).encode(), path_in_repo="train.jsonl", repo_id=dataset, repo_type="dataset")
    assert load_dataset(dataset, split="train").to_list() == ROWS


def test_push_to_hub_and_load_dataset_from_parquet(dataset):
    from datasets import Dataset, load_dataset
    Dataset.from_list(ROWS).push_to_hub(dataset)
    assert load_dataset(dataset, split="train").to_list() == ROWS


def test_load_dataset_streaming(dataset):
    from datasets import Dataset, load_dataset
    Dataset.from_list(ROWS).push_to_hub(dataset)
    assert next(iter(load_dataset(dataset, split="train", streaming=True))) == ROWS[0]


def test_hf_file_system_lists_and_reads(api, dataset, hub):
    from huggingface_hub import HfFileSystem
    api.upload_file(path_or_fileobj=b"abcdef", path_in_repo="dir/a.bin", repo_id=dataset, repo_type="dataset")
    files = HfFileSystem(endpoint=hub.url, token=hub.token)
    assert files.ls(f"datasets/{dataset}/dir", detail=False) == [f"datasets/{dataset}/dir/a.bin"]
    with files.open(f"datasets/{dataset}/dir/a.bin", "rb") as stream:
        stream.seek(2)
        assert stream.read(2) == b"cd"
