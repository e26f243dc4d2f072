"""`datasets` loading and pushing, streaming or not."""
import json

import datasets
from datasets import Dataset, DatasetDict, load_dataset
from huggingface_hub import HfApi

from matrix import GUEST, TOKEN, URL, equal, folder, holds, new_name, operation, raises, run

ROWS = [{"text": f"row {i}", "label": i % 2} for i in range(30)]
api = HfApi(endpoint=URL, token=TOKEN)


def make(**more):
    name = new_name()
    api.create_repo(name, repo_type="dataset", **more)
    return name


def put(name, path, data):
    api.upload_file(path_or_fileobj=data, path_in_repo=path, repo_id=name, repo_type="dataset")


def lines(rows):
    return "".join(json.dumps(r) + "\n" for r in rows).encode()


@operation("load_dataset: JSON lines, CSV, text")
def _():
    name = make()
    put(name, "train.jsonl", lines(ROWS))
    equal(load_dataset(name, split="train", cache_dir=folder()).to_list(), ROWS)
    other = make()
    put(other, "data/test.csv", b"text,label\na,1\nb,2\n")
    equal(load_dataset(other, split="test", cache_dir=folder()).to_list(), [{"text": "a", "label": 1}, {"text": "b", "label": 2}])
    third = make()
    put(third, "train.txt", b"one\ntwo\n")
    equal(load_dataset(third, split="train", cache_dir=folder())["text"][:], ["one", "two"])


@operation("push_to_hub, then load from Parquet")
def _():
    name = new_name()
    Dataset.from_list(ROWS).push_to_hub(name, token=TOKEN)
    equal(load_dataset(name, split="train", cache_dir=folder()).to_list(), ROWS)
    holds("data/train-00000-of-00001.parquet" in api.list_repo_files(name, repo_type="dataset"), "the Parquet file")


@operation("push_to_hub again, other splits and configurations")
def _():
    name = new_name()
    DatasetDict(train=Dataset.from_list(ROWS[:20]), test=Dataset.from_list(ROWS[20:])).push_to_hub(name, token=TOKEN)
    Dataset.from_list(ROWS[:5]).push_to_hub(name, config_name="tiny", split="train", token=TOKEN)
    Dataset.from_list(ROWS[:7]).push_to_hub(name, token=TOKEN)
    equal(sorted(datasets.get_dataset_config_names(name)), ["default", "tiny"])
    equal([load_dataset(name, "tiny", split="train", cache_dir=folder()).num_rows, load_dataset(name, split="train", cache_dir=folder()).num_rows], [5, 7])


@operation("load_dataset streaming, with skips")
def _():
    name = new_name()
    Dataset.from_list(ROWS).push_to_hub(name, token=TOKEN, num_shards=3)
    stream = load_dataset(name, split="train", streaming=True)
    equal(list(stream), ROWS)
    equal(next(iter(stream.skip(10))), ROWS[10])
    other = make()
    put(other, "train.jsonl", lines(ROWS))
    equal(list(load_dataset(other, split="train", streaming=True).take(3)), ROWS[:3])


@operation("load_dataset at a revision, by data_files, from a private repository")
def _():
    name = make(private=True)
    put(name, "a.jsonl", lines(ROWS[:3]))
    first = api.dataset_info(name).sha
    put(name, "a.jsonl", lines(ROWS[:4]))
    equal(load_dataset(name, data_files="a.jsonl", split="train", revision=first, cache_dir=folder(), token=TOKEN).num_rows, 3)
    equal(load_dataset(name, data_files={"x": "*.jsonl"}, split="x", cache_dir=folder(), token=TOKEN).num_rows, 4)
    equal(load_dataset("json", data_files=f"hf://datasets/{name}/a.jsonl", split="train", cache_dir=folder()).num_rows, 4)
    raises("DatasetNotFoundError", lambda: load_dataset(name, cache_dir=folder(), token=GUEST))
    raises("DatasetNotFoundError", lambda: load_dataset("admin/absent", cache_dir=folder()))


@operation("load_dataset of a gated repository")
def _():
    name = make()
    put(name, "train.jsonl", lines(ROWS))
    api.update_repo_settings(name, gated="manual", repo_type="dataset")
    error = raises("DatasetNotFoundError", lambda: load_dataset(name, cache_dir=folder(), token=GUEST))
    holds("gated" in str(error), error)
    api.grant_access(name, "guest", repo_type="dataset")
    equal(load_dataset(name, split="train", cache_dir=folder(), token=GUEST).num_rows, len(ROWS))


@operation("load_dataset_builder and the card's configurations")
def _():
    name = make()
    put(name, "one/train.jsonl", lines(ROWS[:2]))
    put(name, "two/train.jsonl", lines(ROWS[:3]))
    card = "---\nconfigs:\n- config_name: one\n  data_files: one/*.jsonl\n- config_name: two\n  data_files:\n  - split: train\n    path: two/*.jsonl\n---\n# Data\n"
    put(name, "README.md", card.encode())
    equal(datasets.get_dataset_config_names(name), ["one", "two"])
    equal(datasets.get_dataset_split_names(name, "two"), ["train"])
    equal(load_dataset(name, "two", split="train", cache_dir=folder()).num_rows, 3)


@operation("an image folder of binary files")
def _():
    name = make()
    source = folder()
    for i in range(3):
        (source / f"{i}.bin").write_bytes(bytes([i]) * 1000)
    (source / "metadata.jsonl").write_bytes(lines([{"file_name": f"{i}.bin", "n": i} for i in range(3)]))
    api.upload_folder(repo_id=name, folder_path=source, repo_type="dataset")
    equal(load_dataset(name, data_files="metadata.jsonl", split="train", cache_dir=folder())["n"][:], [0, 1, 2])


@operation("Dataset.to_parquet and to_json to hf:// addresses")
def _():
    name = make()
    data = Dataset.from_list(ROWS)
    data.to_parquet(f"hf://datasets/{name}/out.parquet")
    data.to_json(f"hf://datasets/{name}/out.jsonl")
    import pandas
    equal(pandas.read_parquet(f"hf://datasets/{name}/out.parquet").to_dict("records"), ROWS)
    equal(load_dataset(name, data_files="out.jsonl", split="train", cache_dir=folder()).to_list(), ROWS)


run()
