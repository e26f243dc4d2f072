"""The `hf` command of huggingface_hub 1.19 and newer: every subcommand that talks to the hub."""
import json
import os
import pathlib
import sys

from matrix import GUEST, TOKEN, URL, NotAvailable, command, equal, folder, holds, http, large, new_name, operation, run, sha256, wait_for

HF = pathlib.Path(sys.executable).parent / "hf"


def hf(*arguments, ok=True, **more):
    try:
        text = command(HF, *arguments, ok=ok, **more)
    except AssertionError as error:
        require_known(str(error), arguments)
        raise
    if not ok:
        require_known(text, arguments)
    return text


def require_known(text, arguments):
    """n/a when this version of the command has no such subcommand or option."""
    if "No such command" in text or "No such option" in text or "no such command" in text:
        raise NotAvailable("this version has no `hf " + " ".join(map(str, arguments))[:70] + "`")


def hf_json(*arguments):
    hf(*arguments, "--format", "json")
    return json.loads(command.out)


def hub(path, **more):
    return http("GET", path, **more).json()


def make(kind="model"):
    name = new_name()
    http("POST", "/api/repos/create", {"name": name.split("/")[1], "type": kind, **({"sdk": "static"} if kind == "space" else {})})
    return name


def put(name, path, content, kind="model"):
    lines = [{"key": "header", "value": {"summary": "put"}}, {"key": "file", "value": {"path": path, "content": content, "encoding": "utf-8"}}]
    equal(http("POST", f"/api/{kind}s/{name}/commit/main", "\n".join(json.dumps(line) for line in lines).encode()).status, 200)


def paths(name, revision="main", kind="model"):
    return {e["path"] for e in hub(f"/api/{kind}s/{name}/tree/{revision}?recursive=true") if e["type"] == "file"} - {".gitattributes"}


def body(name, path, revision="main", kind="model"):
    return http("GET", f"/{'' if kind == 'model' else kind + 's/'}{name}/resolve/{revision}/{path}").body


def not_offered(*arguments):
    text = hf(*arguments, ok=False)
    holds("his hub" in text and "Traceback" not in text, text[-500:])


# --- bytes: over LFS and over Xet ---------------------------------------------------------------------------------------------------------
@operation("hf upload and hf download of a folder with large files")
def _():
    name, source, out = new_name(), folder(), folder()
    (source / "w.safetensors").write_bytes(large("cli"))
    (source / "sub").mkdir()
    (source / "sub/a.txt").write_text("small")
    hf("upload", name, source, ".", "--commit-message", "From the command line")
    equal(hub(f"/api/models/{name}/commits/main")[0]["title"], "From the command line")
    hf("download", name, "--local-dir", out)
    equal((sha256((out / "w.safetensors").read_bytes()), (out / "sub/a.txt").read_text()), (sha256(large("cli")), "small"))


@operation("hf upload of one file, into a folder, as a pull request, private")
def _():
    name, source = new_name(), folder()
    (source / "w.bin").write_bytes(large("one"))
    hf("upload", name, source / "w.bin", "in/w.bin", "--private")
    holds(hub(f"/api/models/{name}")["private"], "private")
    equal(sha256(body(name, "in/w.bin")), sha256(large("one")))
    (source / "w.bin").write_bytes(large("two"))
    hf("upload", name, source / "w.bin", "w.bin", "--create-pr")
    equal((paths(name), paths(name, "refs%2Fpr%2F1")), ({"in/w.bin"}, {"in/w.bin", "w.bin"}))


@operation("hf upload with include, exclude, delete")
def _():
    name, source = make("dataset"), folder()
    for file in ("a.csv", "b.csv", "c.log"):
        (source / file).write_text(file)
    put(name, "old.csv", "x", "dataset")
    hf("upload", name, source, ".", "--repo-type", "dataset", "--include", "*.csv", "--exclude", "b*", "--delete", "old*")
    equal(paths(name, kind="dataset"), {"a.csv"})


@operation("hf download: files, patterns, revision, quiet, dry run")
def _():
    name, out = make(), folder()
    put(name, "a.txt", "one")
    first = hub(f"/api/models/{name}")["sha"]
    put(name, "a.txt", "two")
    put(name, "b/c.json", "{}")
    hf("download", name, "a.txt", "--revision", first, "--local-dir", out)
    equal((out / "a.txt").read_text(), "one")
    hf("download", name, "--include", "b/*", "--local-dir", out)
    holds((out / "b/c.json").exists(), "b/c.json")
    holds(first not in hf("download", name, "--dry-run"), "dry run")
    for words, arguments in (("not found", ("admin/absent",)), ("not found", (name, "absent.txt")), ("not found", (name, "--revision", "absent"))):
        holds(words in hf("download", *arguments, ok=False).lower(), arguments)


@operation("hf cp between the disk and repositories")
def _():
    name, other, out = make(), make(), folder()
    (out / "w.bin").write_bytes(large("cp"))
    hf("cp", out / "w.bin", f"hf://{name}/in/w.bin")
    equal(sha256(body(name, "in/w.bin")), sha256(large("cp")))
    hf("cp", f"hf://{name}/in/w.bin", out / "back.bin")
    equal(sha256((out / "back.bin").read_bytes()), sha256(large("cp")))
    put(name, "a.txt", "printed")
    holds("printed" in hf("cp", f"hf://{name}/a.txt", "-"), "to the screen")
    hf("cp", f"hf://{name}/a.txt", cwd=out)
    equal((out / "a.txt").read_text(), "printed")
    hf("cp", f"hf://{name}/in/", f"hf://{other}/copied/")
    equal(sha256(body(other, "copied/w.bin")), sha256(large("cp")))


# --- everything else -----------------------------------------------------------------------------------------------------------------------
if os.environ.get("MATRIX_BYTES") == "lfs":
    run()
    sys.exit()


@operation("hf auth: login, whoami, list, token, switch, logout")
def _():
    env = {"HF_HOME": str(folder()), "HF_TOKEN": ""}
    hf("auth", "login", "--token", TOKEN, env=env)
    holds("admin" in hf("auth", "whoami", env=env), "whoami")
    hf("auth", "token", env=env)
    equal(command.out.strip().splitlines()[-1].strip().removeprefix("token:").strip(), TOKEN)
    hf("auth", "login", "--token", GUEST, env=env)
    hf("auth", "list", env=env)
    hf("auth", "logout", env=env)
    holds("Traceback" not in hf("auth", "login", "--token", "hf_" + "z" * 34, env=env, ok=False), "a wrong token")


@operation("hf repos: create, list, settings, duplicate, move, delete")
def _():
    name = new_name()
    hf("repos", "create", name, "--type", "dataset", "--private")
    holds(hub(f"/api/datasets/{name}")["private"], "private")
    holds("409" in hf("repos", "create", name, "--type", "dataset", ok=False) or "already" in command.out, "twice")
    hf("repos", "create", name, "--type", "dataset", "--exist-ok")
    rows = {r["id"]: r for r in hf_json("repos", "list", "--limit", "100")}
    holds(name in rows, rows)
    hf("repos", "settings", name, "--type", "dataset", "--gated", "auto", "--public")
    equal((hub(f"/api/datasets/{name}")["gated"], hub(f"/api/datasets/{name}")["private"]), ("auto", False))
    copy, moved = new_name(), new_name()
    hf("repos", "duplicate", name, copy, "--type", "dataset")
    hf("repos", "move", copy, moved, "--type", "dataset")
    equal(hub(f"/api/datasets/{moved}")["id"], moved)
    hf("repos", "delete", moved, "--type", "dataset", "--yes")
    equal(http("GET", f"/api/datasets/{moved}").status, 404)
    holds("Traceback" not in hf("repos", "delete", moved, "--type", "dataset", "--yes", ok=False), "a missing one")
    hf("repos", "delete", moved, "--type", "dataset", "--yes", "--missing-ok")


@operation("hf repos create of a Space, with what is not offered")
def _():
    name = new_name()
    hf("repos", "create", name, "--type", "space", "--sdk", "static")
    equal(hub(f"/api/spaces/{name}")["sdk"], "static")


@operation("hf repos: branch, tag")
def _():
    name = make()
    hf("repos", "branch", "create", name, "dev")
    equal({b["name"] for b in hub(f"/api/models/{name}/refs")["branches"]}, {"main", "dev"})
    hf("repos", "branch", "delete", name, "dev")
    hf("repos", "branch", "delete", name, "dev", ok=False)
    hf("repos", "tag", "create", name, "v1", "-m", "first")
    holds("v1" in hf("repos", "tag", "list", name), "v1")
    hf("repos", "tag", "delete", name, "v1", "--yes")
    equal(hub(f"/api/models/{name}/refs")["tags"], [])


@operation("hf repos delete-files")
def _():
    name = make()
    for file in ("a.log", "b.log", "dir/c.txt", "keep"):
        put(name, file, "x")
    hf("repos", "delete-files", name, "*.log", "dir/")
    equal(paths(name), {"keep"})


@operation("hf models, datasets, spaces: list, files, info, card")
def _():
    for kind in ("model", "dataset", "space"):
        name, group = make(kind), kind + "s"
        sdk = "sdk: static\n" if kind == "space" else ""
        put(name, "README.md", f"---\nlicense: mit\n{sdk}tags:\n- cli-{kind}\n---\n# Card of {name}\n", kind)
        equal([r["id"] for r in hf_json(group, "list", "--filter", f"cli-{kind}")], [name])
        holds(name in [r["id"] for r in hf_json(group, "list", "--author", "admin", "--search", name.split("/")[1], "--sort", "likes", "--limit", "50")], group)
        holds("README.md" in hf(group, "list", name, "-R"), "files")
        info = hf_json(group, "info", name)
        equal((info["id"], info["sha"]), (name, hub(f"/api/{group}/{name}")["sha"]))
        equal(hf_json(group, "info", name, "--expand", "likes,tags")["likes"], 0)
        holds(f"Card of {name}" in hf(group, "card", name), "card")
        holds("not found" in hf(group, "info", "admin/absent", ok=False).lower(), "missing")


@operation("hf models list: filters of this client")
def _():
    name = make()
    put(name, "README.md", "---\npipeline_tag: text-generation\nlibrary_name: transformers\ntags: [gguf, newt]\n---\n")
    ids = lambda *more: [r["id"] for r in hf_json("models", "list", "--filter", "newt", *more)]
    equal(ids("--pipeline-tag", "text-generation"), [name])
    equal(ids("--no-gated"), [name])
    equal(ids("--apps", "llama.cpp"), [name])
    equal(ids("--num-parameters", "min:6B,max:128B"), [])
    equal(ids("--expand", "author,likes"), [name])


@operation("hf spaces: search, templates, hardware, wait")
def _():
    name = make("space")
    put(name, "README.md", "---\nsdk: static\ntitle: Pangolin counter\n---\n# Pangolins\n", "space")
    put(name, "space.yaml", "task: text-generation\nmodel: admin/none\ntitle: Pangolin counter\n", "space")  # what runs here: a declarative Space
    wait_for(lambda: name in [r["id"] for r in hf_json("spaces", "search", "pangolin counter", "--include-non-running")], "the card's words are found")
    hf("spaces", "templates")
    hf("spaces", "hardware")
    hf("spaces", "wait", name, "--timeout", "10s")


@operation("hf spaces: what is not offered says so")
def _():
    name = make("space")
    for arguments in (("logs", name), ("logs", name, "--build"), ("pause", name), ("restart", name), ("dev-mode", name), ("settings", name, "--sleep-time", "300"),
                      ("secrets", "list", name), ("secrets", "add", name, "-s", "A=b"), ("variables", "list", name), ("variables", "add", name, "-e", "A=b"),
                      ("volumes", "delete", name, "--yes"), ("zero-gpu", "quota")):
        not_offered("spaces", *arguments)


@operation("hf datasets: leaderboard, parquet, sql")
def _():
    name = make("dataset")
    hf("datasets", "leaderboard", name)
    holds("third-party endpoints" in hf("datasets", "parquet", name, ok=False), command.out)


@operation("hf discussions: the life of one")
def _():
    name = make()
    hf("discussions", "create", name, "--title", "A question", "--body", "Why?")
    equal([(d["num"], d["title"]) for d in hf_json("discussions", "list", name)], [(1, "A question")])
    hf("discussions", "comment", name, "1", "--body", "Because.")
    details = hf_json("discussions", "info", name, "1")
    holds(details["title"] == "A question", details)
    comment = [e for e in hub(f"/api/models/{name}/discussions/1")["events"] if e["type"] == "comment"][1]["id"]
    hf("discussions", "edit", name, "1", comment, "--body", "Because of that.")
    hf("discussions", "rename", name, "1", "Better")
    hf("discussions", "close", name, "1", "--yes", "--comment", "done")
    equal((hub(f"/api/models/{name}/discussions/1")["status"], hub(f"/api/models/{name}/discussions/1")["title"]), ("closed", "Better"))
    equal(hf_json("discussions", "list", name, "--status", "open"), [])
    hf("discussions", "reopen", name, "1", "--yes")
    equal(hub(f"/api/models/{name}/discussions/1")["status"], "open")
    holds("Traceback" not in hf("discussions", "info", name, "99", ok=False), "missing")


@operation("hf discussions: a pull request, its difference, merge")
def _():
    name, source = make(), folder()
    (source / "a.txt").write_text("new line\n")
    hf("upload", name, source, ".", "--create-pr")
    equal([d["num"] for d in hf_json("discussions", "list", name, "--kind", "pull_request")], [1])
    holds("+new line" in hf("discussions", "diff", name, "1"), "diff")
    hf("discussions", "merge", name, "1", "--yes")
    equal(body(name, "a.txt"), b"new line\n")
    hf("discussions", "create", name, "--title", "Another", "--pull-request")
    equal(hub(f"/api/models/{name}/discussions/2")["isPullRequest"], True)


@operation("hf collections: the life of one")
def _():
    model = make()
    title = "CLI " + model.split("/")[1]
    made = hf_json("collections", "create", title, "--description", "what it says")
    slug = made["slug"]
    hf("collections", "add-item", slug, model, "model", "--note", "good")
    item = hub(f"/api/collections/{slug}")["items"][0]
    equal((item["id"], item["note"]["text"]), (model, "good"))
    hf("collections", "update-item", slug, item["_id"], "--note", "better", "--position", "0")
    hf("collections", "update", slug, "--private", "--theme", "green", "--title", title)
    equal((hf_json("collections", "info", slug)["private"], hub(f"/api/collections/{slug}")["items"][0]["note"]["text"]), (True, "better"))
    holds(slug in [c["slug"] for c in hf_json("collections", "list", "--owner", "admin")], "list")
    hf("collections", "delete-item", slug, item["_id"])
    hf("collections", "delete", slug, "--missing-ok") if "--yes" not in hf("collections", "delete", "--help") else hf("collections", "delete", slug, "--yes")
    equal(http("GET", f"/api/collections/{slug}").status, 404)


@operation("hf webhooks: the life of one")
def _():
    made = hf_json("webhooks", "create", "--url", "https://example.com/x", "--watch", "user:admin", "--domain", "repo", "--secret", "s")
    equal(hf_json("webhooks", "info", made["id"])["url"], "https://example.com/x")
    hf("webhooks", "update", made["id"], "--url", "https://example.com/y")
    hf("webhooks", "disable", made["id"])
    equal((hub(f"/api/settings/webhooks/{made['id']}")["webhook"]["disabled"], hub(f"/api/settings/webhooks/{made['id']}")["webhook"]["url"]), (True, "https://example.com/y"))
    hf("webhooks", "enable", made["id"])
    holds(made["id"] in [w["id"] for w in hf_json("webhooks", "list")], "list")
    hf("webhooks", "delete", made["id"], "--yes")
    equal(http("GET", f"/api/settings/webhooks/{made['id']}").status, 404)


@operation("hf cache: list, verify, rm, prune")
def _():
    name, cache = make(), folder()
    put(name, "a.txt", "cached")
    env = {"HF_HUB_CACHE": str(cache)}
    hf("download", name, env=env)
    holds(name in hf("cache", "list", env=env), "list")
    hf("cache", "verify", name, env=env)
    put(name, "a.txt", "changed")
    hf("download", name, env=env)
    hf("cache", "prune", "--yes", env=env)
    hf("cache", "rm", f"model/{name}", "--yes", env=env)
    holds(name not in hf("cache", "list", env=env), "removed")


@operation("not offered: hf jobs")
def _():
    for arguments in (("list",), ("run", "python:3.12", "true"), ("hardware",), ("inspect", "x"), ("logs", "x"), ("cancel", "x"), ("scheduled", "list"), ("stats",)):
        not_offered("jobs", *arguments)


@operation("not offered: hf buckets, hf sync")
def _():
    source = folder()
    (source / "a").write_text("a")
    for arguments in (("list",), ("create", "admin/x"), ("info", "admin/x"), ("delete", "admin/x", "--yes"), ("list", "admin/x"), ("settings", "admin/x", "--private")):
        not_offered("buckets", *arguments)
    holds('no repository type "bucket"' in hf("buckets", "move", "admin/x", "admin/y", ok=False), "move")
    not_offered("sync", source, "hf://buckets/admin/x")


@operation("not offered: hf papers")
def _():
    for arguments in (("list",), ("search", "x"), ("info", "2310.00001"), ("read", "2310.00001")):
        not_offered("papers", *arguments)


@operation("not offered: hf sandbox")
def _():
    not_offered("sandbox", "create")


@operation("hf env and hf version")
def _():
    holds(URL in hf("env"), "the endpoint")
    hf("version")


run()
