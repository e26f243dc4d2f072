#!/usr/bin/env python3
"""Runs a command beside a PostgreSQL (Debian's, in a temporary folder, on a Unix socket), which ends with it.

    tests/with_servers.py build/dev/src/hub/test_hub

The command finds it in LYCEUM_TEST_POSTGRES. Add LYCEUM_TEST_STORE=postgresql to run the hub tests on it.
"""
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time


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

    def __init__(self, fsync=False):
        binaries = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
        if not binaries:
            raise RuntimeError("PostgreSQL is not installed; ./dev test installs what tools/apt-packages-test.txt names")
        self.bin = binaries[-1]
        self.user = "postgres" if os.geteuid() == 0 else None
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="lyceum-pg-"))
        if self.user:
            os.chown(self.folder, pwd.getpwnam(self.user).pw_uid, -1)
        self.fsync = fsync
        self.process = None
        self._run(["initdb", "-D", self.folder / "data", "-U", "lyceum", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"])
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
        command = [str(self.bin / "postgres"), "-D", str(self.folder / "data")]
        for setting in settings:
            command += ["-c", setting]
        self.log = open(self.folder.with_suffix(".log"), "ab")
        self.process = subprocess.Popen(command, user=self.user, cwd=self.folder, stdout=self.log, stderr=self.log)
        ready = [str(self.bin / "pg_isready"), "-q", "-h", str(self.folder)]
        wait_until(lambda: subprocess.run(ready).returncode == 0, self.process, "PostgreSQL")

    def stop(self, how=signal.SIGINT):
        self.process.send_signal(how)
        self.process.wait()

    def close(self):
        self.stop(signal.SIGQUIT)
        self.log.close()
        self.folder.with_suffix(".log").unlink()
        shutil.rmtree(self.folder, ignore_errors=True)


def main():
    postgres = Postgres()
    try:
        return subprocess.run(sys.argv[1:], env=dict(os.environ, LYCEUM_TEST_POSTGRES=postgres.url)).returncode
    finally:
        postgres.close()


if __name__ == "__main__":
    sys.exit(main())
