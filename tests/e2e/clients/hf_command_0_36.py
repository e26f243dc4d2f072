"""`huggingface-cli` and `hf` of huggingface_hub 0.36, which still writes LFS and negotiates Xet."""
import pathlib
import sys

from matrix import GUEST, TOKEN, URL, command, equal, folder, holds, http, large, new_name, operation, run, sha256

BIN = pathlib.Path(sys.executable).parent


def old(*arguments, **more):
    return command(BIN / "huggingface-cli", *arguments, **more)


def hf(*arguments, **more):
    return command(BIN / "hf", *arguments, **more)


def hub(path):
    return http("GET", path).json()


def paths(name, kind="model"):
    return {e["path"] for e in hub(f"/api/{kind}s/{name}/tree/main?recursive=true") if e["type"] == "file"} - {".gitattributes"}


@operation("huggingface-cli login, whoami, logout")
def _():
    env = {"HF_HOME": str(folder()), "HF_TOKEN": ""}
    old("login", "--token", TOKEN, env=env)
    holds("admin" in old("whoami", env=env), "whoami")
    old("logout", env=env)
    holds("Not logged in" in old("whoami", env=env), "whoami after logout")


@operation("hf auth login, whoami, list, logout")
def _():
    env = {"HF_HOME": str(folder()), "HF_TOKEN": ""}
    hf("auth", "login", "--token", GUEST, env=env)
    holds("guest" in hf("auth", "whoami", env=env), "whoami")
    hf("auth", "list", env=env)
    hf("auth", "logout", env=env)


@operation("huggingface-cli upload and download with large files")
def _():
    name, source, out = new_name(), folder(), folder()
    (source / "w.bin").write_bytes(large("old"))
    (source / "a.txt").write_text("small")
    old("upload", name, source, ".", "--commit-message", "by the old command")
    equal(hub(f"/api/models/{name}/commits/main")[0]["title"], "by the old command")
    old("download", name, "--local-dir", out)
    equal((sha256((out / "w.bin").read_bytes()), (out / "a.txt").read_text()), (sha256(large("old")), "small"))


@operation("hf upload as a pull request, hf download of a revision")
def _():
    name, source, out = new_name(), folder(), folder()
    (source / "w.bin").write_bytes(large("pr"))
    hf("repo", "create", name, "--repo-type", "dataset")
    hf("upload", name, source, ".", "--repo-type", "dataset", "--create-pr")
    equal(paths(name, "dataset"), set())
    hf("download", name, "w.bin", "--repo-type", "dataset", "--revision", "refs/pr/1", "--local-dir", out)
    equal(sha256((out / "w.bin").read_bytes()), sha256(large("pr")))


@operation("hf upload-large-folder")
def _():
    name, source = new_name(), folder()
    (source / "w.bin").write_bytes(large("large folder"))
    hf("upload-large-folder", name, source, "--repo-type", "model", "--num-workers", "2", "--no-report")
    equal(paths(name), {"w.bin"})


@operation("hf repo create, tag; repo-files delete")
def _():
    name, source = new_name(), folder()
    hf("repo", "create", name)
    for file in ("a.log", "keep.txt"):
        (source / file).write_text("x")
    hf("upload", name, source, ".")
    hf("repo-files", "delete", name, "*.log")
    equal(paths(name), {"keep.txt"})
    hf("repo", "tag", "create", name, "v1", "-m", "first")
    holds("v1" in hf("repo", "tag", "list", name), "v1")
    hf("repo", "tag", "delete", name, "v1", "--yes")
    equal(hub(f"/api/models/{name}/refs")["tags"], [])


@operation("hf cache: scan what was downloaded")
def _():
    name, source = new_name(), folder()
    (source / "a.txt").write_text("x")
    env = {"HF_HUB_CACHE": str(folder())}
    hf("upload", name, source, ".")
    hf("download", name, env=env)
    holds(name in hf("cache", "scan", env=env), "scan")


@operation("hf env")
def _():
    holds(URL in hf("env"), "the endpoint")


run()
