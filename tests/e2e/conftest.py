"""One server for all protocol tests of a run, with clients that know only it. Each test makes its own repositories."""
import base64
import itertools
import json
import os
import pathlib
import shutil
import sys
import urllib.request

import pytest

import harness

numbers = itertools.count(1)


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes minutes")


# Before everything: a test that imports a Python client without asking for the hub would freeze the client's settings for all that follow.
@pytest.fixture(scope="session", autouse=True)
def hub():
    folder = harness.temporary_folder()
    with harness.Server(folder / "data") as server:
        # The Python clients read their settings when they are first imported, which the fixtures below do after this.
        os.environ.update({k: v for k, v in server.environment(folder / "home").items() if k.startswith(("HF_", "TOKENIZERS_"))})
        os.environ["PATH"] = str(pathlib.Path(sys.executable).parent) + ":" + os.environ["PATH"]
        server.home = folder / "home"
        yield server
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def env(hub):
    return hub.environment(hub.home)


@pytest.fixture
def api(hub):
    from huggingface_hub import HfApi
    return HfApi(endpoint=hub.url, token=hub.token)


@pytest.fixture
def new_name():
    return lambda: f"admin/test-{next(numbers)}"


@pytest.fixture
def repo(api, new_name):
    """A fresh public model."""
    name = new_name()
    api.create_repo(name)
    return name


@pytest.fixture
def http(hub):
    """http(method, path, …) with the administrator's token, another one, or none (token=None); errors are answers too."""
    def call(method, path, body=None, token=hub.token, headers=None, basic=None):
        return harness.ask(hub.url, method, path, body, token, headers, basic)
    return call


@pytest.fixture(scope="session")
def guest(hub):
    """Another user's name and write token."""
    def post(path, body, authorization):
        request = urllib.request.Request(hub.url + path, data=json.dumps(body).encode(), method="POST", headers={"Authorization": authorization})
        return json.loads(urllib.request.urlopen(request, timeout=30).read())
    post("/api/lyceum/users", {"name": "guest", "email": "guest@example.org", "password": "correct horse battery"}, "Bearer " + hub.token)
    basic = "Basic " + base64.b64encode(b"guest:correct horse battery").decode()
    return "guest", post("/api/lyceum/tokens", {"name": "test", "role": "write"}, basic)["token"]
