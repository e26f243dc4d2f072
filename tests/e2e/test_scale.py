"""Two servers over one PostgreSQL, one S3 store and one shared folder: both serve the same repositories, and either may die at any time."""
import itertools
import json
import os
import pathlib
import random
import shutil
import sys
import threading
import time
import types

import pytest

import harness

sys.path[:0] = [str(harness.ROOT / "tests"), str(harness.ROOT / "tests/crash")]
import with_servers  # noqa: E402
from actors import Actor, Gate, Tally  # noqa: E402
from hub_http import Content, Http, Unknown, commit_files  # noqa: E402
from ledger import ACKNOWLEDGED, Change, Ledger, Problems  # noqa: E402

KILLS = int(os.environ.get("LYCEUM_SCALE_KILLS", "6"))
REPO = "admin/scaled"


class World:
    """The two servers and what they share."""

    def __init__(self):
        self.folder = harness.temporary_folder()
        self.postgres = with_servers.Postgres()
        self.s3 = with_servers.S3()
        os.environ["LYCEUM_S3_SECRET"] = "test-secret"
        self.store = ["--database", self.postgres.url, "--shared", str(self.folder / "shared"), "--s3-endpoint", self.s3.url,
                      "--s3-bucket", "lyceum", "--s3-key-id", "test"]
        self.servers = [harness.Server(self.folder / name, extra=self.store) for name in ("one", "two")]
        starting = [threading.Thread(target=server.start) for server in self.servers]  # together, on a store that is still empty
        for thread in starting:
            thread.start()
        for thread in starting:
            thread.join()
        token = next(server.token for server in self.servers if server.token)
        for server in self.servers:
            server.token = token
        self.ledger, self.numbers = Ledger(REPO), itertools.count(1)

    def http(self, server):
        return Http(server.url, server.token)

    def commit(self, server):
        number = next(self.numbers)
        files = {f"w{number}.bin": Content(number, 100_000 + number, True), f"n{number}.txt": Content(-number, 50, False)}
        change = self.ledger.begin(Change("files", f"commit {number}", files))
        change.commit = commit_files(self.http(server), REPO, change.title, files)["commitOid"]
        change.state = ACKNOWLEDGED
        return files

    def check(self, server):
        """Everything acknowledged is there, whole, as this server sees it."""
        problems = Problems()
        self.ledger.check(self.http(server), problems, everything=True)
        assert not problems, problems.lines()

    def fsck(self):
        answer = harness.lyceum("fsck", "--data", self.folder / "checker", *self.store, "--json", check=False)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        assert json.loads(answer.stdout)["problems"] == []

    def close(self):
        for server in self.servers:
            server.stop()
        self.s3.close()
        self.postgres.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def world():
    world = World()
    try:
        world.http(world.servers[0]).post("/api/repos/create", {"name": "scaled", "organization": "admin", "type": "model"})
        yield world
    finally:
        world.close()


def git(*arguments, server, cwd=None):
    header = "http.extraHeader=Authorization: Bearer " + server.token
    return harness.run(["git", "-c", header, "-c", "user.name=t", "-c", "user.email=t@x", *arguments], cwd=cwd, timeout=60)


def test_what_one_writes_the_other_serves(world):
    one, two = world.servers
    world.commit(one)
    world.check(two)
    world.commit(two)
    world.check(one)
    world.fsck()


def test_git_works_through_either(world):
    one, two = world.servers
    work, text = world.folder / "work", Content(7777, 40, False)
    git("-c", "filter.lfs.smudge=", "-c", "filter.lfs.process=", "-c", "filter.lfs.required=false", "clone", "-q", f"{one.url}/{REPO}", work, server=one)
    (work / "pushed.txt").write_bytes(text.bytes())
    git("add", "pushed.txt", server=one, cwd=work)
    git("commit", "-q", "-m", "pushed", server=one, cwd=work)
    git("push", "-q", f"{two.url}/{REPO}", "HEAD:main", server=two, cwd=work)
    head = git("rev-parse", "HEAD", server=one, cwd=work).stdout.split()[0]
    change = world.ledger.begin(Change("files", "pushed", {"pushed.txt": text}))
    change.state, change.commit = ACKNOWLEDGED, head
    world.check(one)
    assert git("ls-remote", f"{one.url}/{REPO}", "refs/heads/main", server=one).stdout.startswith(head)


def test_either_may_be_killed_and_nothing_acknowledged_is_lost(world):
    chance, gate = random.Random(11), Gate()
    tallies = [Tally(), Tally()]
    for i, server in enumerate(world.servers):
        only = types.SimpleNamespace(url=lambda server=server: server.url, token=server.token, driver_folder=world.folder)
        Actor(only, gate, tallies[i], i, f"w{i}", shared=world.ledger).start()
    gate.resume()
    for kill in range(KILLS):
        victim, survivor = world.servers[kill % 2], tallies[1 - kill % 2]
        time.sleep(chance.uniform(0.3, 1.2))
        before = survivor.commits
        victim.kill()
        try:
            harness.wait_for(lambda: survivor.commits > before + 1, 30, "the other server goes on")
        finally:
            victim.start()
    gate.shut()
    assert gate.wait(60)
    gate.end()
    print(f"{KILLS} kills, {sum(t.commits for t in tallies)} acknowledged commits")
    assert not [surprise for tally in tallies for surprise in tally.surprises]
    for server in world.servers:
        world.check(server)
    world.fsck()
    for repository in (world.folder / "shared/repos").glob("*/*/*.git"):
        result = harness.run(["git", "-C", repository, "fsck", "--strict"])
        assert "error" not in result.stderr and "missing" not in result.stdout, result.stdout + result.stderr


def test_database_restart_is_survived(world):
    world.postgres.stop()
    threading.Timer(1.0, world.postgres.start).start()
    for server in world.servers:
        harness.wait_for(lambda: commits_or_not(world, server), 30, "the hub goes on when the database is back")
    world.check(world.servers[0])
    world.fsck()


def commits_or_not(world, server):
    """A hub without its database says 503, and clients come again."""
    try:
        return world.commit(server)
    except Unknown:
        return None


def test_redirect_leads_to_the_stored_bytes(world):
    one = world.servers[0]
    name, content = next(iter(world.commit(one).items()))
    with harness.Server(world.folder / "three", token=one.token, extra=[*world.store, "--s3-redirect", "true"]) as three:
        address = f"{three.url}/{REPO}/resolve/main/{name}"
        head = harness.run(["curl", "-sI", "-H", "Authorization: Bearer " + one.token, address]).stdout
        assert " 302 " in head and "X-Amz-Signature=" in head and content.sha256 in head
        assert "test-secret" not in pathlib.Path(three.log.name).read_text()
        harness.run(["curl", "-sfL", "-H", "Authorization: Bearer " + one.token, "-o", world.folder / "got", address])
        assert (world.folder / "got").read_bytes() == content.bytes()
