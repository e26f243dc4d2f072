"""The hubs under test with all that they store, on a disk that can be cut off: SQLite and a folder, or two hubs over PostgreSQL and S3."""
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import sys
import tempfile
import threading
import time

from disk import Calls, Disk
from hub_http import Http, Unknown
from s3_proxy import S3Proxy

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "e2e")]
import harness  # noqa: E402
import with_servers  # noqa: E402

SETTINGS = ["--rate-limit-api", "0", "--rate-limit-files", "0", "--drain-seconds", "2"]


class World:
    store = ""

    def __init__(self):
        self.driver_folder = pathlib.Path(tempfile.mkdtemp(prefix="lyceum-crash-"))  # what the hub's machine never sees
        self.disk = Disk()
        self.calls = Calls(self.driver_folder)
        self.lock, self.ledgers, self.turn = threading.Lock(), [], itertools.count()
        self.servers, self.token = [], None
        try:
            self.build()
            self.start()
        except BaseException:
            self.close()
            raise

    def make_server(self, name, extra=()):
        server = harness.Server(self.disk.folder / name, extra=[*SETTINGS, *extra], log=self.driver_folder / (name + ".log"),
                                env=dict(os.environ, **self.calls.environment), start_new_session=True)
        self.servers.append(server)

    def start(self):
        starting = [threading.Thread(target=self.start_server, args=(server,)) for server in self.servers if not self.runs(server)]
        for thread in starting:
            thread.start()
        for thread in starting:
            thread.join()
        for server in self.servers:
            if not self.runs(server):
                raise RuntimeError("a hub did not start: " + server.log_path.read_text()[-1500:])
        self.token = self.token or next(server.token for server in self.servers if server.token)

    @staticmethod
    def start_server(server):
        try:
            server.start()
        except RuntimeError:
            server.process.wait()

    @staticmethod
    def runs(server):
        return server.process is not None and server.process.poll() is None

    def url(self):
        """Of a hub that runs, another one each time; of one that does not if none does."""
        alive = [server for server in self.servers if self.runs(server)] or self.servers
        return alive[next(self.turn) % len(alive)].url

    def kill(self, server, with_children=False):
        """Children, such as git receive-pack, outlive a killed hub; a machine takes them along."""
        if not self.runs(server):
            return
        if with_children:
            os.killpg(server.process.pid, signal.SIGKILL)
        server.kill()

    def kill_all(self):
        for server in self.servers:
            if server.process is None:
                continue
            try:
                os.killpg(server.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            server.process.wait()

    def wait_until_idle(self, seconds=60):
        """Until no hub works on anything: the request of a client that was ended goes on without it, and may still come true."""
        end = time.time() + seconds
        for server in [server for server in self.servers if self.runs(server)]:
            while (busy := self.requests_under_way(server)) > 0:
                if time.time() > end:
                    raise RuntimeError(f"a hub still works on {busy} requests of clients that have gone")
                time.sleep(0.05)

    def requests_under_way(self, server):
        http = Http(server.url, self.token)
        try:
            text = http.call("GET", "/metrics").decode()
        except Unknown:
            return 1
        finally:
            http.close()
        return int(float(re.search(r"^lyceum_requests_under_way (\S+)", text, re.M)[1])) - 1  # without this one

    def add_ledger(self, ledger):
        with self.lock:
            self.ledgers.append(ledger)
        return ledger

    def git_fsck(self):
        """What `git fsck --strict` finds wrong in any repository."""
        out = []
        for repository in self.repositories().glob("*/*/*.git"):
            result = harness.run(["git", "-c", "safe.directory=*", "-C", repository, "fsck", "--strict", "--no-dangling"], check=False)
            if result.returncode != 0 or "error" in result.stderr or "missing" in result.stdout:
                out.append(f"git fsck of {repository.name}: {result.stdout} {result.stderr}"[:500])
        return out

    def leftovers(self):
        """Temporary files that a start should have removed, and that a repository in use must not keep."""
        return [str(path) for folder in self.staging() if folder.exists() for path in folder.iterdir() if path.name not in ("xorbs", "multipart", "git")]

    def shared_leftovers(self):
        """What may be another hub's, and so goes by age: after a day (kStagingGraceMs)."""
        return []

    def age_shared_leftovers(self):
        old = time.time() - 25 * 3600
        for top in self.shared_leftovers():
            for path in [*pathlib.Path(top).iterdir()] if os.path.isdir(top) else []:
                os.utime(path, (old, old), follow_symlinks=False)
            os.utime(top, (old, old))

    def save_evidence(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        for path in [*self.driver_folder.glob("*.log"), *self.other_logs()]:
            shutil.copy(path, folder)
        harness.run(["cp", "-a", "--sparse=always", self.disk.folder, folder / "disk"], check=False)

    def other_logs(self):
        return []

    def close(self):
        self.kill_all()
        self.calls.close()
        self.disk.close()
        shutil.rmtree(self.driver_folder, ignore_errors=True)


class OneHub(World):
    store = "SQLite + disk"

    def build(self):
        self.make_server("data")

    def repositories(self):
        return self.disk.folder / "data/repos"

    def staging(self):
        return [self.disk.folder / "data/staging"]

    def fsck(self):
        self.servers[0].stop()
        answer = harness.lyceum("fsck", "--data", self.disk.folder / "data", "--json", check=False)
        return json.loads(answer.stdout)["problems"] if answer.stdout else [answer.stderr]

    def kill_machine(self):
        self.kill_all()

    def boot(self):
        self.start()


class TwoHubs(World):
    store = "PostgreSQL + S3"
    postgres = s3 = proxy = None

    def build(self):
        self.postgres = with_servers.Postgres(fsync=True, data=self.disk.folder / "postgres")
        self.s3 = with_servers.S3()
        self.proxy = S3Proxy(self.s3.port)
        os.environ["LYCEUM_S3_SECRET"] = "test-secret"
        self.options = ["--database", self.postgres.url, "--shared", str(self.disk.folder / "shared"), "--s3-endpoint", self.proxy.url, "--s3-bucket", "lyceum", "--s3-key-id", "test"]
        for name in ("one", "two"):
            self.make_server(name, self.options)

    def repositories(self):
        return self.disk.folder / "shared/repos"

    def staging(self):
        return [self.disk.folder / "one/staging", self.disk.folder / "two/staging"]

    def shared_leftovers(self):
        return [str(path) for path in (self.disk.folder / "shared/staging/git").iterdir()]

    def fsck(self):
        answer = harness.lyceum("fsck", "--data", self.driver_folder / "checker", *self.options, "--json", check=False)
        return json.loads(answer.stdout)["problems"] if answer.stdout else [answer.stderr]

    def other_logs(self):
        return [self.postgres.log.name]

    def start_postgres(self):
        if self.postgres.process.poll() is not None:
            self.postgres.kill()
            self.postgres.start()

    def kill_machine(self):
        self.kill_all()
        self.postgres.kill()

    def boot(self):
        self.start_postgres()
        self.start()

    def close(self):
        self.kill_all()
        if self.postgres:
            self.postgres.kill()
            self.postgres.close()
        for other in (self.proxy, self.s3):
            if other:
                other.close()
        super().close()
