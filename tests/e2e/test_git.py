"""git and git-lfs against the real server: one behaviour per test."""
import hashlib
import pathlib
import random
import subprocess

import pytest

import harness


@pytest.fixture
def git(hub, env, tmp_path):
    """git(*arguments, cwd=…): with the token as the password, and nothing of this machine's configuration."""
    env = dict(env, HOME=str(tmp_path), GIT_CONFIG_NOSYSTEM="1", GIT_AUTHOR_NAME="t", GIT_AUTHOR_EMAIL="t@example.org", GIT_COMMITTER_NAME="t",
               GIT_COMMITTER_EMAIL="t@example.org", GIT_LFS_SKIP_SMUDGE="0")
    (tmp_path / ".gitconfig").write_text("[init]\ndefaultBranch=main\n[push]\ndefault=current\n")
    harness.run(["git", "lfs", "install", "--skip-repo"], env=env)

    def call(*arguments, cwd=tmp_path, check=True):
        return harness.run(["git", *arguments], env=env, cwd=cwd, check=check, timeout=120)
    return call


@pytest.fixture
def address(hub):
    """The clone address of a repository, with a token or without."""
    def of(repo, token=True, prefix=""):
        scheme, rest = hub.url.split("://")
        return f"{scheme}://{'user:' + hub.token + '@' if token else ''}{rest}/{prefix}{repo}"
    return of


def commit_all(git, folder, message="change"):
    git("add", ".", cwd=folder)
    git("commit", "-q", "-m", message, cwd=folder)


def test_clone_of_a_public_repo_needs_no_token(git, address, api, repo, tmp_path):
    api.upload_file(path_or_fileobj=b"hi", path_in_repo="a.txt", repo_id=repo)
    git("clone", "-q", address(repo, token=False), "out")
    assert (tmp_path / "out/a.txt").read_text() == "hi"


@pytest.mark.parametrize("ending", ["", ".git"])
@pytest.mark.parametrize("kind", ["dataset", "space"])
def test_clone_of_other_types(git, address, api, new_name, tmp_path, kind, ending):
    name = new_name()
    api.create_repo(name, repo_type=kind, space_sdk="static" if kind == "space" else None)
    git("clone", "-q", address(name + ending, prefix=kind + "s/"), "out")
    assert (tmp_path / "out/.git").is_dir()


@pytest.mark.parametrize("version", ["0", "1", "2"])
def test_clone_with_each_protocol_version(git, address, repo, tmp_path, version):
    git("-c", f"protocol.version={version}", "clone", "-q", address(repo), "out")
    assert (tmp_path / "out/.gitattributes").exists()


def test_clone_of_a_private_repo_asks_for_a_password(git, address, api, repo, tmp_path):
    api.update_repo_settings(repo, private=True)
    refused = git("clone", "-q", address(repo, token=False), "no", check=False)
    assert refused.returncode != 0 and "could not read Username" in refused.stderr
    git("clone", "-q", address(repo), "yes")
    assert (tmp_path / "yes/.git").is_dir()


def test_clone_with_a_wrong_token_is_refused(git, address, hub, api, repo):
    api.update_repo_settings(repo, private=True)
    refused = git("clone", "-q", address(repo).replace(hub.token, "hf_" + "x" * 34), "no", check=False)
    assert refused.returncode != 0 and "Authentication failed" in refused.stderr


def test_clone_brings_large_files(git, address, api, repo, tmp_path):
    data = random.Random(1).randbytes(12 << 20)
    api.upload_file(path_or_fileobj=data, path_in_repo="w.bin", repo_id=repo)
    git("clone", "-q", address(repo), "out")
    assert hashlib.sha256((tmp_path / "out/w.bin").read_bytes()).digest() == hashlib.sha256(data).digest()


def test_push_appears_on_the_hub(git, address, api, repo, tmp_path):
    git("clone", "-q", address(repo), "out")
    (tmp_path / "out/README.md").write_text("---\nlicense: mit\n---\n# Pushed\n")
    commit_all(git, tmp_path / "out", "pushed")
    git("push", "-q", cwd=tmp_path / "out")
    head = git("rev-parse", "HEAD", cwd=tmp_path / "out").stdout.strip()
    info = api.model_info(repo)
    assert info.sha == head and info.card_data.license == "mit"
    assert api.list_repo_commits(repo)[0].title == "pushed"


def test_push_of_a_large_file_goes_through_lfs(git, address, api, repo, tmp_path):
    data = random.Random(2).randbytes(12 << 20)
    git("clone", "-q", address(repo), "out")
    git("lfs", "track", "*.weights", cwd=tmp_path / "out")
    (tmp_path / "out/m.weights").write_bytes(data)
    commit_all(git, tmp_path / "out")
    git("push", "-q", cwd=tmp_path / "out")
    entry = api.get_paths_info(repo, "m.weights")[0]
    assert entry.lfs.sha256 == hashlib.sha256(data).hexdigest() and entry.size == len(data)
    path = api.hf_hub_download(repo, "m.weights", cache_dir=tmp_path / "cache")
    assert pathlib.Path(path).read_bytes() == data


def test_push_of_a_pointer_to_unknown_content_is_refused(git, address, api, repo, tmp_path):
    git("clone", "-q", address(repo), "out")
    (tmp_path / "out/x.txt").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:" + "ab" * 32 + "\nsize 12345\n")
    commit_all(git, tmp_path / "out")
    before = api.model_info(repo).sha
    refused = git("push", "--no-verify", cwd=tmp_path / "out", check=False)
    assert refused.returncode != 0 and "x.txt" in refused.stderr and "git lfs push" in refused.stderr
    assert api.model_info(repo).sha == before


def test_push_of_a_large_plain_file_is_refused(git, address, api, repo, tmp_path):
    git("clone", "-q", address(repo), "out")
    (tmp_path / "out/big.dat0").write_bytes(random.Random(3).randbytes(11 << 20))
    commit_all(git, tmp_path / "out")
    refused = git("push", cwd=tmp_path / "out", check=False)
    assert refused.returncode != 0 and "big.dat0" in refused.stderr and "git-lfs" in refused.stderr
    assert not api.file_exists(repo, "big.dat0")


def test_push_without_the_right_is_refused(git, address, hub, guest, repo, tmp_path):
    mine = address(repo).replace(hub.token, guest[1])
    git("clone", "-q", mine, "out")
    (tmp_path / "out/a.txt").write_text("x")
    commit_all(git, tmp_path / "out")
    refused = git("push", cwd=tmp_path / "out", check=False)
    assert refused.returncode != 0 and "403" in refused.stderr


def test_push_to_a_new_branch_and_its_deletion(git, address, api, repo, tmp_path):
    git("clone", "-q", address(repo), "out")
    git("checkout", "-q", "-b", "topic", cwd=tmp_path / "out")
    (tmp_path / "out/a.txt").write_text("x")
    commit_all(git, tmp_path / "out")
    git("push", "-q", "origin", "topic", cwd=tmp_path / "out")
    assert "topic" in [b.name for b in api.list_repo_refs(repo).branches]
    git("push", "-q", "origin", ":topic", cwd=tmp_path / "out")
    assert "topic" not in [b.name for b in api.list_repo_refs(repo).branches]


def test_main_cannot_be_deleted_by_push(git, address, api, repo, tmp_path):
    git("clone", "-q", address(repo), "out")
    refused = git("push", "origin", ":main", cwd=tmp_path / "out", check=False)
    assert refused.returncode != 0
    assert [b.name for b in api.list_repo_refs(repo).branches] == ["main"]


def test_push_of_many_files_and_commits(git, address, api, repo, tmp_path):
    git("clone", "-q", address(repo), "out")
    for commit in range(5):
        for i in range(60):
            (tmp_path / f"out/f{commit}-{i}.txt").write_text(f"{commit} {i}\n" * 20)
        commit_all(git, tmp_path / "out", f"c{commit}")
    git("push", "-q", cwd=tmp_path / "out")
    assert len([f for f in api.list_repo_files(repo) if f.startswith("f")]) == 300


def test_pull_request_refs_are_not_cloned_but_can_be_fetched(git, address, api, repo, tmp_path):
    api.upload_file(path_or_fileobj=b"pr", path_in_repo="pr.txt", repo_id=repo, create_pr=True)
    git("clone", "-q", "--mirror", "-c", "protocol.version=0", address(repo), "mirror")
    assert "refs/pr" not in git("for-each-ref", cwd=tmp_path / "mirror").stdout
    git("clone", "-q", address(repo), "out")
    git("fetch", "-q", "origin", "refs/pr/1:pr1", cwd=tmp_path / "out")
    git("checkout", "-q", "pr1", cwd=tmp_path / "out")
    assert (tmp_path / "out/pr.txt").read_text() == "pr"


def test_hub_and_git_see_the_same_history(git, address, api, repo, tmp_path):
    git("clone", "-q", address(repo), "out")
    api.upload_file(path_or_fileobj=b"from the hub", path_in_repo="h.txt", repo_id=repo)
    git("pull", "-q", cwd=tmp_path / "out")
    (tmp_path / "out/g.txt").write_text("from git")
    commit_all(git, tmp_path / "out")
    git("push", "-q", cwd=tmp_path / "out")
    log = git("log", "--format=%H", cwd=tmp_path / "out").stdout.split()
    assert [c.commit_id for c in api.list_repo_commits(repo)] == log


def test_stored_repositories_pass_strict_fsck(hub):
    for folder in (hub.data / "repos").glob("*/*/*.git"):
        result = subprocess.run(["git", "-C", str(folder), "fsck", "--strict"], capture_output=True, text=True)
        assert result.returncode == 0, f"{folder}: {result.stdout}{result.stderr}"


def test_a_malformed_object_is_refused_with_its_reason(git, address, repo, tmp_path):
    git("clone", "-q", address(repo), "w")
    work = tmp_path / "w"
    blob = git("hash-object", "-w", ".gitattributes", cwd=work).stdout.strip()
    (tmp_path / "tree").write_bytes(b"100644 .git\0" + bytes.fromhex(blob))
    tree = git("hash-object", "-t", "tree", "-w", "--literally", str(tmp_path / "tree"), cwd=work).stdout.strip()
    commit = git("commit-tree", "-m", "bad", tree, cwd=work).stdout.strip()
    refused = git("push", "origin", f"{commit}:refs/heads/bad", cwd=work, check=False)
    assert refused.returncode != 0 and "hasDotgit" in refused.stderr
    assert "refs/heads/bad" not in git("ls-remote", "origin", cwd=work).stdout


def test_shallow_and_partial_clones(git, address, api, repo, tmp_path):
    for i in range(3):
        api.upload_file(path_or_fileobj=f"{i}".encode() * 100, path_in_repo="a.txt", repo_id=repo)
    git("clone", "-q", "--depth", "1", address(repo), "shallow")
    assert git("rev-list", "--count", "HEAD", cwd=tmp_path / "shallow").stdout.strip() == "1"
    git("fetch", "-q", "--unshallow", cwd=tmp_path / "shallow")
    assert git("rev-list", "--count", "HEAD", cwd=tmp_path / "shallow").stdout.strip() == "4"
    git("clone", "-q", "--filter=blob:none", "--no-checkout", address(repo), "partial")
    missing = git("rev-list", "--objects", "--all", "--missing=print", cwd=tmp_path / "partial").stdout
    assert missing.count("?") == 4  # .gitattributes and three versions of a.txt
    git("checkout", "-q", "main", cwd=tmp_path / "partial")
    assert (tmp_path / "partial/a.txt").read_text() == "2" * 100
