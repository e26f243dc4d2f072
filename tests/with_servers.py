#!/usr/bin/env python3
"""Runs a command beside a PostgreSQL (Debian's, in a temporary folder, on a Unix socket) and an S3 server (moto), which end with it.

    tests/with_servers.py build/dev/src/hub/test_hub

The command finds them in LYCEUM_TEST_POSTGRES and LYCEUM_TEST_S3. Add LYCEUM_TEST_STORE=postgresql to run the hub tests on them.
"""
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(ready, process, what, seconds=60):
    end = time.time() + seconds
    while time.time() < end:
        if ready():
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f"{what} did not start")


class Postgres:
    """A throw-away server. It refuses to run as root, so root starts it as the user that Debian's package made."""

    def __init__(self, fsync=False, data=None):
        """`data`: where its files go, if not beside its socket."""
        binaries = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
        if not binaries:
            raise RuntimeError("PostgreSQL is not installed; ./dev test installs what tools/apt-packages-test.txt names")
        self.bin = binaries[-1]
        self.user = "postgres" if os.geteuid() == 0 else None
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="lyceum-pg-"))
        if self.user:
            os.chown(self.folder, pwd.getpwnam(self.user).pw_uid, -1)
        self.data = pathlib.Path(data or self.folder / "data")
        if self.user and data:
            self.data.mkdir()
            os.chown(self.data, pwd.getpwnam(self.user).pw_uid, -1)
        self.fsync = fsync
        self.process = None
        self._run(["initdb", "-D", self.data, "-U", "lyceum", "-A", "trust", "-E", "UTF8", "--locale=C", *([] if fsync else ["--no-sync"])])
        self.start()

    def _run(self, command):
        command = [str(self.bin / command[0]), *map(str, command[1:])]
        result = subprocess.run(command, user=self.user, cwd=self.folder, capture_output=True, text=True)
        if result.returncode != 0:
            raise RuntimeError(" ".join(command) + " failed: " + result.stderr)

    @property
    def url(self):
        return f"postgresql://lyceum@/postgres?host={self.folder}"

    def start(self):
        settings = ["listen_addresses=", f"unix_socket_directories={self.folder}", "shared_buffers=64MB", "max_connections=200"]
        if not self.fsync:
            settings += ["fsync=off", "full_page_writes=off"]
        command = [str(self.bin / "postgres"), "-D", str(self.data)]
        for setting in settings:
            command += ["-c", setting]
        self.log = open(self.folder.with_suffix(".log"), "ab")
        self.process = subprocess.Popen(command, user=self.user, cwd=self.folder, stdout=self.log, stderr=self.log, start_new_session=True)
        ready = [str(self.bin / "pg_isready"), "-q", "-h", str(self.folder)]
        wait_until(lambda: subprocess.run(ready).returncode == 0, self.process, "PostgreSQL")

    def stop(self, how=signal.SIGINT):
        self.process.send_signal(how)
        self.process.wait()

    def query(self, sql):
        self._run(["psql", "-q", "-h", self.folder, "-U", "lyceum", "-d", "postgres", "-c", sql])

    def kill(self):
        """kill -9 of the server and of all its processes, each of which leads a session of its own."""
        if self.process.poll() is None:
            children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        else:
            children = []  # they end by themselves when they see that their server is gone
        for pid in [self.process.pid, *map(int, children)] if self.process.returncode is None else []:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()

    def close(self):
        if self.process.poll() is None:
            self.stop(signal.SIGQUIT)
        self.log.close()
        self.folder.with_suffix(".log").unlink()
        shutil.rmtree(self.folder, ignore_errors=True)


class S3:
    """moto's server: an S3 in memory. Any key signs."""

    def __init__(self):
        self.port = free_port()
        self.process = subprocess.Popen([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self._answers, self.process, "moto (is it in this Python?)")
        self.make_bucket()

    def make_bucket(self):
        # moto wants some Authorization, but does not look into it.
        request = urllib.request.Request(self.url + "/lyceum", method="PUT", headers={"Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request"})
        urllib.request.urlopen(request, timeout=10).read()

    def _answers(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def close(self):
        self.process.kill()
        self.process.wait()


def main():
    postgres = Postgres()
    try:
        s3 = S3()
        try:
            environment = dict(os.environ, LYCEUM_TEST_POSTGRES=postgres.url, LYCEUM_TEST_S3=s3.url)
            return subprocess.run(sys.argv[1:], env=environment).returncode
        finally:
            s3.close()
    finally:
        postgres.close()


if __name__ == "__main__":
    sys.exit(main())
