"""The life of a repository: moves, copies, squashing, branches, large files of a history, and what this hub does not offer."""
import pytest

import harness


@pytest.fixture
def guest_api(hub, guest):
    from huggingface_hub import HfApi
    return HfApi(endpoint=hub.url, token=guest[1])


def put_large(api, repo, path, content):
    """Through LFS: BytesIO is what the client never sends through Xet."""
    import io
    from huggingface_hub import CommitOperationAdd
    api.create_commit(repo, [CommitOperationAdd(path, io.BytesIO(content))], commit_message=f"add {path}")


def test_the_old_name_keeps_working_after_a_move(api, http, hub, env, repo, new_name, tmp_path):
    api.upload_file(path_or_fileobj=b"hi", path_in_repo="a.txt", repo_id=repo)
    name = new_name()
    api.move_repo(repo, name)
    assert api.model_info(repo).id == name
    assert http("GET", f"/{repo}/resolve/main/a.txt").body == b"hi"
    assert http("HEAD", f"/{repo}/resolve/main/a.txt").headers["X-Repo-Commit"] == api.model_info(name).sha
    harness.run(["git", "clone", "-q", hub.url + "/" + repo, tmp_path / "w"], env=env)
    assert (tmp_path / "w/a.txt").read_text() == "hi"
    api.upload_file(path_or_fileobj=b"more", path_in_repo="b.txt", repo_id=repo)
    assert "b.txt" in api.list_repo_files(name)
    api.create_repo(repo)  # the name is free, and from now on its own
    assert "b.txt" not in api.list_repo_files(repo)


def test_duplicate_keeps_history_and_large_files(api, guest_api, guest, repo):
    put_large(api, repo, "w.bin", b"x" * 2_000_000)
    api.create_tag(repo, tag="v1")
    url = guest_api.duplicate_repo(repo, to_id=f"{guest[0]}/copy-of-it", exist_ok=False)
    assert url.repo_id == f"{guest[0]}/copy-of-it"
    assert guest_api.model_info(url.repo_id).sha == api.model_info(repo).sha
    assert [t.name for t in api.list_repo_refs(url.repo_id).tags] == ["v1"]
    path = guest_api.hf_hub_download(url.repo_id, "w.bin", force_download=True)
    assert open(path, "rb").read() == b"x" * 2_000_000
    with pytest.raises(Exception, match="409"):
        guest_api.duplicate_repo(repo, to_id=f"{guest[0]}/copy-of-it")
    guest_api.duplicate_repo(repo, to_id=f"{guest[0]}/copy-of-it", exist_ok=True)


def test_super_squash(api, repo):
    for i in range(3):
        api.upload_file(path_or_fileobj=f"{i}".encode(), path_in_repo="a.txt", repo_id=repo)
    api.super_squash_history(repo, commit_message="squashed")
    assert [c.title for c in api.list_repo_commits(repo)] == ["squashed"]
    api.create_tag(repo, tag="v1")
    with pytest.raises(Exception) as caught:
        api.super_squash_history(repo, branch="v1")
    assert type(caught.value).__name__ == "BadRequestError"
    with pytest.raises(Exception) as caught:
        api.super_squash_history(repo, branch="none")
    assert type(caught.value).__name__ == "RevisionNotFoundError"


def test_large_files_are_listed_and_deleted_for_good(api, http, repo):
    put_large(api, repo, "gone.bin", b"g" * 1_500_000)
    put_large(api, repo, "kept.bin", b"k" * 1_500_000)
    files = {f.filename: f for f in api.list_lfs_files(repo)}
    assert set(files) == {"gone.bin", "kept.bin"} and files["gone.bin"].size == 1_500_000
    before = api.model_info(repo).sha
    api.permanently_delete_lfs_files(repo, [files["gone.bin"]])
    assert set(api.list_repo_files(repo)) == {".gitattributes", "kept.bin"}
    assert api.model_info(repo).sha != before
    assert [f.filename for f in api.list_lfs_files(repo)] == ["kept.bin"]
    put_large(api, repo, "pointer.bin", b"p" * 1_500_000)
    head = api.model_info(repo).sha
    api.permanently_delete_lfs_files(repo, [f for f in api.list_lfs_files(repo) if f.filename == "pointer.bin"], rewrite_history=False)
    assert api.model_info(repo).sha == head
    assert http("GET", f"/{repo}/resolve/main/pointer.bin").body.startswith(b"version https://git-lfs")


def test_copying_large_files_between_repositories(api, repo, new_name, tmp_path):
    from huggingface_hub import CommitOperationCopy
    (tmp_path / "w.bin").write_bytes(b"c" * 3_000_000)
    api.upload_folder(folder_path=tmp_path, repo_id=repo)
    target = new_name()
    api.create_repo(target)
    api.create_commit(target, [CommitOperationCopy("w.bin", "copied.bin", src_repo_id=repo, src_repo_type="model")], commit_message="copy")
    assert api.get_paths_info(target, "copied.bin")[0].lfs.sha256 == api.get_paths_info(repo, "w.bin")[0].lfs.sha256


def test_compare(api, http, repo):
    first = api.upload_file(path_or_fileobj=b"one\n", path_in_repo="a.txt", repo_id=repo).oid
    api.upload_file(path_or_fileobj=b"two\n", path_in_repo="a.txt", repo_id=repo)
    text = http("GET", f"/api/models/{repo}/compare/{first}..main").body.decode()
    assert "-one\n+two\n" in text
    raw = http("GET", f"/api/models/{repo}/compare/{first}..main?raw=true").body.decode()
    assert raw.startswith(":100644 100644 ") and raw.endswith("M\ta.txt\n")


def test_branches_empty_and_overwritten(api, http, repo):
    api.upload_file(path_or_fileobj=b"one", path_in_repo="a.txt", repo_id=repo)
    assert http("POST", f"/api/models/{repo}/branch/blank", {"emptyBranch": True}).status == 200
    assert api.list_repo_files(repo, revision="blank") == []
    assert http("POST", f"/api/models/{repo}/branch/blank", {}).status == 409
    assert http("POST", f"/api/models/{repo}/branch/blank", {"overwrite": True}).status == 200
    assert "a.txt" in api.list_repo_files(repo, revision="blank")


def test_create_with_a_licence(api, http, new_name):
    name = new_name()
    assert http("POST", "/api/repos/create", {"name": name, "license": "apache-2.0"}).status == 200
    assert api.model_info(name).card_data.license == "apache-2.0"


def test_settings(api, repo):
    api.update_repo_settings(repo, visibility="private", gated="manual")
    info = api.model_info(repo)
    assert info.private and info.gated == "manual"
    api.update_repo_settings(repo, visibility="public", gated=False)
    assert not api.model_info(repo).private


@pytest.mark.parametrize("method, path", [("GET", "/api/buckets/admin/x"), ("POST", "/api/buckets/admin/x"),
                                          ("POST", "/api/scheduled-jobs/admin"), ("GET", "/api/kernels/admin/x")])
def test_what_is_not_offered_says_so(http, method, path):
    answer = http(method, path, {} if method == "POST" else None)
    assert answer.status == 501
    assert answer.json()["error"].startswith("This hub")
    assert answer.headers["X-Error-Message"] == answer.json()["error"]


def test_space_control(api, new_name):
    name = new_name()
    api.create_repo(name, repo_type="space", space_sdk="static")
    with pytest.raises(Exception, match="no hardware, secrets"):
        api.restart_space(name)


def test_a_repeated_commit_is_not_made_twice(api, http, repo):
    import json
    head = api.model_info(repo).sha
    lines = [{"key": "header", "value": {"summary": "once", "parentCommit": head}}, {"key": "file", "value": {"path": "a.txt", "content": "aGk=", "encoding": "base64"}}]
    body = "\n".join(json.dumps(line) for line in lines).encode()
    send = lambda: http("POST", f"/api/models/{repo}/commit/main", body, headers={"Content-Type": "application/x-ndjson"})
    first = send().json()["commitOid"]
    api.upload_file(path_or_fileobj=b"other", path_in_repo="b.txt", repo_id=repo)
    assert send().json()["commitOid"] == first
    assert len(api.list_repo_commits(repo)) == 3


def test_fifty_committers_at_once_lose_nothing(api, repo):
    from concurrent.futures import ThreadPoolExecutor
    from huggingface_hub import CommitOperationAdd
    commit = lambda i: api.create_commit(repo, [CommitOperationAdd(f"f{i}.txt", f"{i}".encode())], commit_message=f"number {i}").oid
    with ThreadPoolExecutor(50) as pool:
        oids = list(pool.map(commit, range(50)))
    assert len(set(oids)) == 50
    assert {f"f{i}.txt" for i in range(50)} <= set(api.list_repo_files(repo))
    assert len(api.list_repo_commits(repo)) == 51
