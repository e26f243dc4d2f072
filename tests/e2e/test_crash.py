"""A data folder has one server, and a full disk is reported with nothing lost. Everything else about crashes: tests/crash."""
import os
import shutil
import sys

import pytest

import harness

sys.path.insert(0, str(harness.ROOT / "tests/crash"))
from hub_http import Content, Http, Refused, Unknown, commit_files, upload_large  # noqa: E402


def test_second_server_on_the_same_data_is_refused():
    folder = harness.temporary_folder()
    with harness.Server(folder / "data"):
        second = harness.run([harness.BIN, "serve", "--port", "0", "--data", folder / "data", "--print-json"], check=False, timeout=20)
        assert second.returncode != 0
        assert str(folder / "data") in second.stderr
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_full_disk_is_reported_and_nothing_is_lost():
    folder = harness.temporary_folder()
    small = folder / "small"
    small.mkdir()
    if harness.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", small], check=False).returncode != 0:
        pytest.fail("cannot mount a small tmpfs")
    try:
        with harness.Server(small / "data") as server:
            http = Http(server.url, server.token, timeout=60)
            http.post("/api/repos/create", {"name": "full", "organization": "admin", "type": "model"})
            first, big = {"w.bin": Content(1, 200_000, True), "n.txt": Content(2, 50, False)}, Content(3, 40 << 20, True)
            commit_files(http, "admin/full", "first", first)
            with pytest.raises((Refused, Unknown)) as failure:
                upload_large(http, "admin/full", big)
            if failure.type is Refused:
                assert failure.value.status == 507 and "space" in failure.value.text.lower()
            commit_files(http, "admin/full", "second", {"n2.txt": Content(4, 50, False)})
            for path, content in first.items():
                assert http.call("GET", f"/admin/full/resolve/main/{path}") == content.bytes()
    finally:
        harness.run(["umount", "-l", small], check=False)
        shutil.rmtree(folder, ignore_errors=True)
