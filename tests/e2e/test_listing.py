"""Listing, search, import and download counts with the real clients. One behaviour per test."""
import json
import struct

import pytest

import harness


def safetensors(count):
    header = json.dumps({"w": {"dtype": "F32", "shape": [count], "data_offsets": [0, 4 * count]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(4 * count)


def row(number, **more):
    return {"id": f"catalogue-lab/entry-{number:03}", "createdAt": "2024-01-01T00:00:00.000Z", "lastModified": f"2024-02-{number % 28 + 1:02}T00:00:00.000Z", "downloads": number * 10, "likes": number % 7,
            "trendingScore": number % 5, "tags": ["license:mit", "en", "even" if number % 2 == 0 else "odd"], "pipeline_tag": "text-generation", "library_name": "transformers",
            "safetensors": {"parameters": {"BF16": number * 10**9}, "total": number * 10**9}, **more}


@pytest.fixture(scope="module")
def catalogue(hub, tmp_path_factory):
    """120 imported models and 5 datasets."""
    folder = tmp_path_factory.mktemp("catalogue")
    models, datasets = folder / "models.jsonl", folder / "datasets.jsonl"
    models.write_text("".join(json.dumps(row(n)) + "\n" for n in range(1, 121)) + '{"id": "no-owner"}\n')
    datasets.write_text("".join(json.dumps({"id": f"catalogue-lab/data-{n}", "tags": ["language:fr", "size_categories:1K<n<10K"], "downloads": n}) + "\n" for n in range(5)))
    env = hub.environment(folder)
    report = json.loads(harness.lyceum("catalogue", "import", models, "--json", env=env).stdout)
    assert (report["added"], report["refused"]) == (120, 1)
    assert report["reasons"][0]["line"] == 121
    assert json.loads(harness.lyceum("catalogue", "import", datasets, "--type", "datasets", "--json", env=env).stdout)["added"] == 5
    return "catalogue-lab"


def names(models):
    return [m.id.rsplit("-", 1)[-1] for m in models]


def test_every_page_is_followed(api, catalogue):
    assert len({m.id for m in api.list_models(author=catalogue)}) == 120
    assert len(list(api.list_models(author=catalogue, limit=105))) == 105


@pytest.mark.parametrize("sort, key", [("downloads", lambda m: m.downloads), ("likes", lambda m: m.likes), ("last_modified", lambda m: m.last_modified), ("trending_score", lambda m: m.trending_score),
                                       ("created_at", lambda m: m.created_at)])
def test_sorts_are_descending(api, catalogue, sort, key):
    values = [key(m) for m in api.list_models(author=catalogue, sort=sort)]
    assert len(values) == 120 and values == sorted(values, reverse=True)


def test_filters_are_all_required(api, catalogue):
    found = list(api.list_models(author=catalogue, filter=["license:mit", "even"], pipeline_tag="text-generation", search="entry-01"))
    assert sorted(names(found)) == ["010", "012", "014", "016", "018"]
    assert list(api.list_models(author=catalogue, filter="license:gpl")) == []


def test_range_of_parameters(api, catalogue):
    assert sorted(names(api.list_models(author=catalogue, num_parameters="min:6B,max:8B"))) == ["006", "007", "008"]
    assert len(list(api.list_models(author=catalogue, num_parameters="min:118B"))) == 3


def test_malformed_range_is_refused(http):
    assert http("GET", "/api/models?num_parameters=big").status == 400


def test_expand_gives_those_fields_and_ignores_unknown_ones(http, catalogue):
    answer = http("GET", f"/api/models?author={catalogue}&limit=1&expand=downloadsAllTime&expand[]=safetensors&expand=neverHeardOf").json()[0]
    assert set(answer) == {"_id", "id", "modelId", "downloadsAllTime", "safetensors"}
    assert set(answer["safetensors"]) == {"parameters", "total"}


def test_model_info_of_an_entry_with_every_expand_key(api, catalogue):
    from typing import get_args

    from huggingface_hub import hf_api
    info = api.model_info(f"{catalogue}/entry-007", expand=list(get_args(hf_api.ExpandModelProperty_T)))
    assert info.safetensors.total == 7 * 10**9 and info.children_model_count == 0
    assert api.model_info(f"{catalogue}/entry-007").downloads == 70


def test_datasets_by_language_and_size(api, catalogue):
    assert len(list(api.list_datasets(author=catalogue, language="fr", size_categories="1K<n<10K"))) == 5
    assert list(api.list_datasets(author=catalogue, language="de")) == []
    assert len(list(api.list_datasets(author=catalogue, dataset_name="data-3"))) == 1


def test_tags_by_type(api, catalogue):
    tags = api.get_model_tags()
    assert {"id": "license:mit", "label": "mit", "type": "license"} in tags["license"]
    assert any(tag["id"] == "text-generation" for tag in tags["pipeline_tag"])
    assert any(tag["id"] == "language:fr" for tag in api.get_dataset_tags()["language"])


def test_an_entry_has_no_files(api, catalogue):
    from huggingface_hub.errors import RevisionNotFoundError
    with pytest.raises(RevisionNotFoundError):
        api.hf_hub_download(f"{catalogue}/entry-001", "config.json")


def test_entries_do_not_replace_repositories(env, repo, tmp_path):
    file = tmp_path / "one.jsonl"
    file.write_text(json.dumps({"id": repo, "downloads": 10**9}))
    report = json.loads(harness.lyceum("catalogue", "import", file, "--json", env=env).stdout)
    assert report["refused"] == 1 and "is a repository" in report["reasons"][0]["reason"]


def test_import_is_for_administrators(http, guest):
    assert http("POST", "/api/lyceum/catalogue/models", b'{"id":"a/b"}', token=guest[1]).status == 403


def test_search_forgives_typing_errors(http, catalogue):
    answer = http("GET", "/api/lyceum/search?q=catalgoue+entry-042&facets=1").json()
    assert answer["items"][0]["id"] == "catalogue-lab/entry-042"
    assert answer["total"] == 1
    assert {"name": "license", "values": [{"value": "license:mit", "count": 1}]} in answer["facets"]


def test_quicksearch_while_typing(http, catalogue):
    answer = http("GET", "/api/quicksearch?q=catalogue-lab/da&limit=3").json()
    assert len(answer["datasets"]) == 3 and answer["datasets"][0]["id"].startswith("catalogue-lab/data")


def test_private_repositories_are_in_no_answer(api, http, new_name):
    name = new_name()
    api.create_repo(name, private=True)
    api.upload_file(path_or_fileobj=b"---\ntags: [hidden-tag]\n---\n", path_in_repo="README.md", repo_id=name)
    for path in (f"/api/models?search={name}", f"/api/lyceum/search?q={name}", f"/api/quicksearch?q={name}", "/api/models-tags-by-type", "/api/trending"):
        answer = http("GET", path, token=None)
        assert answer.status == 200 and name.encode() not in answer.body and b"hidden-tag" not in answer.body, path
    assert [m.id for m in api.list_models(filter="hidden-tag")] == [name]


def test_weights_are_counted_when_they_land(api, repo):
    api.upload_file(path_or_fileobj=safetensors(1500), path_in_repo="model.safetensors", repo_id=repo)
    api.upload_file(path_or_fileobj=b'{"model_type": "llama"}', path_in_repo="config.json", repo_id=repo)
    assert api.model_info(repo, expand=["safetensors"]).safetensors.total == 1500
    harness.wait_for(lambda: repo in [m.id for m in api.list_models(num_parameters="min:1K,max:2K")], what="size in the index")


def test_children_come_from_the_adapters_files(api, repo, new_name):
    child = new_name()
    api.create_repo(child)
    api.upload_file(path_or_fileobj=json.dumps({"base_model_name_or_path": repo}).encode(), path_in_repo="adapter_config.json", repo_id=child)
    harness.wait_for(lambda: api.model_info(repo, expand=["childrenModelCount"]).children_model_count == 1, what="child in the index")
    assert [m.id for m in api.list_models(filter=f"base_model:adapter:{repo}")] == [child]
    assert api.model_info(child, expand=["baseModels"]).base_models == [repo]


def test_downloads_follow_the_rule(api, http, repo):
    for path in ("config.json", "notes.txt"):
        api.upload_file(path_or_fileobj=b"{}", path_in_repo=path, repo_id=repo)
    before = api.model_info(repo).downloads
    http("GET", f"/{repo}/resolve/main/config.json")
    http("HEAD", f"/{repo}/resolve/main/config.json")
    http("GET", f"/{repo}/resolve/main/notes.txt")
    assert api.model_info(repo).downloads == before + 2


def test_js_lists_pages_and_sorts(hub, catalogue, tmp_path):
    script = harness.ROOT / "tests/e2e/js_listing.mjs"
    seen = json.loads(harness.run(["node", script, hub.url, hub.token, catalogue]).stdout)
    assert seen["count"] == 120 and seen["task"] == 120
    assert seen["largest"] == "catalogue-lab/entry-120"
    assert seen["downloads"] == sorted(seen["downloads"], reverse=True)
    assert seen["tagged"] == 60
