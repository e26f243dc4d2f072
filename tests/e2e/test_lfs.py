"""LFS: uploads in parts, locks, quotas, several uploads of one file at once."""
import hashlib
import io
import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

import harness

MEDIA = "application/vnd.git-lfs+json"


@pytest.fixture(scope="module")
def small_parts(hub, tmp_path_factory):
    """A hub that takes more than 1 MiB in parts, and 1 GiB in all."""
    folder = tmp_path_factory.mktemp("parts")
    with harness.Server(folder / "data", extra=["--lfs-part-mib", "1", "--quota-namespace-gib", "1"]) as server:
        yield server


@pytest.fixture
def parts_api(small_parts):
    from huggingface_hub import HfApi
    return HfApi(endpoint=small_parts.url, token=small_parts.token)


def send(server, method, url, body=None, headers=None):
    request = urllib.request.Request(url if url.startswith("http") else server.url + url, data=body, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def batch(server, repo, content, transfers=("basic", "multipart"), size=None):
    oid = hashlib.sha256(content).hexdigest()
    body = {"operation": "upload", "transfers": list(transfers), "objects": [{"oid": oid, "size": size or len(content)}], "hash_algo": "sha_256"}
    status, _, answer = send(server, "POST", f"/{repo}.git/info/lfs/objects/batch", json.dumps(body).encode(),
                             {"Authorization": "Bearer " + server.token, "Content-Type": MEDIA, "Accept": MEDIA})
    assert status == 200, answer
    return oid, json.loads(answer)


@pytest.mark.parametrize("size", [1 << 20, (1 << 20) + 1, 5_000_000])
def test_python_uploads_in_parts(parts_api, size):
    from huggingface_hub import CommitOperationAdd
    repo = f"admin/parts-{size}"
    content = hashlib.sha256(str(size).encode()).digest() * (size // 32 + 1)
    content = content[:size]
    parts_api.create_repo(repo)
    parts_api.create_commit(repo, [CommitOperationAdd("w.bin", io.BytesIO(content))], commit_message="in parts")
    assert open(parts_api.hf_hub_download(repo, "w.bin", force_download=True), "rb").read() == content


def test_parts_are_checked_one_by_one_and_together(small_parts, parts_api):
    repo, content = "admin/checked", bytes(range(256)) * 10000
    parts_api.create_repo(repo)
    oid, plan = batch(small_parts, repo, content)
    assert plan["transfer"] == "multipart"
    upload = plan["objects"][0]["actions"]["upload"]
    keys = [k for k in upload["header"] if k != "chunk_size"]
    assert upload["header"]["chunk_size"] == str(1 << 20) and keys == ["00001", "00002", "00003"]
    chunks = [content[i << 20:(i + 1) << 20] for i in range(3)]
    assert send(small_parts, "PUT", upload["header"]["00001"], chunks[1][:-1])[0] == 422
    tags = [send(small_parts, "PUT", upload["header"][k], c)[1]["ETag"] for k, c in zip(keys, chunks)]
    complete = lambda parts: send(small_parts, "POST", upload["href"], json.dumps({"oid": oid, "parts": parts}).encode(), {"Content-Type": MEDIA})[0]
    listed = [{"partNumber": i + 1, "etag": t} for i, t in enumerate(tags)]
    assert complete(listed[:2]) == 422
    assert complete(listed[::-1]) == 422
    assert complete([{**listed[0], "etag": "x"}] + listed[1:]) == 422
    small_parts.stop()
    small_parts.start()  # parts survive a restart
    assert complete(listed) == 200
    assert complete(listed) == 200
    assert batch(small_parts, repo, content)[1]["objects"][0].get("actions") is None


def test_parts_that_do_not_make_the_file_are_refused(small_parts, parts_api):
    repo, content = "admin/wrong", b"w" * 2_000_000
    parts_api.create_repo(repo)
    oid, plan = batch(small_parts, repo, content)
    upload = plan["objects"][0]["actions"]["upload"]
    tags = [send(small_parts, "PUT", upload["header"][k], b"v" * n)[1]["ETag"] for k, n in [("00001", 1 << 20), ("00002", 2_000_000 - (1 << 20))]]
    body = json.dumps({"oid": oid, "parts": [{"partNumber": i + 1, "etag": t} for i, t in enumerate(tags)]}).encode()
    assert send(small_parts, "POST", upload["href"], body)[0] == 422
    assert batch(small_parts, repo, content)[1]["objects"][0]["actions"]


def test_javascript_uploads_in_parts(small_parts):
    script = """import { createRepo, uploadFiles, downloadFile } from '@huggingface/hub';
    const [hubUrl, accessToken] = process.argv.slice(1); const to = { hubUrl, accessToken, repo: { type: 'model', name: 'admin/js-parts' } };
    const data = new Uint8Array(3_000_000).map((_, i) => i * 7); await createRepo(to);
    await uploadFiles({ ...to, useXet: false, files: [{ path: 'w.bin', content: new Blob([data]) }] });
    const back = new Uint8Array(await (await downloadFile({ ...to, path: 'w.bin' })).arrayBuffer());
    console.log(back.length, back.every((b, i) => b === data[i]));"""
    path = harness.ROOT / "tests/e2e"
    out = harness.run(["node", "--input-type=module", "-e", script, "--", small_parts.url, small_parts.token], cwd=path)
    assert out.stdout.split() == ["3000000", "true"], out.stdout + out.stderr


def test_quota_is_told_before_the_upload(small_parts, parts_api):
    parts_api.create_repo("admin/full")
    _, plan = batch(small_parts, "admin/full", b"huge", size=2 << 30)
    error = plan["objects"][0]["error"]
    assert error["code"] == 403 and "quota of the namespace admin" in error["message"]


def test_ten_uploads_of_one_file_at_once(api, http, hub, repo, new_name):
    content = b"same" * 500_000
    repos = [repo] + [new_name() for _ in range(2)]
    for name in repos[1:]:
        api.create_repo(name)
    links = [batch(hub, name, content, ["basic"])[1]["objects"][0]["actions"] for name in repos * 3]
    with ThreadPoolExecutor(9) as pool:
        assert set(pool.map(lambda a: send(hub, "PUT", a["upload"]["href"], content)[0], links)) == {200}
    oid = hashlib.sha256(content).hexdigest()
    verify = json.dumps({"oid": oid, "size": len(content)}).encode()
    assert {send(hub, "POST", a["verify"]["href"], verify)[0] for a in links} == {200}


def test_git_lfs_locks(hub, env, api, guest, repo, tmp_path, http):
    git_env = dict(env, HOME=str(tmp_path), GIT_CONFIG_NOSYSTEM="1", GIT_AUTHOR_NAME="t", GIT_AUTHOR_EMAIL="t@x", GIT_COMMITTER_NAME="t", GIT_COMMITTER_EMAIL="t@x")
    (tmp_path / "empty").write_text("")
    git = lambda *arguments, cwd=tmp_path, check=True: harness.run(["git", *arguments], env=git_env, cwd=cwd, check=check)
    git("lfs", "install", "--skip-repo")
    git("clone", "-q", hub.url.replace("://", f"://admin:{hub.token}@") + "/" + repo, "w")
    work = tmp_path / "w"
    (work / "w.bin").write_bytes(b"1" * 2_000_000)
    git("add", ".", cwd=work)
    git("commit", "-q", "-m", "w", cwd=work)
    git("push", "-q", "origin", "main", cwd=work)
    assert "Locked w.bin" in git("lfs", "lock", "w.bin", cwd=work).stdout
    listed = git("lfs", "locks", cwd=work).stdout
    assert "w.bin" in listed and "admin" in listed
    again = git("lfs", "lock", "w.bin", cwd=work, check=False)
    assert again.returncode != 0
    verified = git("lfs", "locks", "--verify", cwd=work).stdout
    assert verified.startswith("O ")
    (work / "w.bin").write_bytes(b"2" * 2_000_000)
    git("commit", "-q", "-a", "-m", "w2", cwd=work)
    pushed = git("push", "origin", "main", cwd=work)
    assert "w.bin" in pushed.stdout + pushed.stderr  # "Consider unlocking your own locked files"
    foreign = http("POST", f"/{repo}.git/info/lfs/locks", {"path": "x.bin"}, token=guest[1])
    assert foreign.status == 403
    assert "Unlocked w.bin" in git("lfs", "unlock", "w.bin", cwd=work).stdout
