"""huggingface_hub: upload, download and commits. Large content takes the transport under test (LFS or Xet)."""
import io
import os
import pathlib
import warnings

import huggingface_hub
from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, HfApi, HfFileSystem, hf_hub_url
from huggingface_hub.utils._runtime import is_xet_available

from hub_repositories import anyone, api, guest, make, put, put_large
from matrix import GUEST, TOKEN, URL, XET, NotAvailable, equal, folder, git_blob, holds, http, large, need, new_name, operation, raises, sha256, wait_for


def content(name, path, kind="model", **more):
    return pathlib.Path(api.hf_hub_download(name, path, repo_type=kind, cache_dir=folder(), **more)).read_bytes()


def files(name, **more):
    return set(api.list_repo_files(name, **more)) - {".gitattributes"}


def wait_for_xet(name, path):
    """The client copies between repositories by Xet hash; the hub computes that of an LFS upload a moment after the commit."""
    wait_for(lambda: api.get_paths_info(name, path)[0].xet_hash, f"{path} has a Xet hash")


@operation("the transport under test is the one in use")
def _():
    equal(is_xet_available(), XET)
    name = make()
    put_large(name, "w.bin", large("transport"))
    from huggingface_hub import get_hf_file_metadata
    meta = get_hf_file_metadata(hf_hub_url(name, "w.bin", endpoint=URL), token=TOKEN)
    holds(meta.xet_file_data is not None or not XET, "no Xet data in the answer to HEAD")


@operation("get_hf_file_metadata")
def _():
    name = make()
    data = large("head")
    commit = put(name, "small.txt", b"hello").oid
    put_large(name, "w.bin", data)
    read = lambda path, **more: api.get_hf_file_metadata(url=hf_hub_url(name, path, endpoint=URL, **more))
    small = read("small.txt", revision=commit)
    equal((small.etag, small.size, small.commit_hash), (git_blob(b"hello"), 5, commit))
    big = read("w.bin")
    equal((big.etag, big.size, big.commit_hash), (sha256(data), len(data), api.model_info(name).sha))
    raises(("EntryNotFoundError", "RemoteEntryNotFoundError"), lambda: read("absent"))
    raises("RevisionNotFoundError", lambda: read("w.bin", revision="absent"))


@operation("upload_file: bytes, path, file object, empty")
def _():
    name = make()
    data = large("file")
    info = put(name, "dir/a.txt", b"hello\n")
    equal((info.commit_url, info.oid), (f"{URL}/{name}/commit/{info.oid}", api.model_info(name).sha))
    put_large(name, "w.bin", data)
    put(name, "object.bin", io.BytesIO(data[1:]))
    put(name, "empty.bin", b"")
    equal([sha256(content(name, p)) for p in ("dir/a.txt", "w.bin", "object.bin", "empty.bin")], [sha256(d) for d in (b"hello\n", data, data[1:], b"")])
    put(name, "ü/a b#?%20.txt", b"odd name")
    equal(content(name, "ü/a b#?%20.txt"), b"odd name")


@operation("upload_file: overwrite, same content makes no commit")
def _():
    name = make()
    put_large(name, "w.bin", large("one"))
    second = put_large(name, "w.bin", large("two")).oid
    equal(sha256(content(name, "w.bin")), sha256(large("two")))
    equal(put_large(name, "w.bin", large("two")).oid, second)
    put(name, "a.txt", b"a")
    equal(put(name, "a.txt", b"a").oid, api.model_info(name).sha)
    put(name, "w.bin", b"small now")
    equal(content(name, "w.bin"), b"small now")


@operation("upload_folder: patterns, delete, same again")
def _():
    name, source = make(), folder()
    (source / "deep/er").mkdir(parents=True)
    for i in range(20):
        (source / f"deep/er/{i}.txt").write_text(str(i))
    (source / "w.bin").write_bytes(large("folder"))
    (source / "skip.log").write_text("no")
    first = api.upload_folder(repo_id=name, folder_path=source, ignore_patterns="*.log", path_in_repo="in").oid
    equal(files(name), {f"in/deep/er/{i}.txt" for i in range(20)} | {"in/w.bin"})
    equal(api.upload_folder(repo_id=name, folder_path=source, ignore_patterns="*.log", path_in_repo="in").oid, first)
    (source / "w.bin").unlink()
    api.upload_folder(repo_id=name, folder_path=source, path_in_repo="in", delete_patterns=["*.bin"])
    holds("in/w.bin" not in files(name) and "in/skip.log" in files(name), files(name))
    out = api.snapshot_download(name, local_dir=folder())
    equal((pathlib.Path(out) / "in/deep/er/7.txt").read_text(), "7")


@operation("upload_folder as a pull request")
def _():
    name, source = make(), folder()
    (source / "w.bin").write_bytes(large("pr"))
    info = guest.upload_folder(repo_id=name, folder_path=source, create_pr=True)
    holds("w.bin" not in files(name), "main moved")
    equal(sha256(content(name, "w.bin", revision="refs/pr/1")), sha256(large("pr")))
    discussion = next(iter(api.get_repo_discussions(name)))
    equal((discussion.num, discussion.is_pull_request, discussion.author), (1, True, "guest"))


@operation("upload_large_folder")
def _():
    name, source = new_name(), folder()
    for i in range(3):
        (source / f"{i}.bin").write_bytes(large(f"lf{i}", 1 << 20))
        (source / f"{i}.txt").write_text(str(i))
    if hasattr(api, "upload_large_folder"):
        api.upload_large_folder(repo_id=name, repo_type="model", folder_path=source, print_report=False, num_workers=2)
    else:
        raise NotAvailable("this version has no upload_large_folder: upload_folder took its place")
    equal(files(name), {f"{i}.{e}" for i in range(3) for e in ("bin", "txt")})
    equal(sha256(content(name, "2.bin")), sha256(large("lf2", 1 << 20)))


@operation("create_commit: add, delete, copy, folder")
def _():
    name = make()
    data = large("commit")
    file = folder() / "w"
    file.write_bytes(data)
    info = api.create_commit(name, [CommitOperationAdd("a.txt", b"a"), CommitOperationAdd("dir/b.txt", b"b"), CommitOperationAdd("dir/c.txt", b"c"), CommitOperationAdd("w.bin", str(file))],
                             commit_message="add", commit_description="why")
    equal((info.commit_message, info.commit_description), ("add", "why"))
    api.create_commit(name, [CommitOperationDelete("a.txt"), CommitOperationDelete("dir/"), CommitOperationCopy("w.bin", "copy/w.bin"), CommitOperationAdd("d.txt", b"d")],
                      commit_message="change")
    equal(files(name), {"w.bin", "copy/w.bin", "d.txt"})
    equal(sha256(content(name, "copy/w.bin")), sha256(data))
    raises(("EntryNotFoundError", "RemoteEntryNotFoundError"), lambda: api.create_commit(name, [CommitOperationDelete("absent")], commit_message="x"), "A file with this name doesn't exist")
    raises(("EntryNotFoundError", "RemoteEntryNotFoundError"), lambda: api.create_commit(name, [CommitOperationCopy("absent", "b")], commit_message="x"))
    equal(len(api.list_repo_commits(name)), 3)


@operation("create_commit: copy a small file, from another revision")
def _():
    name = make()
    first = put(name, "a.txt", b"old").oid
    put(name, "a.txt", b"new")
    api.create_commit(name, [CommitOperationCopy("a.txt", "b.txt", src_revision=first)], commit_message="copy")
    equal((content(name, "a.txt"), content(name, "b.txt")), (b"new", b"old"))


@operation("create_commit: copy from another repository")
def _():
    import inspect
    if "src_repo_id" not in inspect.signature(CommitOperationCopy).parameters:
        raise NotAvailable("this version copies within one repository only")
    source, target = make(), make("dataset")
    put_large(source, "w.bin", large("across"))
    put(source, "a.txt", b"small")
    wait_for_xet(source, "w.bin")
    api.create_commit(target, [CommitOperationCopy("w.bin", "copied.bin", src_repo_id=source, src_repo_type="model"), CommitOperationCopy("a.txt", "a.txt", src_repo_id=source, src_repo_type="model")],
                      commit_message="copy", repo_type="dataset")
    equal(sha256(content(target, "copied.bin", "dataset")), sha256(large("across")))
    equal(content(target, "a.txt", "dataset"), b"small")


@operation("copy_files between repositories")
def _():
    need(api, "copy_files")
    source, target = make(), make()
    put_large(source, "dir/w.bin", large("cp"))
    put(source, "dir/a.txt", b"small")
    wait_for_xet(source, "dir/w.bin")
    api.copy_files(f"hf://{source}/dir/", f"hf://{target}/in/")
    equal({p: sha256(content(target, p)) for p in files(target)}, {p: sha256(d) for p, d in (("in/w.bin", large("cp")), ("in/a.txt", b"small"))})


@operation("create_commit: parent_commit conflict, missing revision, no right")
def _():
    name = make()
    parent = api.model_info(name).sha
    put(name, "a", b"1")
    add = [CommitOperationAdd("b", b"2")]
    raises("HfHubHTTPError", lambda: api.create_commit(name, add, commit_message="x", parent_commit=parent), "412", status=412)
    raises("RevisionNotFoundError", lambda: api.create_commit(name, add, commit_message="x", revision="absent"))
    raises("HfHubHTTPError", lambda: guest.create_commit(name, add, commit_message="x"), status=403)
    raises("RepositoryNotFoundError", lambda: api.create_commit("admin/absent", add, commit_message="x"))
    equal(files(name), {"a"})
    api.create_commit(name, add, commit_message="x", parent_commit=api.model_info(name).sha)


@operation("create_commit: create_pr from a stranger, on a branch")
def _():
    name = make()
    info = guest.create_commit(name, [CommitOperationAdd("b.txt", b"2")], commit_message="Add b", commit_description="please", create_pr=True)
    equal((info.pr_num, info.pr_revision, info.pr_url), (1, "refs/pr/1", f"{URL}/{name}/discussions/1"))
    equal(content(name, "b.txt", revision="refs/pr/1"), b"2")
    guest.create_commit(name, [CommitOperationAdd("c.txt", b"3")], commit_message="Add c", revision="refs/pr/1")
    equal(files(name, revision="refs/pr/1"), {"b.txt", "c.txt"})
    # On https the client takes every 401 for a missing repository.
    raises(("HfHubHTTPError", "RepositoryNotFoundError"), lambda: HfApi(endpoint=URL, token=False).create_commit(name, [CommitOperationAdd("d", b"")], commit_message="x", create_pr=True), "Sign in first", status=401)


@operation("create_commit: a card with wrong YAML is refused")
def _():
    name = make()
    raises(("ValueError", "BadRequestError", "HfHubHTTPError"), lambda: put(name, "README.md", b"---\nlicense: [mit\n---\n"))
    equal(files(name), set())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        put(name, "README.md", b"no front matter")
    equal(files(name), {"README.md"})


@operation("preupload_lfs_files, then a commit of empty additions")
def _():
    name = make()
    additions = [CommitOperationAdd(f"{i}.bin", large(f"pre{i}")) for i in range(2)]
    for one in additions:
        api.preupload_lfs_files(name, [one])
        equal(one.path_or_fileobj, b"")
    api.create_commit(name, additions, commit_message="preuploaded")
    equal([sha256(content(name, f"{i}.bin")) for i in range(2)], [sha256(large(f"pre{i}")) for i in range(2)])


@operation("delete_file, delete_files, delete_folder")
def _():
    name = make()
    api.create_commit(name, [CommitOperationAdd(p, b"x") for p in ("a.txt", "b.log", "c.log", "dir/d.txt", "dir/e/f.txt", "keep")], commit_message="add")
    api.delete_file("a.txt", name)
    api.delete_files(name, ["*.log"])
    api.delete_folder("dir", name)
    equal(files(name), {"keep"})
    raises(("EntryNotFoundError", "RemoteEntryNotFoundError"), lambda: api.delete_file("a.txt", name))
    raises(("EntryNotFoundError", "RemoteEntryNotFoundError"), lambda: api.delete_folder("nowhere", name))
    # The same deletion again is taken for a repetition of the last request, as after a lost answer: it makes no second commit.
    equal(api.delete_folder("dir", name).oid, api.model_info(name).sha)


@operation("run_as_future: commits in the background, in order")
def _():
    name = make()
    futures = [api.upload_file(path_or_fileobj=b"%d" % i, path_in_repo=f"{i}", repo_id=name, run_as_future=True) for i in range(4)]
    for future in futures:
        future.result(60)
    equal(files(name), set("0123"))


@operation("hf_hub_download: cache, etag names, revisions, not found is remembered")
def _():
    name, cache = make(), folder()
    data = large("cache")
    first = put(name, "dir/a.txt", b"one").oid
    put_large(name, "w.bin", data)
    path = pathlib.Path(api.hf_hub_download(name, "w.bin", cache_dir=cache))
    equal((os.path.basename(os.readlink(path)), path.parent.name), (sha256(data), api.model_info(name).sha))
    equal(os.path.basename(os.readlink(api.hf_hub_download(name, "a.txt", subfolder="dir", cache_dir=cache))), git_blob(b"one"))
    put(name, "dir/a.txt", b"two")
    equal(pathlib.Path(api.hf_hub_download(name, "dir/a.txt", revision=first, cache_dir=cache)).read_bytes(), b"one")
    equal(pathlib.Path(api.hf_hub_download(name, "dir/a.txt", cache_dir=cache)).read_bytes(), b"two")
    raises(("EntryNotFoundError", "RemoteEntryNotFoundError"), lambda: api.hf_hub_download(name, "absent", cache_dir=cache))
    equal(huggingface_hub.try_to_load_from_cache(name, "absent", cache_dir=cache), huggingface_hub._CACHED_NO_EXIST)
    again = api.hf_hub_download(name, "dir/a.txt", cache_dir=cache, local_files_only=True)
    equal(pathlib.Path(again).read_bytes(), b"two")
    holds(path.read_bytes() == data, "content")


@operation("hf_hub_download resumes an interrupted download")
def _():
    """Plain HTTP only: Xet keeps no partial file."""
    if XET:
        raise NotAvailable("hf_xet resumes nothing of a single file")
    name, cache = make(), folder()
    data = large("resume")
    put_large(name, "w.bin", data)
    blobs = cache / f"models--{name.replace('/', '--')}" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / (sha256(data) + ".incomplete")).write_bytes(data[:1 << 20])
    equal(sha256(pathlib.Path(api.hf_hub_download(name, "w.bin", cache_dir=cache)).read_bytes()), sha256(data))


@operation("snapshot_download: patterns, local_dir, again after a change")
def _():
    name, out = make(), folder()
    put_large(name, "w.bin", large("snap"))
    api.create_commit(name, [CommitOperationAdd(f"t/{i}.txt", b"%d" % i) for i in range(10)], commit_message="texts")
    api.snapshot_download(name, local_dir=out, allow_patterns=["t/*", "*.bin"], ignore_patterns="t/3*")
    equal({str(p.relative_to(out)) for p in out.rglob("*") if p.is_file() and ".cache" not in p.parts}, {"w.bin"} | {f"t/{i}.txt" for i in range(10) if i != 3})
    put(name, "t/0.txt", b"changed")
    api.snapshot_download(name, local_dir=out)
    equal(((out / "t/0.txt").read_bytes(), (out / "t/3.txt").read_bytes(), sha256((out / "w.bin").read_bytes())), (b"changed", b"3", sha256(large("snap"))))
    cached = pathlib.Path(api.snapshot_download(name, cache_dir=folder(), revision="main"))
    equal((cached.name, len(list(cached.rglob("*.txt")))), (api.model_info(name).sha, 10))


@operation("verify_repo_checksums")
def _():
    need(api, "verify_repo_checksums")
    name, out = make(), folder()
    put_large(name, "w.bin", large("verify"))
    put(name, "a.txt", b"a")
    api.snapshot_download(name, local_dir=out)
    result = api.verify_repo_checksums(name, local_dir=out)
    equal((result.checked_count, result.mismatches, result.missing_paths), (3, [], []))
    (out / "w.bin").write_bytes(b"tampered")
    equal([m["path"] for m in api.verify_repo_checksums(name, local_dir=out).mismatches], ["w.bin"])


@operation("dry_run of downloads")
def _():
    name = make()
    put_large(name, "w.bin", large("dry"))
    try:
        info = api.hf_hub_download(name, "w.bin", cache_dir=folder(), dry_run=True)
    except TypeError:
        raise NotAvailable("this version knows no dry_run") from None
    equal((info.file_size, info.will_download, info.commit_hash), (len(large("dry")), True, api.model_info(name).sha))
    equal(sum(f.file_size for f in api.snapshot_download(name, cache_dir=folder(), dry_run=True) if f.filename == "w.bin"), len(large("dry")))


@operation("scan_cache_dir sees what was downloaded")
def _():
    name, cache = make(), folder()
    put_large(name, "w.bin", large("scan"))
    api.snapshot_download(name, cache_dir=cache)
    scan = huggingface_hub.scan_cache_dir(cache)
    repo = next(iter(scan.repos))
    equal((repo.repo_id, repo.repo_type, len(repo.revisions), len(scan.warnings)), (name, "model", 1, 0))
    holds(repo.size_on_disk >= len(large("scan")), repo.size_on_disk)


@operation("HfFileSystem: ls, glob, info, ranged read, write, rm, cp")
def _():
    name = make("dataset")
    fs = HfFileSystem(endpoint=URL, token=TOKEN, skip_instance_cache=True)
    base = f"datasets/{name}"
    data = large("fs")
    put_large(name, "dir/w.bin", data, "dataset")
    with fs.open(f"{base}/dir/a.txt", "wb") as out:
        out.write(b"abcdef")
    equal(sorted(fs.ls(f"{base}/dir", detail=False)), [f"{base}/dir/a.txt", f"{base}/dir/w.bin"])
    equal(fs.glob(f"{base}/**/*.bin"), [f"{base}/dir/w.bin"])
    equal((fs.info(f"{base}/dir/w.bin")["size"], fs.isdir(f"{base}/dir"), fs.exists(f"{base}/absent")), (len(data), True, False))
    with fs.open(f"{base}/dir/w.bin", "rb", block_size=1 << 16) as stream:
        stream.seek(1_000_001)
        equal(stream.read(1000), data[1_000_001:1_001_001])
    equal(fs.cat_file(f"{base}/dir/a.txt", start=2, end=4), b"cd")
    fs.cp_file(f"{base}/dir/w.bin", f"{base}/copy.bin")
    equal(sha256(fs.cat_file(f"{base}/copy.bin")), sha256(data))
    fs.rm(f"{base}/dir/a.txt")
    holds(not fs.exists(f"{base}/dir/a.txt"), "it is still there")
    raises("FileNotFoundError", lambda: fs.ls(f"{base}/absent"))
    raises("FileNotFoundError", lambda: fs.ls("datasets/admin/absent"))


@operation("ModelCard and metadata_update")
def _():
    import inspect
    from huggingface_hub import DatasetCard, ModelCard, metadata_update, repocard
    if "https://huggingface.co" in inspect.getsource(repocard.RepoCard.validate):
        raise NotAvailable("this version's cards are validated at huggingface.co, whatever the endpoint")
    name = make()
    ModelCard("---\nlicense: mit\n---\n# Hello\n").push_to_hub(name, token=TOKEN)
    metadata_update(name, {"tags": ["added"]}, token=TOKEN)
    loaded = ModelCard.load(name, token=TOKEN)
    equal((loaded.data.license, loaded.data.tags), ("mit", ["added"]))
    equal(set(api.model_info(name).tags) >= {"added", "license:mit"}, True)
    data = make("dataset")
    DatasetCard("---\nlicense: mit\n---\n# Data\n").push_to_hub(data, repo_type="dataset", token=TOKEN)
    equal(DatasetCard.load(data, repo_type="dataset", token=TOKEN).data.license, "mit")


@operation("CommitScheduler pushes a folder")
def _():
    from huggingface_hub import CommitScheduler
    source = folder()
    (source / "log.jsonl").write_text("{}\n")
    scheduler = CommitScheduler(repo_id=new_name(), folder_path=source, repo_type="dataset", every=10, hf_api=api)
    scheduler.trigger().result(60)
    scheduler.stop()
    holds("log.jsonl" in api.list_repo_files(scheduler.repo_id, repo_type="dataset"), "log.jsonl")


@operation("ModelHubMixin: push_to_hub and from_pretrained")
def _():
    try:
        from huggingface_hub import ModelHubMixin
    except ImportError as missing:
        raise NotAvailable(f"this version's ModelHubMixin needs a package: {missing}") from None

    class Tiny(ModelHubMixin):
        def __init__(self, size: int = 3):
            self.size = size

        def _save_pretrained(self, save_directory):
            (pathlib.Path(save_directory) / "weights.bin").write_bytes(large("mixin", 1 << 20))

        @classmethod
        def _from_pretrained(cls, *, model_id, revision, cache_dir, force_download, local_files_only, token, size=0, **_):
            path = huggingface_hub.hf_hub_download(model_id, "weights.bin", revision=revision, cache_dir=cache_dir, token=token)
            one = cls(size)
            one.digest = sha256(pathlib.Path(path).read_bytes())
            return one
    name = new_name()
    Tiny(5).push_to_hub(name, token=TOKEN)
    loaded = Tiny.from_pretrained(name, token=TOKEN, cache_dir=folder())
    equal((loaded.size, loaded.digest), (5, sha256(large("mixin", 1 << 20))))


@operation("gated: exact errors, ask, accept, reject, cancel, grant")
def _():
    name = make()
    put(name, "a.txt", b"precious")
    api.update_repo_settings(name, gated="manual")
    equal(api.model_info(name).gated, "manual")
    fetch = lambda who: pathlib.Path(who.hf_hub_download(name, "a.txt", cache_dir=folder())).read_bytes()
    raises("GatedRepoError", lambda: fetch(guest), status=403)
    raises("GatedRepoError", lambda: fetch(anyone), status=401)
    raises("GatedRepoError", lambda: guest.auth_check(name))
    raises("GatedRepoError", lambda: guest.snapshot_download(name, cache_dir=folder()))
    equal(guest.model_info(name).gated, "manual")
    equal(http("POST", f"/{name}/ask-access", b"", token=GUEST, headers={"Content-Type": "application/x-www-form-urlencoded"}).status, 303)
    equal([r.username for r in api.list_pending_access_requests(name)], ["guest"])
    raises("HfHubHTTPError", lambda: guest.list_pending_access_requests(name) if huggingface_hub.__version__ < "1" else list(guest.list_pending_access_requests(name)), status=403)
    api.accept_access_request(name, "guest")
    equal(fetch(guest), b"precious")
    api.reject_access_request(name, "guest", rejection_reason="changed our mind")
    raises("GatedRepoError", lambda: fetch(guest))
    equal([r.username for r in api.list_rejected_access_requests(name)], ["guest"])
    api.cancel_access_request(name, "guest")
    equal([r.status for r in api.list_pending_access_requests(name)], ["pending"])
    raises("HfHubHTTPError", lambda: api.accept_access_request(name, "nobody-here"), status=404)
    other = make("dataset")
    api.update_repo_settings(other, gated="auto", repo_type="dataset")
    api.grant_access(other, "guest", repo_type="dataset")
    equal([r.username for r in api.list_accepted_access_requests(other, repo_type="dataset")], ["guest"])
    guest.auth_check(other, repo_type="dataset")
    api.update_repo_settings(name, gated=False)
    equal(fetch(anyone), b"precious")


@operation("a private repository's bytes need the right, whatever is known of them")
def _():
    """The digest of a private file gives neither its content nor its existence to somebody else."""
    name = make(private=True)
    data = large("secret")
    put_large(name, "w.bin", data)
    theirs = new_name("guest")
    guest.create_repo(theirs)
    batch = {"operation": "download", "objects": [{"oid": sha256(data), "size": len(data)}]}
    equal(http("POST", f"/{theirs}.git/info/lfs/objects/batch", batch, token=GUEST).json()["objects"][0]["error"]["code"], 404)
    equal(http("POST", f"/{name}.git/info/lfs/objects/batch", batch, token=GUEST).status, 404)
    for path in (f"/api/models/{name}/xet-read-token/main", f"/{name}/resolve/main/w.bin", f"/{name}/raw/main/w.bin", f"/api/models/{name}/tree/main"):
        equal(http("GET", path, token=GUEST).status, 404)
        equal(http("GET", path, token=None).status, 401)
    file = folder() / "w.bin"
    file.write_bytes(data)
    guest.upload_file(path_or_fileobj=str(file), path_in_repo="mine.bin", repo_id=theirs)
    equal(sha256(pathlib.Path(guest.hf_hub_download(theirs, "mine.bin", cache_dir=folder())).read_bytes()), sha256(data))


@operation("Range and conditional requests with the client's session")
def _():
    from huggingface_hub.utils import build_hf_headers, get_session
    name = make()
    data = large("range")
    put_large(name, "w.bin", data)
    url = hf_hub_url(name, "w.bin", endpoint=URL)
    get = lambda **headers: get_session().get(url, headers={**build_hf_headers(token=TOKEN), **headers})
    part = get(Range="bytes=10-19")
    equal((part.status_code, part.content, part.headers["Content-Range"]), (206, data[10:20], f"bytes 10-19/{len(data)}"))
    equal(get(Range="bytes=-5").content, data[-5:])
    equal(get(Range=f"bytes={len(data) - 3}-").content, data[-3:])
    beyond = get(Range=f"bytes={len(data)}-")
    equal((beyond.status_code, beyond.headers["Content-Range"]), (416, f"bytes */{len(data)}"))
    whole = get()
    equal((whole.status_code, whole.headers["Accept-Ranges"], int(whole.headers["Content-Length"]), whole.headers["X-Linked-Etag"], whole.headers["X-Linked-Size"]),
          (200, "bytes", len(data), f'"{sha256(data)}"', str(len(data))))
    equal(get(**{"If-None-Match": whole.headers["ETag"]}).status_code, 304)
    holds(whole.headers["X-Repo-Commit"] == api.model_info(name).sha and "w.bin" in whole.headers["Content-Disposition"], dict(whole.headers))
