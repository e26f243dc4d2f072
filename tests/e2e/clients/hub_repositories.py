"""huggingface_hub: identity, the life of repositories, lists, metadata, branches, history."""
import json
import os

import huggingface_hub
from huggingface_hub import CommitOperationAdd, HfApi

from matrix import GUEST, TOKEN, URL, NotAvailable, equal, folder, holds, http, large, need, new_name, operation, raises, sha256, wait_for

api = HfApi(endpoint=URL, token=TOKEN)
guest = HfApi(endpoint=URL, token=GUEST)
anyone = HfApi(endpoint=URL, token=False)
TYPES = ["model", "dataset", "space"]


def make(kind="model", **more):
    name = new_name()
    api.create_repo(name, repo_type=kind, **({"space_sdk": "static"} if kind == "space" else {}), **more)
    return name


def put(name, path, data, kind="model", **more):
    return api.upload_file(path_or_fileobj=data, path_in_repo=path, repo_id=name, repo_type=kind, **more)


def put_large(name, path, data, kind="model"):
    """From a file on disk, which takes the transport under test."""
    file = folder() / "data"
    file.write_bytes(data)
    return put(name, path, str(file), kind)


def card(**values):
    return ("---\n" + "".join(f"{key}: {json.dumps(value)}\n" for key, value in values.items()) + "---\n# Card\n").encode()


def new_token(**body):
    answer = http("POST", "/api/lyceum/tokens", {"name": "matrix", **body})
    equal(answer.status, 200)
    return answer.json()["token"]


# --- identity ----------------------------------------------------------------------------------------------------------------------------
@operation("whoami")
def _():
    me = api.whoami()
    equal((me["name"], me["type"], me["auth"]["type"], me["auth"]["accessToken"]["role"]), ("admin", "user", "access_token", "write"))
    equal(guest.whoami()["name"], "guest")
    holds(isinstance(me["orgs"], list) and "isPro" in me and "canPay" in me and me["id"], me)


@operation("whoami with a wrong token")
def _():
    raises(("HfHubHTTPError", "HTTPError", "LocalTokenNotFoundError"), lambda: HfApi(endpoint=URL, token="hf_" + "x" * 34).whoami(), "Invalid user token")


@operation("login and logout")
def _():
    del os.environ["HF_TOKEN"]
    try:
        huggingface_hub.login(token=TOKEN, add_to_git_credential=False)
        equal((huggingface_hub.get_token(), HfApi(endpoint=URL).whoami()["name"]), (TOKEN, "admin"))
        huggingface_hub.logout()
        equal(huggingface_hub.get_token(), None)
        raises(("ValueError", "HfHubHTTPError", "HTTPError"), lambda: huggingface_hub.login(token="hf_" + "y" * 34))
    finally:
        os.environ["HF_TOKEN"] = TOKEN


@operation("read token may not write")
def _():
    name = make()
    reader = HfApi(endpoint=URL, token=new_token(role="read"))
    equal(reader.model_info(name).id, name)
    raises("HfHubHTTPError", lambda: reader.upload_file(path_or_fileobj=b"x", path_in_repo="a", repo_id=name), "403", status=403)
    raises("HfHubHTTPError", lambda: reader.delete_repo(name), status=403)
    equal(reader.whoami()["auth"]["accessToken"]["role"], "read")


@operation("fine-grained token is held to its repository")
def _():
    mine, other = make(), make()
    target = {"entity": {"type": "model", "name": mine}, "permissions": ["repo.content.read", "repo.write"]}
    scoped = HfApi(endpoint=URL, token=new_token(role="fineGrained", scoped=[target]))
    scoped.upload_file(path_or_fileobj=b"x", path_in_repo="a.txt", repo_id=mine)
    raises("HfHubHTTPError", lambda: scoped.upload_file(path_or_fileobj=b"x", path_in_repo="a.txt", repo_id=other), status=403)
    equal(scoped.whoami()["auth"]["accessToken"]["role"], "fineGrained")


@operation("auth_check")
def _():
    name = make(private=True)
    api.auth_check(name)
    raises("RepositoryNotFoundError", lambda: guest.auth_check(name))
    raises("RepositoryNotFoundError", lambda: anyone.auth_check(name))
    raises("RepositoryNotFoundError", lambda: api.auth_check("admin/absent"))


@operation("auth_check of the right to write")
def _():
    name = make()
    try:
        api.auth_check(name, write=True)
    except TypeError:
        raise NotAvailable("this version's auth_check knows no write") from None
    raises("HfHubHTTPError", lambda: guest.auth_check(name, write=True), status=403)


@operation("user and organisation overview, members, followers")
def _():
    http("POST", "/api/lyceum/organizations", {"name": "lab", "fullname": "The Lab"})
    http("PUT", "/api/lyceum/organizations/lab/members/guest", {"role": "read"})
    http("POST", "/api/users/admin/follow", token=GUEST)
    http("POST", "/api/organizations/lab/follow", token=GUEST)
    user = api.get_user_overview("guest")
    equal(user.username, "guest")
    holds(isinstance(user.num_models, int) and isinstance(user.num_likes, int), user)
    lab = api.get_organization_overview("lab")
    equal((lab.name, lab.fullname, lab.num_users), ("lab", "The Lab", 2))
    equal({m.username for m in api.list_organization_members("lab")}, {"admin", "guest"})
    equal([u.username for u in api.list_user_followers("admin")], ["guest"])
    holds("admin" in [u.username for u in api.list_user_following("guest")], "following")
    holds("lab" in [o["name"] for o in guest.whoami()["orgs"]], "organisations of whoami")
    if hasattr(api, "list_organization_followers"):
        equal([u.username for u in api.list_organization_followers("lab")], ["guest"])
    raises("HfHubHTTPError", lambda: api.get_user_overview("nobody-here"), status=404)


# --- life ---------------------------------------------------------------------------------------------------------------------------------
@operation("create_repo of each type")
def _():
    for kind in TYPES:
        name = new_name()
        url = api.create_repo(name, repo_type=kind, space_sdk="static" if kind == "space" else None)
        equal((str(url), url.repo_id, url.repo_type), (f"{URL}/{'' if kind == 'model' else kind + 's/'}{name}", name, kind))
        info = api.repo_info(name, repo_type=kind)
        holds(len(info.sha) == 40 and ".gitattributes" in [s.rfilename for s in info.siblings], info)


@operation("create_repo twice, exist_ok, for somebody else")
def _():
    name = make()
    raises("HfHubHTTPError", lambda: api.create_repo(name), "409", status=409)
    equal(api.create_repo(name, exist_ok=True).repo_id, name)
    raises("HfHubHTTPError", lambda: guest.create_repo("admin/by-guest"), status=403)
    equal(guest.create_repo(name, exist_ok=True).repo_id, name)
    equal(api.create_repo("bare").repo_id, "admin/bare")
    for bad in ("admin/a--b", "admin/.x", "admin/x.git"):
        raises(("HFValidationError", "BadRequestError", "HfHubHTTPError"), lambda: api.create_repo(bad))


@operation("delete_repo")
def _():
    name = make("dataset")
    raises("HfHubHTTPError", lambda: guest.delete_repo(name, repo_type="dataset"), status=403)
    api.delete_repo(name, repo_type="dataset")
    holds(not api.repo_exists(name, repo_type="dataset"), "it is still there")
    raises("RepositoryNotFoundError", lambda: api.delete_repo(name, repo_type="dataset"))
    api.delete_repo(name, repo_type="dataset", missing_ok=True)


@operation("move_repo keeps the old name as a redirect")
def _():
    name, target = make("dataset"), new_name()
    put(name, "a.txt", b"moved", "dataset")
    api.move_repo(name, target, repo_type="dataset")
    equal(api.dataset_info(target).id, target)
    equal(api.dataset_info(name).id, target)
    equal(open(api.hf_hub_download(name, "a.txt", repo_type="dataset", cache_dir=folder())).read(), "moved")
    put(name, "b.txt", b"through the old name", "dataset")
    holds("b.txt" in api.list_repo_files(target, repo_type="dataset"), "b.txt")
    holds("b.txt" in [f.path for f in api.list_repo_tree(name, repo_type="dataset")], "tree through the old name")


@operation("private: who sees it, exact errors")
def _():
    name = make(private=True)
    put(name, "a.txt", b"secret")
    equal(api.model_info(name).private, True)
    for stranger in (guest, anyone):
        raises("RepositoryNotFoundError", lambda: stranger.model_info(name))
        raises("RepositoryNotFoundError", lambda: stranger.hf_hub_download(name, "a.txt", cache_dir=folder()))
        raises("RepositoryNotFoundError", lambda: stranger.list_repo_files(name))
        raises("RepositoryNotFoundError", lambda: stranger.get_paths_info(name, "a.txt"))
        holds(not stranger.repo_exists(name), "repo_exists")
        holds(name not in [m.id for m in stranger.list_models(author="admin")], "listed")
    holds(name in [m.id for m in api.list_models(author="admin")], "not listed for its owner")


@operation("update_repo_settings: visibility")
def _():
    name = make()
    api.update_repo_settings(name, private=True)
    holds(api.model_info(name).private and not guest.repo_exists(name), "private")
    api.update_repo_settings(name, private=False)
    holds(guest.repo_exists(name), "public again")
    raises("HfHubHTTPError", lambda: guest.update_repo_settings(name, private=True), status=403)
    if hasattr(api, "update_repo_visibility"):
        api.update_repo_visibility(name, private=True)
        holds(api.model_info(name).private, "update_repo_visibility")


@operation("visibility= in create_repo and settings")
def _():
    try:
        name = make(visibility="private")
    except TypeError:
        raise NotAvailable("this version's create_repo knows no visibility") from None
    holds(api.model_info(name).private, "private")
    api.update_repo_settings(name, visibility="public")
    holds(not api.model_info(name).private, "public")


@operation("duplicate_repo with files, history and large files")
def _():
    need(api, "duplicate_repo")
    name = make("dataset")
    put_large(name, "w.bin", large("dup"), "dataset")
    api.create_tag(name, tag="v1", repo_type="dataset")
    url = guest.duplicate_repo(name, to_id=new_name("guest"), repo_type="dataset")
    equal(api.dataset_info(url.repo_id).sha, api.dataset_info(name).sha)
    equal(sha256(open(guest.hf_hub_download(url.repo_id, "w.bin", repo_type="dataset", cache_dir=folder()), "rb").read()), sha256(large("dup")))
    equal([t.name for t in guest.list_repo_refs(url.repo_id, repo_type="dataset").tags], ["v1"])
    raises("HfHubHTTPError", lambda: guest.duplicate_repo(name, to_id=url.repo_id, repo_type="dataset"), status=409)


@operation("duplicate_space")
def _():
    need(api, "duplicate_space")
    name = make("space")
    put(name, "index.html", b"<p>hi", "space")
    url = guest.duplicate_space(name, to_id=new_name("guest"))
    holds("index.html" in guest.list_repo_files(url.repo_id, repo_type="space"), "index.html")


@operation("list_user_repos")
def _():
    need(api, "list_user_repos")
    name, hidden = make(), make(private=True)
    rows = {r.id: r for r in api.list_user_repos()}
    equal((rows[name].visibility, rows[hidden].visibility), ("public", "private"))


@operation("get_full_repo_name, repo_exists, revision_exists, file_exists")
def _():
    name = make()
    equal(api.get_full_repo_name("x"), "admin/x")
    put(name, "dir/a.txt", b"x")
    equal((api.repo_exists(name), api.repo_exists("admin/absent"), api.repo_exists(name, repo_type="space")), (True, False, False))
    equal((api.revision_exists(name, "main"), api.revision_exists(name, "absent")), (True, False))
    equal((api.file_exists(name, "dir/a.txt"), api.file_exists(name, "b.txt"), api.file_exists(name, "dir/a.txt", revision="absent")), (True, False, False))


# --- lists --------------------------------------------------------------------------------------------------------------------------------
@operation("list_models: filters")
def _():
    name = make()
    put(name, "README.md", card(license="mit", tags=["zebra"], language=["de"], pipeline_tag="text-generation", library_name="transformers", datasets=["squad"]))
    ids = lambda **query: [m.id for m in api.list_models(**query)]
    for query in (dict(filter="zebra"), dict(filter=["zebra", "license:mit"]), dict(author="admin", search=name.split("/")[1]), dict(pipeline_tag="text-generation"),
                  dict(filter="de"), dict(filter="transformers"), dict(trained_dataset="squad"), dict(search=name)):
        holds(name in ids(**query), query)
    for query in (dict(filter=["zebra", "license:apache-2.0"]), dict(author="guest"), dict(pipeline_tag="fill-mask"), dict(gated=True), dict(search="no-such-thing-at-all")):
        holds(name not in ids(**query), query)
    holds(name in ids(gated=False, filter="zebra"), "gated=False")


@operation("list_models: sorts and pages")
def _():
    names = [make() for _ in range(3)]
    listed = [m.id for m in api.list_models(author="admin", sort="created_at")]
    equal([n for n in listed if n in names], names[::-1])
    for sort in ("downloads", "likes", "trending_score", "last_modified"):
        holds(set(names) <= {m.id for m in api.list_models(author="admin", sort=sort)}, sort)
    first = http("GET", "/api/models?author=admin&limit=2")
    holds('rel="next"' in first.headers["Link"] and first.headers["Link"].startswith("<" + URL), first.headers["Link"])
    equal(len(list(api.list_models(author="admin", limit=2))), 2)
    everything, paged, link = {m.id for m in api.list_models(author="admin")}, [], "/api/models?author=admin&limit=2"
    while link:
        page = http("GET", link)
        paged += [m["id"] for m in page.json()]
        link = page.headers["Link"].split("<")[1].split(">")[0] if page.headers["Link"] else None
    equal(len(paged), len(set(paged)))
    equal(set(paged), everything)


@operation("list_models: full, cardData, fetch_config, expand")
def _():
    name = make()
    put(name, "README.md", card(license="mit", tags=["yak"]))
    put(name, "config.json", b'{"model_type": "llama", "architectures": ["LlamaForCausalLM"]}')
    row = next(iter(api.list_models(filter="yak", full=True, cardData=True, fetch_config=True)))
    equal((row.id, row.card_data.license, row.config["model_type"]), (name, "mit", "llama"))
    holds("config.json" in [s.rfilename for s in row.siblings] and row.last_modified and row.sha, row)
    row = next(iter(api.list_models(filter="yak", expand=["author", "downloadsAllTime", "trendingScore", "likes", "createdAt", "tags"])))
    equal((row.author, row.downloads_all_time, row.likes, row.siblings), ("admin", 0, 0, None))
    raises("ValueError", lambda: list(api.list_models(expand=["author"], full=True)))


@operation("list_datasets: filters and expand")
def _():
    name = make("dataset")
    put(name, "README.md", card(license="mit", task_categories=["text-classification"], language=["fr"], size_categories=["n<1K"], tags=["okapi"]), "dataset")
    ids = lambda **query: [d.id for d in api.list_datasets(**query)]
    for query in (dict(filter="okapi"), dict(language="fr"), dict(task_categories="text-classification"), dict(size_categories="n<1K"), dict(author="admin"),
                  dict(dataset_name=name.split("/")[1]), dict(search=name)):
        holds(name in ids(**query), query)
    holds(name not in ids(language="de", filter="okapi"), "language")
    row = next(iter(api.list_datasets(filter="okapi", expand=["description", "cardData", "author", "citation"])))
    equal((row.author, row.card_data["license"]), ("admin", "mit"))


@operation("list_spaces: filters, linked models and datasets")
def _():
    name, model = make("space"), make()
    put(name, "README.md", card(sdk="static", title="Gnu", models=[model], tags=["gnu"]), "space")
    ids = lambda **query: [s.id for s in api.list_spaces(**query)]
    for query in (dict(filter="gnu"), dict(models=model), dict(author="admin"), dict(search=name)):
        holds(name in ids(**query), query)
    alone = make("space")
    put(alone, "README.md", card(sdk="static", title="Alone"), "space")
    linked = ids(linked=True)
    holds(name in linked and alone not in linked, linked)
    row = next(iter(api.list_spaces(filter="gnu", expand=["sdk", "models", "subdomain", "runtime", "author"])))
    equal((row.sdk, row.models, row.author), ("static", [model], "admin"))


@operation("get_model_tags and get_dataset_tags")
def _():
    put(make(), "README.md", card(license="mit", language=["en"]))
    tags = api.get_model_tags()
    holds(any(t["id"] == "license:mit" for t in tags.get("license", [])), tags)
    holds(isinstance(api.get_dataset_tags(), dict), "datasets")


@operation("search_spaces")
def _():
    need(api, "search_spaces")
    name = make("space")
    put(name, "README.md", card(sdk="static", title="Quagga finder", short_description="Finds every quagga in a picture"), "space")
    search = lambda: list(api.search_spaces("quagga finder", include_non_running=True))
    wait_for(lambda: [s.id for s in search()] == [name], "the card's words are found")
    equal((search()[0].sdk, search()[0].title, search()[0].author), ("static", "Quagga finder", "admin"))
    equal(list(api.search_spaces("quagga finder", sdk="gradio", include_non_running=True)), [])


# --- metadata -----------------------------------------------------------------------------------------------------------------------------
@operation("model_info: card, files, security status")
def _():
    name = make()
    data = large("info")
    put(name, "README.md", card(license="mit", tags=["x"], pipeline_tag="text-generation", language="en", base_model="admin/base"))
    put_large(name, "model.bin", data)
    info = api.model_info(name, files_metadata=True, securityStatus=True)
    files = {s.rfilename: s for s in info.siblings}
    equal((files["model.bin"].size, files["model.bin"].lfs.sha256, files["model.bin"].lfs.size), (len(data), sha256(data), len(data)))
    holds(files["model.bin"].lfs.pointer_size > 100 and files["README.md"].lfs is None and len(files["README.md"].blob_id) == 40, files)
    equal((info.card_data.license, info.pipeline_tag, info.author, info.private, info.gated, info.disabled), ("mit", "text-generation", "admin", False, False, False))
    holds({"license:mit", "x", "en", "base_model:admin/base"} <= set(info.tags), info.tags)
    holds(info.created_at and info.last_modified and info.created_at <= info.last_modified, (info.created_at, info.last_modified))


@operation("model_info: every expand key of this client")
def _():
    name = make()
    import typing
    from huggingface_hub import hf_api
    for kind, keys, read in (("model", hf_api.ExpandModelProperty_T, api.model_info), ("dataset", hf_api.ExpandDatasetProperty_T, api.dataset_info),
                             ("space", hf_api.ExpandSpaceProperty_T, api.space_info)):
        name = make(kind)
        for key in typing.get_args(keys):
            equal(read(name, expand=[key]).id, name)
        equal(read(name, expand=list(typing.get_args(keys))).id, name)
    info = api.model_info(make(), expand=["likes"])
    equal((info.likes, info.siblings, info.tags), (0, None, None))


@operation("dataset_info and space_info")
def _():
    data, space = make("dataset"), make("space")
    put(data, "README.md", card(license="mit", pretty_name="Data"), "dataset")
    info = api.dataset_info(data, files_metadata=True)
    equal((info.id, info.card_data["pretty_name"], info.sha == api.list_repo_commits(data, repo_type="dataset")[0].commit_id), (data, "Data", True))
    info = api.space_info(space)
    equal((info.id, info.sdk), (space, "static"))
    holds(info.subdomain, "subdomain")


@operation("info of branch, tag, commit, short commit, HEAD")
def _():
    name = make()
    first = put(name, "a", b"1").oid
    put(name, "a", b"2")
    api.create_branch(name, branch="old", revision=first)
    api.create_tag(name, tag="v1", revision=first)
    for revision in ("old", "v1", first, first[:7], "refs/heads/old"):
        equal(api.model_info(name, revision=revision).sha, first)
    equal(api.model_info(name, revision="HEAD").sha, api.model_info(name).sha)


@operation("exact exception classes: missing repository, revision, file")
def _():
    name = make()
    put(name, "a", b"1")
    for read in (api.model_info, api.list_repo_files, api.list_repo_refs, api.list_repo_commits, lambda n: api.get_paths_info(n, "a"), lambda n: list(api.list_repo_tree(n))):
        raises("RepositoryNotFoundError", lambda: read("admin/absent"), status=404)
    raises("RevisionNotFoundError", lambda: api.model_info(name, revision="absent"), status=404)
    raises("RevisionNotFoundError", lambda: api.list_repo_files(name, revision="absent"))
    raises("RevisionNotFoundError", lambda: api.list_repo_commits(name, revision="absent"))
    raises("RevisionNotFoundError", lambda: api.get_paths_info(name, "a", revision="absent"))
    raises("RevisionNotFoundError", lambda: api.hf_hub_download(name, "a", revision="absent", cache_dir=folder()))
    raises(("EntryNotFoundError", "RemoteEntryNotFoundError"), lambda: api.hf_hub_download(name, "absent", cache_dir=folder()))
    raises(("EntryNotFoundError", "RemoteEntryNotFoundError"), lambda: list(api.list_repo_tree(name, "absent")))
    raises("RepositoryNotFoundError", lambda: api.hf_hub_download("admin/absent", "a", cache_dir=folder()))
    raises("RepositoryNotFoundError", lambda: anyone.hf_hub_download("admin/absent", "a", cache_dir=folder()))
    raises("RevisionNotFoundError", lambda: api.snapshot_download(name, revision="absent", cache_dir=folder()))
    raises("RepositoryNotFoundError", lambda: api.snapshot_download("admin/absent", cache_dir=folder()))


@operation("list_repo_tree: recursive, expand, folder")
def _():
    name = make()
    data = large("tree")
    api.create_commit(name, [CommitOperationAdd(f"dir/sub/{i}.txt", b"%d" % i) for i in range(5)] + [CommitOperationAdd("ü ö/%41#?&.txt", b"odd")], commit_message="tree")
    put_large(name, "dir/w.bin", data)
    paths = lambda **more: [e.path for e in api.list_repo_tree(name, **more)]
    equal(paths(), [".gitattributes", "dir", "ü ö"] if paths()[0] == ".gitattributes" else paths())
    equal(sorted(paths(path_in_repo="dir")), ["dir/sub", "dir/w.bin"])
    holds({"dir/sub/3.txt", "dir/sub", "dir/w.bin", "ü ö/%41#?&.txt"} <= set(paths(recursive=True)), paths(recursive=True))
    rows = {e.path: e for e in api.list_repo_tree(name, "dir", recursive=True, expand=True)}
    equal((rows["dir/sub/3.txt"].last_commit.title, rows["dir/sub"].last_commit.title), ("tree", "tree"))
    equal((rows["dir/w.bin"].lfs.sha256, rows["dir/w.bin"].size), (sha256(data), len(data)))
    holds(len(rows["dir/sub"].tree_id) == 40 and len(rows["dir/w.bin"].blob_id) == 40, rows)
    equal([e.path for e in api.list_repo_tree(name, "ü ö")], ["ü ö/%41#?&.txt"])


@operation("list_repo_tree: more than a page")
def _():
    name = make()
    api.create_commit(name, [CommitOperationAdd(f"n/{i:04}", b"") for i in range(1100)], commit_message="many")
    equal([e.path for e in api.list_repo_tree(name, "n")], [f"n/{i:04}" for i in range(1100)])
    equal(len([e for e in api.list_repo_tree(name, recursive=True, expand=True) if e.path.startswith("n/")]), 1100)
    equal(len(api.list_repo_files(name)), 1101)


@operation("get_paths_info")
def _():
    name = make()
    data = large("paths")
    put(name, "dir/a b.txt", b"x")
    put_large(name, "w.bin", data)
    rows = {e.path: e for e in api.get_paths_info(name, ["dir/a b.txt", "dir", "w.bin", "absent"], expand=True)}
    equal(set(rows), {"dir/a b.txt", "dir", "w.bin"})
    equal((rows["w.bin"].lfs.sha256, rows["w.bin"].size, rows["dir/a b.txt"].size), (sha256(data), len(data), 1))
    holds(rows["dir/a b.txt"].last_commit.oid and "Upload" in rows["w.bin"].last_commit.title, rows)


@operation("get_safetensors_metadata")
def _():
    import struct
    name = make()
    head = json.dumps({"a": {"dtype": "F32", "shape": [10, 10], "data_offsets": [0, 400]}}).encode()
    put(name, "model.safetensors", struct.pack("<Q", len(head)) + head + bytes(400))
    equal(api.get_safetensors_metadata(name).parameter_count, {"F32": 100})
    equal(api.parse_safetensors_file_metadata(name, "model.safetensors").tensors["a"].shape, [10, 10])
    equal(api.model_info(name, expand=["safetensors"]).safetensors.total, 100)
    raises(("NotASafetensorsRepoError",), lambda: api.get_safetensors_metadata(make()))


@operation("get_sharded_safetensors_metadata")
def _():
    need(api, "get_sharded_safetensors_metadata")
    import struct
    name = make()
    index = {"metadata": {}, "weight_map": {}}
    for i in (1, 2):
        head = json.dumps({f"t{i}": {"dtype": "F32", "shape": [10], "data_offsets": [0, 40]}}).encode()
        put(name, f"model-0000{i}-of-00002.safetensors", struct.pack("<Q", len(head)) + head + bytes(40))
        index["weight_map"][f"t{i}"] = f"model-0000{i}-of-00002.safetensors"
    put(name, "model.safetensors.index.json", json.dumps(index).encode())
    equal(api.get_sharded_safetensors_metadata(name).parameter_count, {"F32": 20})
    equal(api.get_safetensors_metadata(name).parameter_count, {"F32": 20})


@operation("resolve_revision")
def _():
    need(api, "resolve_revision")
    name = make()
    put(name, "a.txt", b"x")
    revision = api.resolve_revision(name, cache_dir=folder())
    equal((revision.resolved, api.resolve_revision(name, revision=revision).resolved), (api.model_info(name).sha,) * 2)
    equal(open(api.hf_hub_download(name, "a.txt", revision=revision, cache_dir=folder())).read(), "x")
    raises("RevisionNotFoundError", lambda: api.resolve_revision(name, revision="absent", cache_dir=folder()))


@operation("get_dataset_leaderboard")
def _():
    need(api, "get_dataset_leaderboard")
    equal(list(api.get_dataset_leaderboard(make("dataset"))), [])


# --- branches, tags, history ----------------------------------------------------------------------------------------------------------------
@operation("branches and refs")
def _():
    name = make()
    first = put(name, "a", b"1").oid
    put(name, "a", b"2")
    api.create_branch(name, branch="feature/x", revision=first)
    raises("HfHubHTTPError", lambda: api.create_branch(name, branch="feature/x"), status=409)
    api.create_branch(name, branch="feature/x", exist_ok=True)
    raises("RevisionNotFoundError", lambda: api.create_branch(name, branch="y", revision="absent"))
    put(name, "only.txt", b"x", revision="feature/x")
    holds(api.file_exists(name, "only.txt", revision="feature/x") and not api.file_exists(name, "only.txt"), "branch content")
    refs = api.list_repo_refs(name)
    equal(({b.name: b.ref for b in refs.branches}, refs.tags, refs.converts), ({"main": "refs/heads/main", "feature/x": "refs/heads/feature/x"}, [], []))
    api.delete_branch(name, branch="feature/x")
    raises(("RevisionNotFoundError", "HfHubHTTPError"), lambda: api.delete_branch(name, branch="feature/x"))
    raises("HfHubHTTPError", lambda: api.delete_branch(name, branch="main"), status=403)


@operation("tags")
def _():
    name = make()
    sha = api.model_info(name).sha
    api.create_tag(name, tag="v1.0", tag_message="first")
    api.create_tag(name, tag="v2", revision=sha)
    raises("HfHubHTTPError", lambda: api.create_tag(name, tag="v1.0"), status=409)
    api.create_tag(name, tag="v1.0", exist_ok=True)
    equal({t.name: t.target_commit for t in api.list_repo_refs(name).tags}["v2"], sha)
    equal(api.model_info(name, revision="v1.0").sha, sha)
    raises("RevisionNotFoundError", lambda: api.create_tag(name, tag="v3", revision="absent"))
    api.delete_tag(name, tag="v1.0")
    raises("RevisionNotFoundError", lambda: api.delete_tag(name, tag="v1.0"))


@operation("list_repo_commits")
def _():
    name = make()
    for i in range(3):
        put(name, "a", b"%d" % i, commit_message=f"number {i}", commit_description="with **words**")
    commits = api.list_repo_commits(name, formatted=True)
    equal([c.title for c in commits[:3]], ["number 2", "number 1", "number 0"])
    equal((commits[0].authors, commits[0].message, len(commits)), (["admin"], "with **words**", 4))
    holds(commits[0].formatted_title and commits[0].created_at >= commits[1].created_at, commits[0])


@operation("super_squash_history")
def _():
    name = make()
    for i in range(3):
        put(name, "a", b"%d" % i)
    api.super_squash_history(name, commit_message="one")
    equal([c.title for c in api.list_repo_commits(name)], ["one"])
    equal(open(api.hf_hub_download(name, "a", cache_dir=folder())).read(), "2")
    raises("RevisionNotFoundError", lambda: api.super_squash_history(name, branch="absent"))
    api.create_tag(name, tag="v1")
    raises("BadRequestError", lambda: api.super_squash_history(name, branch="v1"))
    raises("HfHubHTTPError", lambda: guest.super_squash_history(name), status=403)


@operation("list_lfs_files and permanently_delete_lfs_files")
def _():
    name = make()
    put_large(name, "gone.bin", large("gone"))
    put_large(name, "kept.bin", large("kept"))
    files = {f.filename: f for f in api.list_lfs_files(name)}
    equal(({k: f.size for k, f in files.items()}, files["gone.bin"].oid), ({"gone.bin": len(large("gone")), "kept.bin": len(large("kept"))}, sha256(large("gone"))))
    before = api.model_info(name).sha
    api.permanently_delete_lfs_files(name, [files["gone.bin"]])
    equal([f.filename for f in api.list_lfs_files(name)], ["kept.bin"])
    holds("gone.bin" not in api.list_repo_files(name) and api.model_info(name).sha != before, "history was not rewritten")
    equal(sha256(open(api.hf_hub_download(name, "kept.bin", cache_dir=folder()), "rb").read()), sha256(large("kept")))
    raises("HfHubHTTPError", lambda: list(guest.list_lfs_files(name)), status=403)
