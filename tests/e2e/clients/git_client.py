"""git and git-lfs."""
import json
import os

from matrix import GUEST, TOKEN, URL, command, equal, folder, holds, http, large, new_name, operation, run, sha256


def address(name, token=TOKEN, user="admin", kind="model"):
    at = URL.replace("://", f"://{user}:{token}@") if token else URL
    return f"{at}/{'' if kind == 'model' else kind + 's/'}{name}"


def git(*arguments, at=None, ok=True, **more):
    return command("git", "-c", "user.name=T", "-c", "user.email=t@example.org", *(["-C", at] if at else []), *arguments, ok=ok, env={"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true"}, **more)


def make(kind="model", **more):
    name = new_name()
    equal(http("POST", "/api/repos/create", {"name": name.split("/")[1], "type": kind, **more}).status, 200)
    return name


def clone(name, *options, **more):
    target = folder() / "w"
    git("clone", "-q", *options, address(name, **more), target)
    return target


def commit(work, path, data, message="change"):
    (work / path).parent.mkdir(parents=True, exist_ok=True)
    (work / path).write_bytes(data)
    git("add", "-A", at=work)
    git("commit", "-q", "-m", message, at=work)


def hub(path, **more):
    return http("GET", path, **more).json()


def body(name, path, revision="main"):
    return http("GET", f"/{name}/resolve/{revision}/{path}").body


git("lfs", "install")


@operation("clone, commit, push, pull: model, dataset, .git address")
def _():
    for kind in ("model", "dataset"):
        name = make(kind)
        work = clone(name, kind=kind)
        commit(work, "dir/a.txt", b"from git\n", "From git")
        git("push", "-q", at=work)
        equal(hub(f"/api/{kind}s/{name}/commits/main")[0]["title"], "From git")
        target = folder() / "again"
        git("clone", "-q", address(name, kind=kind) + ".git", target)
        equal((target / "dir/a.txt").read_bytes(), b"from git\n")
        lines = [{"key": "header", "value": {"summary": "api"}}, {"key": "file", "value": {"path": "b.txt", "content": "b", "encoding": "utf-8"}}]
        http("POST", f"/api/{kind}s/{name}/commit/main", "\n".join(map(json.dumps, lines)).encode())
        git("pull", "-q", "--ff-only", at=work)
        equal((work / "b.txt").read_text(), "b")
        git("fsck", "--strict", at=work)


@operation("a conflicting push is refused, a forced one is taken")
def _():
    name = make()
    one, two = clone(name), clone(name)
    commit(one, "a", b"1")
    git("push", "-q", at=one)
    commit(two, "a", b"2")
    holds("rejected" in git("push", "-q", at=two, ok=False), "rejected")
    git("push", "-q", "--force", at=two)
    equal(body(name, "a"), b"2")


@operation("shallow clone and deepening")
def _():
    name = make()
    work = clone(name)
    for i in range(5):
        commit(work, "a", b"%d" % i)
    git("push", "-q", at=work)
    shallow = clone(name, "--depth", "1")
    equal(git("rev-list", "--count", "HEAD", at=shallow).strip(), "1")
    git("fetch", "-q", "--deepen", "2", at=shallow)
    equal(git("rev-list", "--count", "HEAD", at=shallow).strip(), "3")
    git("fetch", "-q", "--unshallow", at=shallow)
    equal(git("rev-list", "--count", "HEAD", at=shallow).strip(), "6")
    commit(shallow, "b", b"x")
    git("push", "-q", at=shallow)


@operation("partial clone: --filter=blob:none, blobs on demand")
def _():
    name = make()
    work = clone(name)
    for i in range(10):
        commit(work, f"f{i}", os.urandom(2000))
    git("push", "-q", at=work)
    partial = clone(name, "--filter=blob:none", "--no-checkout")
    missing = [line for line in git("rev-list", "--objects", "--all", "--missing=print", at=partial).splitlines() if line.startswith("?")]
    holds(len(missing) >= 10, missing)
    git("checkout", "-q", "main", "--", "f3", at=partial)
    equal((partial / "f3").read_bytes(), (work / "f3").read_bytes())
    sparse = clone(name, "--filter=tree:0", "--sparse")
    holds((sparse / "f1").exists(), "f1")


@operation("LFS: push and pull of large files, by attributes and by size")
def _():
    name = make()
    work = clone(name)
    data = large("git")
    commit(work, "w.safetensors", data)
    holds(git("show", "HEAD:w.safetensors", at=work).startswith("version https://git-lfs"), "a pointer in git")
    git("push", "-q", at=work)
    equal(sha256(body(name, "w.safetensors")), sha256(data))
    again = clone(name)
    equal(sha256((again / "w.safetensors").read_bytes()), sha256(data))
    (again / "w.safetensors").unlink()
    git("lfs", "fetch", "--all", at=again)
    git("checkout", "-q", "--", "w.safetensors", at=again)
    git("lfs", "fsck", at=again)
    entry = [e for e in hub(f"/api/models/{name}/tree/main") if e["path"] == "w.safetensors"][0]
    equal((entry["lfs"]["oid"], entry["size"]), (sha256(data), len(data)))


@operation("LFS: GIT_LFS_SKIP_SMUDGE, then one file")
def _():
    name = make()
    work = clone(name)
    for file in ("a.bin", "b.bin"):
        commit(work, file, large(file, 1 << 20))
    git("push", "-q", at=work)
    target = folder() / "w"
    command("git", "clone", "-q", address(name), target, env={"GIT_LFS_SKIP_SMUDGE": "1"})
    holds((target / "a.bin").read_bytes().startswith(b"version https://git-lfs"), "a pointer")
    git("lfs", "pull", "--include", "b.bin", at=target)
    equal((sha256((target / "b.bin").read_bytes()), (target / "a.bin").read_bytes()[:7]), (sha256(large("b.bin", 1 << 20)), b"version"))


@operation("LFS: a pointer without its object is refused")
def _():
    name = make()
    work = clone(name)
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'ab' * 32}\nsize 12345\n".encode()
    (work / "w.bin").write_bytes(pointer)
    git("add", "w.bin", at=work)
    git("commit", "-q", "-m", "bare pointer", at=work)
    holds("LFS object" in git("push", "-q", "--no-verify", at=work, ok=False), "the reason")
    equal(http("GET", f"/{name}/resolve/main/w.bin").status, 404)


@operation("LFS locks: lock, list, refuse another's, unlock")
def _():
    name = make()
    work = clone(name)
    commit(work, "w.bin", large("lock", 1 << 20))
    git("push", "-q", at=work)
    git("lfs", "lock", "w.bin", at=work)
    holds("w.bin" in git("lfs", "locks", at=work), "locks")
    holds("w.bin" in git("lfs", "locks", "--verify", at=work), "verify")
    holds("lock" in git("lfs", "lock", "w.bin", at=work, ok=False).lower(), "twice")
    git("lfs", "unlock", "w.bin", at=work)
    equal(git("lfs", "locks", at=work).strip(), "")


@operation("a file over 10 MiB outside LFS is refused with advice")
def _():
    name = make()
    work = clone(name)
    commit(work, "big.txt", os.urandom(11 << 20))
    holds("git-lfs" in git("push", "-q", at=work, ok=False), "advice")
    equal(http("GET", f"/{name}/resolve/main/big.txt").status, 404)


@operation("branches and tags: push, list, delete; main stays")
def _():
    name = make()
    work = clone(name)
    git("checkout", "-q", "-b", "feature/x", at=work)
    commit(work, "a", b"x")
    git("tag", "-a", "v1", "-m", "first", at=work)
    git("push", "-q", "origin", "feature/x", "v1", at=work)
    refs = hub(f"/api/models/{name}/refs")
    equal(({b["name"] for b in refs["branches"]}, {t["name"] for t in refs["tags"]}), ({"main", "feature/x"}, {"v1"}))
    equal(hub(f"/api/models/{name}/revision/v1")["sha"], git("rev-parse", "HEAD", at=work).strip())
    git("push", "-q", "origin", "--delete", "feature/x", at=work)
    holds("main" in git("push", "-q", "origin", "--delete", "main", at=work, ok=False), "main stays")
    equal({b["name"] for b in hub(f"/api/models/{name}/refs")["branches"]}, {"main"})


@operation("pull request refs: hidden from clones, fetched by name, pushed by who may write")
def _():
    name = make()
    http("POST", f"/api/models/{name}/discussions", {"title": "p", "description": "", "pullRequest": True})
    work = clone(name)
    holds("refs/pr" not in git("for-each-ref", at=work), "a clone has no refs/pr")
    git("fetch", "-q", "origin", "refs/pr/1:pr/1", at=work)
    git("checkout", "-q", "pr/1", at=work)
    commit(work, "a.txt", b"by git\n", "By git")
    git("push", "-q", "origin", "pr/1:refs/pr/1", at=work)
    equal((body(name, "a.txt", "refs%2Fpr%2F1"), http("GET", f"/{name}/resolve/main/a.txt").status), (b"by git\n", 404))
    equal([e["data"]["subject"] for e in hub(f"/api/models/{name}/discussions/1")["events"] if e["type"] == "commit"], ["By git"])


@operation("a stranger pushes to the pull request that he opened, and to nothing else")
def _():
    name = make()
    guest = {"token": GUEST, "user": "guest"}
    work = clone(name, **guest)
    commit(work, "a.txt", b"theirs\n", "Theirs")
    holds("403" in git("push", "-q", at=work, ok=False), "no right at all")
    equal(http("POST", f"/api/models/{name}/discussions", {"title": "p", "description": "", "pullRequest": True}, token=GUEST).status, 200)
    http("POST", f"/api/models/{name}/discussions", {"title": "q", "description": "", "pullRequest": True})
    commit(work, "w.bin", large("stranger", 1 << 20))
    git("push", "-q", "origin", "HEAD:refs/pr/1", at=work)
    equal((body(name, "a.txt", "refs%2Fpr%2F1"), sha256(body(name, "w.bin", "refs%2Fpr%2F1"))), (b"theirs\n", sha256(large("stranger", 1 << 20))))
    for ref in ("refs/heads/main", "refs/heads/other", "refs/tags/v1", "refs/pr/2", "refs/pr/9"):
        holds("guest has no right to change" in git("push", "-q", "origin", f"HEAD:{ref}", at=work, ok=False), ref)
    equal([r["name"] for r in hub(f"/api/models/{name}/refs")["branches"]], ["main"])
    equal(http("POST", f"/api/models/{name}/discussions/1/merge", {}).status, 200)
    equal(sha256(body(name, "w.bin")), sha256(large("stranger", 1 << 20)))


@operation("private: who may clone; a read token may not push")
def _():
    name = make(private=True)
    git("ls-remote", address(name, token=None), ok=False)
    holds("not found" in git("ls-remote", address(name, token=GUEST, user="guest"), ok=False).lower(), "for a stranger it does not exist")
    git("ls-remote", address(name))
    reader = http("POST", "/api/lyceum/tokens", {"name": "git", "role": "read"}).json()["token"]
    work = clone(name, token=reader)
    commit(work, "a", b"1")
    holds("403" in git("push", "-q", at=work, ok=False), "read only")
    git("ls-remote", address(name, token="hf_" + "x" * 34), ok=False)


@operation("gated: cloning needs the grant")
def _():
    name = make()
    http("PUT", f"/api/models/{name}/settings", {"gated": "manual"})
    git("clone", "-q", address(name, token=GUEST, user="guest"), folder() / "w", ok=False)
    http("POST", f"/api/models/{name}/user-access-request/grant", {"user": "guest"})
    clone(name, token=GUEST, user="guest")


@operation("the old name works after a move")
def _():
    name, moved = make(), new_name()
    work = clone(name)
    equal(http("POST", "/api/repos/move", {"fromRepo": name, "toRepo": moved, "type": "model"}).status, 200)
    commit(work, "w.bin", large("moved", 1 << 20))
    git("push", "-q", at=work)
    equal(sha256(body(moved, "w.bin")), sha256(large("moved", 1 << 20)))


@operation("protocol versions 0, 1 and 2")
def _():
    name = make()
    for version in ("0", "1", "2"):
        target = folder() / "w"
        git("-c", f"protocol.version={version}", "clone", "-q", address(name), target)
        commit(target, f"v{version}", b"x")
        git("-c", f"protocol.version={version}", "push", "-q", at=target)
    equal({e["path"] for e in hub(f"/api/models/{name}/tree/main")} - {".gitattributes"}, {"v0", "v1", "v2"})


@operation("many files in one push, names beyond ASCII, executable bits, links")
def _():
    name = make()
    work = clone(name)
    for i in range(300):
        (work / f"d{i % 10}").mkdir(exist_ok=True)
        (work / f"d{i % 10}/f{i}").write_text(str(i))
    (work / "ü ö.txt").write_text("odd")
    (work / "run.sh").write_text("#!/bin/sh\n")
    (work / "run.sh").chmod(0o755)
    (work / "link").symlink_to("run.sh")
    commit(work, "last", b"x")
    git("push", "-q", at=work)
    again = clone(name)
    equal((len([p for p in again.rglob("f*") if p.is_file() and ".git" not in p.parts]), (again / "ü ö.txt").read_text(), os.access(again / "run.sh", os.X_OK), os.readlink(again / "link")),
          (300, "odd", True, "run.sh"))
    equal(http("GET", f"/{name}/resolve/main/%C3%BC%20%C3%B6.txt").body, b"odd")


run()
