"""Real clients over TLS, with a certificate authority made here: hf (Xet and LFS), git with git-lfs, curl; reload of the certificate."""
import os
import ssl
import socket
import subprocess

import pytest

import harness
from tls_server import TlsServer, issue, make_ca


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    make_ca(folder)
    issue(folder, "first")
    extra = ["--tls-cert", folder / "tls.pem", "--tls-key", folder / "tls.key", "--tls-port", "0", "--plain-http", "false"]
    with TlsServer(folder / "data", extra=[str(e) for e in extra]) as server:
        server.folder = folder
        server.client = server.environment(folder / "home", REQUESTS_CA_BUNDLE=str(folder / "ca.pem"), SSL_CERT_FILE=str(folder / "ca.pem"),
                                           GIT_SSL_CAINFO=str(folder / "ca.pem"), GIT_CONFIG_GLOBAL=str(folder / "gitconfig"))
        server.client["PATH"] = os.path.dirname(os.sys.executable) + ":" + server.client["PATH"]
        yield server


def make_files(folder):
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "weights.safetensors").write_bytes(os.urandom(3 << 20))


@pytest.mark.parametrize("transport", ["lfs", "xet"])
def test_hf_uploads_and_downloads(tls, tmp_path, transport):
    env = dict(tls.client, HF_HUB_DISABLE_XET="1") if transport == "lfs" else tls.client
    make_files(tmp_path / "files")
    harness.run(["hf", "repos", "create", f"admin/{transport}"], env=env)
    harness.run(["hf", "upload", f"admin/{transport}", tmp_path / "files", "."], env=env)
    harness.run(["hf", "download", f"admin/{transport}", "--local-dir", tmp_path / "got"], env=env)
    assert (tmp_path / "got/weights.safetensors").read_bytes() == (tmp_path / "files/weights.safetensors").read_bytes()


def test_git_pushes_and_clones_with_lfs(tls, tmp_path):
    harness.run(["hf", "repos", "create", "admin/git"], env=tls.client)
    harness.run(["git", "lfs", "install"], env=tls.client)
    url = tls.url.replace("https://", f"https://admin:{tls.token}@") + "/admin/git"
    harness.run(["git", "clone", url, tmp_path / "work"], env=tls.client)
    (tmp_path / "work/big.safetensors").write_bytes(os.urandom(1 << 20))
    for command in (["add", "."], ["-c", "user.name=t", "-c", "user.email=t@x", "commit", "-m", "add"], ["push"]):
        harness.run(["git", "-C", tmp_path / "work", *command], env=tls.client)
    harness.run(["git", "clone", url, tmp_path / "again"], env=tls.client)
    assert (tmp_path / "again/big.safetensors").read_bytes() == (tmp_path / "work/big.safetensors").read_bytes()


def test_curl_trusts_only_the_authority(tls):
    assert harness.run(["curl", "-sS", "--cacert", tls.folder / "ca.pem", tls.url + "/healthz"]).stdout == "ok\n"
    assert harness.run(["curl", "-sS", tls.url + "/healthz"], check=False, env={"PATH": os.environ["PATH"]}).returncode == 60


def name_of(tls):
    pem = ssl.get_server_certificate(("127.0.0.1", tls.port))
    return subprocess.run(["openssl", "x509", "-noout", "-subject"], input=pem, capture_output=True, text=True, check=True).stdout


def test_renewed_certificate_is_taken_without_a_restart(tls):
    context = ssl.create_default_context(cafile=tls.folder / "ca.pem")
    kept = context.wrap_socket(socket.create_connection(("127.0.0.1", tls.port)), server_hostname="127.0.0.1")
    issue(tls.folder, "second")
    tls.process.send_signal(1)
    harness.wait_for(lambda: "second" in name_of(tls), 10, "the renewed certificate")
    issue(tls.folder, "third")
    harness.wait_for(lambda: "third" in name_of(tls), 10, "the renewed certificate, found by itself")
    kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b"200 OK" in kept.recv(4096)
