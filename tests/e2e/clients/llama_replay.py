"""llama.cpp's `-hf`, replayed: the requests of its common/hf-cache.cpp and common/download.cpp, in their order, with their headers.
This is not the client: no package of it that downloads by itself could be installed. What it checks, this checks."""
import json

from matrix import GUEST, TOKEN, equal, holds, http, large, new_name, operation, run, sha256

AGENT = {"User-Agent": "llama-cpp/b0-replay"}
JSON = {**AGENT, "Accept": "application/json"}


def make(**more):
    name = new_name()
    http("POST", "/api/repos/create", {"name": name.split("/")[1], **more})
    return name


def put_large(name, path, data):
    batch = {"operation": "upload", "transfers": ["basic"], "objects": [{"oid": sha256(data), "size": len(data)}]}
    actions = http("POST", f"/{name}.git/info/lfs/objects/batch", batch).json()["objects"][0].get("actions")
    if actions:
        equal(http("PUT", actions["upload"]["href"], data, token=None).status, 200)
    lines = [{"key": "header", "value": {"summary": "put"}}, {"key": "lfsFile", "value": {"path": path, "algo": "sha256", "oid": sha256(data), "size": len(data)}}]
    equal(http("POST", f"/api/models/{name}/commit/main", "\n".join(map(json.dumps, lines)).encode()).status, 200)


def find_commit(name, token):
    refs = http("GET", f"/api/models/{name}/refs", token=token, headers=JSON)
    equal(refs.status, 200)
    commit = next(b["targetCommit"] for b in refs.json()["branches"] if b["name"] == "main")
    equal((len(commit), set(commit) - set("0123456789abcdef")), (40, set()))
    return commit


def list_files(name, commit, token):
    """One page only: it follows no Link."""
    tree = http("GET", f"/api/models/{name}/tree/{commit}?recursive=true", token=token, headers=JSON)
    equal(tree.status, 200)
    return {e["path"]: e.get("lfs", e)["oid"] for e in tree.json() if e["type"] == "file"}


def pull(name, commit, path, token, have=b""):
    head = http("HEAD", f"/{name}/resolve/{commit}/{path}", token=token, headers=AGENT)
    holds(200 <= head.status < 300, head.status)
    holds(head.headers["ETag"] and head.headers["Accept-Ranges"] not in (None, "none"), dict(head.headers))
    answer = http("GET", f"/{name}/resolve/{commit}/{path}", token=token, headers={**AGENT, **({"Range": f"bytes={len(have)}-"} if have else {})})
    equal(answer.status, 206 if have else 200)
    data = have + answer.body
    equal(len(data), int(head.headers["Content-Length"]))
    return data, head.headers["ETag"]


@operation("refs, tree, HEAD, GET of a GGUF file")
def _():
    name = make()
    data = b"GGUF" + large("gguf")
    put_large(name, "model-Q4_K_M.gguf", data)
    commit = find_commit(name, TOKEN)
    equal(list_files(name, commit, TOKEN)["model-Q4_K_M.gguf"], sha256(data))
    equal(sha256(pull(name, commit, "model-Q4_K_M.gguf", TOKEN)[0]), sha256(data))


@operation("resumed download with Range, stable ETag")
def _():
    name = make()
    data = b"GGUF" + large("resume")
    put_large(name, "m.gguf", data)
    commit = find_commit(name, None)
    whole, tag = pull(name, commit, "m.gguf", None)
    resumed, again = pull(name, commit, "m.gguf", None, have=data[:100_000])
    equal((sha256(whole), sha256(resumed), tag), (sha256(data), sha256(data), again))


@operation("shards in folders, more than a thousand files on the one page")
def _():
    name = make()
    lines = [{"key": "header", "value": {"summary": "many"}}] + [{"key": "file", "value": {"path": f"n/{i}", "content": "", "encoding": "utf-8"}} for i in range(1500)]
    http("POST", f"/api/models/{name}/commit/main", "\n".join(map(json.dumps, lines)).encode())
    for i in (1, 2):
        put_large(name, f"Q8_0/m-0000{i}-of-00002.gguf", b"GGUF" + large(i, 1 << 20))
    commit = find_commit(name, TOKEN)
    listed = list_files(name, commit, TOKEN)
    holds({f"Q8_0/m-0000{i}-of-00002.gguf" for i in (1, 2)} <= set(listed) and len(listed) > 1500, len(listed))
    equal(sha256(pull(name, commit, "Q8_0/m-00002-of-00002.gguf", TOKEN)[0]), sha256(b"GGUF" + large(2, 1 << 20)))


@operation("private: with the token, without, with another's")
def _():
    name = make(private=True)
    put_large(name, "m.gguf", b"GGUF" + large("private", 1 << 20))
    commit = find_commit(name, TOKEN)
    holds(pull(name, commit, "m.gguf", TOKEN)[0].startswith(b"GGUF"), "content")
    for token, status in ((None, 401), (GUEST, 404)):
        answer = http("GET", f"/api/models/{name}/refs", token=token, headers=JSON)
        equal(answer.status, status)
        holds(isinstance(answer.json()["error"], str), "the error it prints")


run()
