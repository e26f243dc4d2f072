"""huggingface_hub and the hf command against the real server: one behaviour per test."""
import hashlib
import io
import json
import os
import random

import pytest

import harness

LARGE = 12 << 20  # over the limit for files in git


def large_bytes(seed, size=LARGE):
    return random.Random(seed).randbytes(size)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


# --- identity -----------------------------------------------------------------------------------------------------------

def test_auth_login_stores_the_token_and_whoami_names_the_user(hub, tmp_path):
    env = hub.environment(tmp_path)
    env.pop("HF_TOKEN")
    harness.run(["hf", "auth", "login", "--token", hub.token], env=env)
    assert "admin" in harness.run(["hf", "auth", "whoami"], env=env).stdout


def test_whoami_with_a_bad_token_is_refused(hub, http):
    answer = http("GET", "/api/whoami-v2", token="hf_" + "x" * 34)
    assert answer.status == 401
    assert answer.headers["X-Error-Message"] == "Invalid credentials in Authorization header"


def test_token_role_is_told(api):
    assert api.whoami()["auth"]["accessToken"]["role"] == "write"


def test_read_token_cannot_write(http, repo):
    token = http("POST", "/api/lyceum/tokens", {"name": "reader", "role": "read"}).json()["token"]
    assert http("GET", f"/api/models/{repo}", token=token).status == 200
    assert http("DELETE", "/api/repos/delete", {"name": repo}, token=token).status == 403


def test_revoked_token_is_dead(http):
    token = http("POST", "/api/lyceum/tokens", {"name": "short", "role": "write"}).json()["token"]
    row = [t for t in http("GET", "/api/lyceum/tokens").json() if t["name"] == "short"][-1]
    assert http("DELETE", f"/api/lyceum/tokens/{row['id']}").status == 200
    assert http("GET", "/api/whoami-v2", token=token).status == 401


# --- repositories -------------------------------------------------------------------------------------------------------

def test_hf_repo_create(env, new_name, api):
    name = new_name()
    harness.run(["hf", "repos", "create", name], env=env)
    assert api.repo_exists(name)


@pytest.mark.parametrize("kind", ["model", "dataset", "space"])
def test_create_repo_of_each_type(api, new_name, hub, kind):
    name = new_name()
    url = api.create_repo(name, repo_type=kind, space_sdk="static" if kind == "space" else None)
    prefix = "" if kind == "model" else kind + "s/"
    assert str(url) == f"{hub.url}/{prefix}{name}"
    assert api.repo_info(name, repo_type=kind).sha


def test_create_twice_is_a_conflict_unless_allowed(api, repo):
    from huggingface_hub.errors import HfHubHTTPError
    with pytest.raises(HfHubHTTPError) as failure:
        api.create_repo(repo)
    assert failure.value.response.status_code == 409
    assert str(api.create_repo(repo, exist_ok=True)).endswith(repo)


def test_delete_repo(api, repo):
    api.delete_repo(repo)
    assert not api.repo_exists(repo)


def test_move_repo_keeps_the_content(api, repo, new_name):
    api.upload_file(path_or_fileobj=b"x", path_in_repo="a.txt", repo_id=repo)
    target = new_name()
    api.move_repo(repo, target)
    assert api.file_exists(target, "a.txt")


def test_visibility_can_be_changed(api, repo):
    api.update_repo_settings(repo, private=True)
    assert api.model_info(repo).private


def test_one_segment_names_are_not_found(http):
    for path in ("/api/models/gpt2", "/gpt2/resolve/main/config.json", "/api/datasets/squad"):
        answer = http("GET", path)
        assert answer.status in (401, 404) and answer.headers["X-Error-Code"] == "RepoNotFound", path


# --- upload and download ------------------------------------------------------------------------------------------------

def test_small_file_round_trip(api, repo, tmp_path):
    api.upload_file(path_or_fileobj=b"hello\n", path_in_repo="dir/a.txt", repo_id=repo)
    path = api.hf_hub_download(repo, "dir/a.txt", cache_dir=tmp_path)
    assert open(path, "rb").read() == b"hello\n"


@pytest.mark.parametrize("transport", ["xet", "lfs"])
def test_large_file_round_trip_with_hf_upload(hub, api, repo, tmp_path, transport):
    env = hub.environment(tmp_path / "home", **({"HF_HUB_DISABLE_XET": "1"} if transport == "lfs" else {}))
    data = large_bytes(transport)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/model.safetensors").write_bytes(data)
    (tmp_path / "in/note.txt").write_text("small")
    harness.run(["hf", "upload", repo, tmp_path / "in", "."], env=env)
    harness.run(["hf", "download", repo, "--local-dir", tmp_path / "out"], env=env)
    assert sha256((tmp_path / "out/model.safetensors").read_bytes()) == sha256(data)
    assert (tmp_path / "out/note.txt").read_text() == "small"
    entry = api.get_paths_info(repo, "model.safetensors")[0]
    assert entry.lfs.sha256 == sha256(data) and entry.size == len(data)


@pytest.mark.parametrize("upload,download", [("xet", "lfs"), ("lfs", "xet")])
def test_what_one_transport_uploads_the_other_downloads(hub, repo, tmp_path, upload, download):
    def env(transport):
        return hub.environment(tmp_path / transport, **({"HF_HUB_DISABLE_XET": "1"} if transport == "lfs" else {}))
    data = large_bytes(upload + download)
    (tmp_path / "w.bin").write_bytes(data)
    harness.run(["hf", "upload", repo, tmp_path / "w.bin", "w.bin"], env=env(upload))
    harness.run(["hf", "download", repo, "w.bin", "--local-dir", tmp_path / "out"], env=env(download))
    assert sha256((tmp_path / "out/w.bin").read_bytes()) == sha256(data)


def test_empty_file_round_trip(api, repo, tmp_path):
    api.upload_file(path_or_fileobj=b"", path_in_repo="empty.bin", repo_id=repo)
    assert os.path.getsize(api.hf_hub_download(repo, "empty.bin", cache_dir=tmp_path)) == 0


def test_file_object_goes_through_lfs(api, repo, tmp_path):
    data = large_bytes("object")
    api.upload_file(path_or_fileobj=io.BytesIO(data), path_in_repo="w.bin", repo_id=repo)
    assert open(api.hf_hub_download(repo, "w.bin", cache_dir=tmp_path), "rb").read() == data


def test_upload_folder_and_snapshot_download(api, repo, tmp_path):
    source = tmp_path / "in"
    (source / "deep/er").mkdir(parents=True)
    for i in range(30):
        (source / f"deep/er/{i}.txt").write_text(str(i))
    (source / "weights.bin").write_bytes(large_bytes("folder"))
    api.upload_folder(repo_id=repo, folder_path=source)
    out = api.snapshot_download(repo, local_dir=tmp_path / "out")
    for path in source.rglob("*"):
        if path.is_file():
            assert (tmp_path / "out" / path.relative_to(source)).read_bytes() == path.read_bytes(), out


def test_uploading_the_same_again_makes_no_commit(api, repo, tmp_path):
    (tmp_path / "a.txt").write_text("same")
    (tmp_path / "w.bin").write_bytes(large_bytes("same", 1 << 20))
    first = api.upload_folder(repo_id=repo, folder_path=tmp_path).oid
    assert api.upload_folder(repo_id=repo, folder_path=tmp_path).oid == first


def test_upload_folder_deletes_what_matches(api, repo, tmp_path):
    api.upload_file(path_or_fileobj=b"x", path_in_repo="old/a.txt", repo_id=repo)
    (tmp_path / "b.txt").write_text("new")
    api.upload_folder(repo_id=repo, folder_path=tmp_path, delete_patterns="old/*")
    assert set(api.list_repo_files(repo)) - {".gitattributes", "README.md"} == {"b.txt"}


def test_gitignore_is_obeyed(api, repo, tmp_path):
    (tmp_path / ".gitignore").write_text("*.log\n")
    (tmp_path / "a.log").write_text("no")
    (tmp_path / "a.txt").write_text("yes")
    api.upload_folder(repo_id=repo, folder_path=tmp_path)
    assert "a.txt" in api.list_repo_files(repo) and "a.log" not in api.list_repo_files(repo)


def test_blob_ids_are_those_of_git(api, repo):
    data = b"git knows me\n"
    api.upload_file(path_or_fileobj=data, path_in_repo="a.txt", repo_id=repo)
    oid = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    assert api.get_paths_info(repo, "a.txt")[0].blob_id == oid


# --- commits ------------------------------------------------------------------------------------------------------------

def test_create_commit_adds_copies_and_deletes(api, repo):
    from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete
    api.create_commit(repo, [CommitOperationAdd("a.txt", b"a"), CommitOperationAdd("dir/b.txt", b"b"), CommitOperationAdd("w.bin", large_bytes("copy", 1 << 20))],
                      commit_message="add")
    api.create_commit(repo, [CommitOperationDelete("a.txt"), CommitOperationDelete("dir/"), CommitOperationCopy("w.bin", "copy.bin")], commit_message="change")
    assert set(api.list_repo_files(repo)) - {".gitattributes", "README.md"} == {"w.bin", "copy.bin"}
    one, two = api.get_paths_info(repo, ["w.bin", "copy.bin"])
    assert one.lfs.sha256 == two.lfs.sha256


def test_deleting_what_is_not_there_is_an_entry_error(api, repo):
    from huggingface_hub import CommitOperationDelete
    from huggingface_hub.errors import EntryNotFoundError
    with pytest.raises(EntryNotFoundError, match="A file with this name doesn't exist"):
        api.create_commit(repo, [CommitOperationDelete("nothing.txt")], commit_message="x")


def test_commit_on_a_moved_parent_is_refused(api, repo):
    from huggingface_hub import CommitOperationAdd
    from huggingface_hub.errors import HfHubHTTPError
    parent = api.model_info(repo).sha
    api.upload_file(path_or_fileobj=b"1", path_in_repo="a", repo_id=repo)
    with pytest.raises(HfHubHTTPError) as failure:
        api.create_commit(repo, [CommitOperationAdd("b", b"2")], commit_message="x", parent_commit=parent)
    assert failure.value.response.status_code == 412


def test_pull_request_commit_leaves_main_alone(api, repo):
    before = api.model_info(repo).sha
    info = api.upload_file(path_or_fileobj=b"pr", path_in_repo="a.txt", repo_id=repo, create_pr=True)
    assert info.pr_revision == "refs/pr/1"
    assert api.model_info(repo).sha == before
    assert api.file_exists(repo, "a.txt", revision="refs/pr/1")
    assert [r.ref for r in api.list_repo_refs(repo, include_pull_requests=True).pull_requests] == ["refs/pr/1"]


def test_upload_folder_as_pull_request(api, repo, tmp_path):
    (tmp_path / "a.txt").write_text("pr")
    info = api.upload_folder(repo_id=repo, folder_path=tmp_path, create_pr=True)
    assert info.pr_num == 1
    assert [d.num for d in api.get_repo_discussions(repo)] == [1]


def test_unknown_large_file_cannot_be_committed(http, repo):
    lines = [{"key": "header", "value": {"summary": "x"}}, {"key": "lfsFile", "value": {"path": "w", "algo": "sha256", "oid": "ab" * 32, "size": 5}}]
    answer = http("POST", f"/api/models/{repo}/commit/main", "\n".join(map(json.dumps, lines)).encode())
    assert answer.status == 400


def test_digest_of_another_repository_does_not_give_its_content(api, http, repo, guest, hub):
    """Knowing a SHA-256 must not let anyone read a private file by committing a pointer to it."""
    api.update_repo_settings(repo, private=True)
    data = large_bytes("secret", 1 << 20)
    api.upload_file(path_or_fileobj=data, path_in_repo="w.bin", repo_id=repo)
    user, token = guest
    http("POST", "/api/repos/create", {"name": "thief"}, token=token)
    lines = [{"key": "header", "value": {"summary": "x"}}, {"key": "lfsFile", "value": {"path": "w", "algo": "sha256", "oid": sha256(data), "size": len(data)}}]
    assert http("POST", f"/api/models/{user}/thief/commit/main", "\n".join(map(json.dumps, lines)).encode(), token=token).status == 400
    batch = {"operation": "download", "objects": [{"oid": sha256(data), "size": len(data)}]}
    answer = http("POST", f"/{user}/thief.git/info/lfs/objects/batch", batch, token=token).json()
    assert answer["objects"][0]["error"]["code"] == 404


# --- branches, tags, history --------------------------------------------------------------------------------------------

def test_branch_life(api, repo):
    api.create_branch(repo, branch="dev")
    api.upload_file(path_or_fileobj=b"d", path_in_repo="d.txt", repo_id=repo, revision="dev")
    assert api.file_exists(repo, "d.txt", revision="dev") and not api.file_exists(repo, "d.txt")
    api.delete_branch(repo, branch="dev")
    assert [b.name for b in api.list_repo_refs(repo).branches] == ["main"]


def test_branch_names_may_hold_slashes(api, repo):
    api.create_branch(repo, branch="feature/x")
    api.upload_file(path_or_fileobj=b"d", path_in_repo="dir/d.txt", repo_id=repo, revision="feature/x")
    assert [e.path for e in api.list_repo_tree(repo, "dir", revision="feature/x")] == ["dir/d.txt"]


def test_main_cannot_be_deleted(api, repo):
    from huggingface_hub.errors import HfHubHTTPError
    with pytest.raises(HfHubHTTPError) as failure:
        api.delete_branch(repo, branch="main")
    assert failure.value.response.status_code == 403


def test_tag_life(api, repo):
    from huggingface_hub.errors import HfHubHTTPError
    sha = api.model_info(repo).sha
    api.create_tag(repo, tag="v1", tag_message="first")
    assert api.model_info(repo, revision="v1").sha == sha
    with pytest.raises(HfHubHTTPError):
        api.create_tag(repo, tag="v1")
    api.create_tag(repo, tag="v1", exist_ok=True)
    api.delete_tag(repo, tag="v1")
    assert api.list_repo_refs(repo).tags == []


def test_commits_are_listed_newest_first(api, http, repo):
    for i in range(3):
        api.upload_file(path_or_fileobj=str(i).encode(), path_in_repo="n", repo_id=repo, commit_message=f"number {i}")
    commits = api.list_repo_commits(repo)
    assert [c.title for c in commits[:3]] == ["number 2", "number 1", "number 0"]
    page = http("GET", f"/api/models/{repo}/commits/main?limit=1")
    assert page.headers["X-Total-Count"] == str(len(commits)) and 'rel="next"' in page.headers["Link"]


# --- metadata -----------------------------------------------------------------------------------------------------------

def test_model_info_has_card_tags_and_files(api, repo):
    card = "---\nlicense: mit\ntags:\n- tiny\npipeline_tag: text-generation\n---\n# Hi\n"
    api.upload_file(path_or_fileobj=card.encode(), path_in_repo="README.md", repo_id=repo)
    info = api.model_info(repo, files_metadata=True)
    assert info.card_data.license == "mit" and "tiny" in info.tags and info.pipeline_tag == "text-generation"
    readme = [s for s in info.siblings if s.rfilename == "README.md"][0]
    assert readme.size == len(card)


def test_model_info_counts_parameters(api, repo, tmp_path):
    import torch
    from safetensors.torch import save_file
    save_file({"a": torch.zeros(10, 10), "b": torch.zeros(5, dtype=torch.bfloat16)}, tmp_path / "model.safetensors")
    api.upload_file(path_or_fileobj=tmp_path / "model.safetensors", path_in_repo="model.safetensors", repo_id=repo)
    counts = api.model_info(repo, expand=["safetensors"]).safetensors
    assert counts.parameters == {"F32": 100, "BF16": 5} and counts.total == 105
    assert api.get_safetensors_metadata(repo).parameter_count == {"F32": 100, "BF16": 5}


def test_info_of_branch_tag_commit_and_head(api, repo):
    sha = api.model_info(repo).sha
    for revision in ("main", sha, "HEAD", "refs/heads/main"):
        assert api.model_info(repo, revision=revision).sha == sha, revision


def test_expand_unknown_key_is_not_an_error(http, repo):
    assert http("GET", f"/api/models/{repo}?expand=somethingNew&expand[]=likes").json()["likes"] == 0


def test_list_models_searches_filters_and_pages(api, repo, new_name):
    names = [new_name() for _ in range(3)]
    for name in names:
        api.create_repo(name)
        api.upload_file(path_or_fileobj=b"---\ntags: [paged]\n---\n", path_in_repo="README.md", repo_id=name)
    assert {m.id for m in api.list_models(filter="paged", limit=1)} <= set(names)
    assert {m.id for m in api.list_models(filter="paged")} == set(names)
    assert [m.id for m in api.list_models(search=names[0].split("/")[1], author="admin")][0].startswith(names[0])


def test_list_pages_follow_the_link(http, api, new_name):
    for _ in range(3):
        api.create_repo(new_name(), repo_type="dataset")
    seen, path = [], "/api/datasets?limit=1"
    while path:
        page = http("GET", path)
        seen += [d["id"] for d in page.json()]
        link = page.headers.get("Link")
        path = link.split("<")[1].split(">")[0] if link else None
    assert len(seen) == len(set(seen)) >= 3


def test_tree_lists_recursively_with_last_commits(api, repo):
    api.upload_file(path_or_fileobj=b"x", path_in_repo="dir/sub/a.txt", repo_id=repo, commit_message="deep")
    paths = {e.path: e for e in api.list_repo_tree(repo, recursive=True, expand=True)}
    assert {"dir", "dir/sub", "dir/sub/a.txt"} <= set(paths)
    assert paths["dir/sub/a.txt"].last_commit.title == "deep"


# --- errors and headers -------------------------------------------------------------------------------------------------

def test_missing_repo_revision_and_file_have_their_own_errors(api, repo, tmp_path):
    from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("admin/nothing")
    with pytest.raises(RevisionNotFoundError):
        api.model_info(repo, revision="nothing")
    with pytest.raises(EntryNotFoundError):
        api.hf_hub_download(repo, "nothing.txt", cache_dir=tmp_path)


def test_missing_file_tells_the_commit(http, api, repo):
    answer = http("HEAD", f"/{repo}/resolve/main/nothing.txt")
    assert answer.status == 404
    assert answer.headers["X-Error-Code"] == "EntryNotFound"
    assert answer.headers["X-Repo-Commit"] == api.model_info(repo).sha


def test_head_of_a_large_file_has_all_headers(http, api, repo):
    data = large_bytes("head", 1 << 20)
    api.upload_file(path_or_fileobj=data, path_in_repo="w.bin", repo_id=repo)
    answer = http("HEAD", f"/{repo}/resolve/main/w.bin")
    assert answer.status == 200
    assert answer.headers["X-Linked-Etag"] == f'"{sha256(data)}"'
    assert answer.headers["X-Linked-Size"] == answer.headers["Content-Length"] == str(len(data))
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert len(answer.headers["X-Xet-Hash"]) == 64 and 'rel="xet-auth"' in answer.headers["Link"]


def test_ranges_are_served(http, api, repo):
    api.upload_file(path_or_fileobj=b"0123456789", path_in_repo="a", repo_id=repo)
    answer = http("GET", f"/{repo}/resolve/main/a", headers={"Range": "bytes=2-4"})
    assert (answer.status, answer.body, answer.headers["Content-Range"]) == (206, b"234", "bytes 2-4/10")
    assert http("GET", f"/{repo}/resolve/main/a", headers={"Range": "bytes=20-"}).status == 416


def test_pages_from_users_cannot_run_here(http, api, repo):
    api.upload_file(path_or_fileobj=b"<script>alert(1)</script>", path_in_repo="x.html", repo_id=repo)
    answer = http("GET", f"/{repo}/resolve/main/x.html")
    assert "html" not in answer.headers["Content-Type"]
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert "sandbox" in answer.headers["Content-Security-Policy"] and answer.headers["X-Content-Type-Options"] == "nosniff"


def test_card_is_sanitised(http, api, repo):
    api.upload_file(path_or_fileobj=b"# T\n<script>alert(1)</script>\n[x](javascript:alert(1)) ![p](img/a.png)\n", path_in_repo="README.md", repo_id=repo)
    html = http("GET", f"/api/lyceum/models/{repo}/card").body.decode()
    assert "<h1>T</h1>" in html and "script" not in html and f'src="/{repo}/resolve/main/img/a.png"' in html


# --- private repositories -----------------------------------------------------------------------------------------------

@pytest.fixture
def private_repo(api, new_name):
    name = new_name()
    api.create_repo(name, private=True)
    api.upload_file(path_or_fileobj=b"secret", path_in_repo="a.txt", repo_id=name)
    return name


def test_private_repo_is_hidden_from_strangers(http, guest, private_repo):
    for token, status in ((None, 401), (guest[1], 404)):
        for path in (f"/api/models/{private_repo}", f"/{private_repo}/resolve/main/a.txt", f"/api/models/{private_repo}/tree/main"):
            answer = http("GET", path, token=token)
            assert (answer.status, answer.headers["X-Error-Code"]) == (status, "RepoNotFound"), path


def test_private_repo_is_not_listed_for_strangers(http, guest, private_repo):
    for token in (None, guest[1]):
        assert private_repo not in [m["id"] for m in http("GET", "/api/models?limit=1000", token=token).json()]


def test_owner_reads_the_private_repo(api, private_repo, tmp_path):
    assert open(api.hf_hub_download(private_repo, "a.txt", cache_dir=tmp_path)).read() == "secret"


def test_organisation_member_reads_and_writes(http, guest, hub, new_name):
    http("POST", "/api/lyceum/organizations", {"name": "team", "fullname": "The Team"})
    http("POST", "/api/repos/create", {"name": "shared", "organization": "team", "private": True})
    user, token = guest
    assert http("GET", "/api/models/team/shared", token=token).status == 404
    http("PUT", f"/api/lyceum/organizations/team/members/{user}", {"role": "read"})
    assert http("GET", "/api/models/team/shared", token=token).status == 200
    assert http("GET", "/api/models/team/shared/auth-check/write", token=token).status == 403
    http("PUT", f"/api/lyceum/organizations/team/members/{user}", {"role": "write"})
    assert http("GET", "/api/models/team/shared/auth-check/write", token=token).status == 200


# --- browser sessions ---------------------------------------------------------------------------------------------------

def test_session_cookie_signs_in_and_other_sites_cannot_use_it(http, hub):
    answer = http("POST", "/api/lyceum/sign-in", {"token": hub.token}, token=None, headers={"Origin": hub.url})
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    mine = {"Cookie": cookie.split(";")[0]}
    assert http("GET", "/api/lyceum/me", token=None, headers=mine).json()["name"] == "admin"
    body = {"name": "x", "role": "read"}
    assert http("POST", "/api/lyceum/tokens", body, token=None, headers={**mine, "Origin": "http://evil.example"}).status == 403
    assert http("POST", "/api/lyceum/tokens", body, token=None, headers=mine).status == 403
    assert http("POST", "/api/lyceum/tokens", body, token=None, headers={**mine, "Origin": hub.url}).status == 200
    http("POST", "/api/lyceum/sign-out", {}, token=None, headers={**mine, "Origin": hub.url})
    assert http("GET", "/api/lyceum/me", token=None, headers=mine).json() is None
