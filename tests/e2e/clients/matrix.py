"""What a file of operations is written with. Each file runs in its client's own environment and knows one hub, from its environment.

A file declares operations with @operation("name") and ends with run(). run() prints one JSON line an operation: pass, fail with
the reason, or n/a with the reason. Every operation makes its own repositories, so that none depends on another's outcome.
"""
import hashlib
import itertools
import json
import os
import pathlib
import random
import ssl
import subprocess
import sys
import time
import traceback
import urllib.parse
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import harness  # noqa: E402

URL = os.environ.get("HF_ENDPOINT", "")
TOKEN = os.environ.get("HF_TOKEN", "")
GUEST = os.environ.get("MATRIX_GUEST_TOKEN", "")
WORK = pathlib.Path(os.environ.get("MATRIX_WORK", "."))
XET = os.environ.get("MATRIX_BYTES") == "xet"
LARGE = 3 << 20

operations = []
numbers = itertools.count(1)


class NotAvailable(Exception):
    """The client cannot do this; the text says why."""


def operation(name):
    def add(work):
        operations.append((name, work))
        return work
    return add


def run():
    only = os.environ.get("MATRIX_ONLY", "")
    for name, work in operations:
        if only and only not in name:
            continue
        start = time.monotonic()
        try:
            work()
            result, detail = "pass", ""
        except NotAvailable as reason:
            result, detail = "n/a", str(reason)
        except BaseException as error:  # SystemExit too: a client's command may end the process
            result = "fail"
            frame = traceback.extract_tb(error.__traceback__)[0 if len(traceback.extract_tb(error.__traceback__)) == 1 else 1]
            detail = f"line {frame.lineno} `{frame.line}`: {type(error).__name__}: {error}"[:1500]
        print(json.dumps({"operation": name, "result": result, "detail": detail, "seconds": round(time.monotonic() - start, 2)}), flush=True)


def need(owner, *attributes):
    """n/a unless the client has these functions."""
    for attribute in attributes:
        if not hasattr(owner, attribute):
            raise NotAvailable(f"this version has no {attribute}")


def new_name(owner="admin"):
    return f"{owner}/m{next(numbers)}"


def folder():
    path = WORK / f"f{next(numbers)}"
    path.mkdir(parents=True)
    return path


def large(seed, size=LARGE):
    return random.Random(str(seed)).randbytes(size)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def git_blob(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def equal(seen, wanted):
    if seen != wanted:
        raise AssertionError(f"saw {seen!r}, wanted {wanted!r}"[:700])


def holds(condition, what):
    if not condition:
        raise AssertionError(str(what)[:700])


def raises(kind, work, *words, status=None):
    """The exact class (by name, so that all versions share the test), words of its text, the HTTP status."""
    try:
        seen = work()
    except Exception as error:
        names = kind if isinstance(kind, tuple) else (kind,)
        if type(error).__name__ not in names:
            raise AssertionError(f"raised {type(error).__name__} ({error}), wanted {kind}"[:700]) from error
        for word in words:
            holds(word in str(error), f"{word!r} is not in: {error}")
        if status:
            equal(error.response.status_code, status)
        return error
    raise AssertionError(f"raised nothing, gave {seen!r}; wanted {kind}"[:700])


def wait_for(condition, what, seconds=20):
    """For what the hub derives a moment after the commit."""
    end = time.monotonic() + seconds
    while not condition():
        holds(time.monotonic() < end, f"not within {seconds} s: {what}")
        time.sleep(0.1)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def http(method, path, body=None, token=TOKEN, headers=None, basic=None):
    """Not a client: sets the stage (other users, likes from the browser) and looks at what a client's call left behind."""
    authority = os.environ.get("MATRIX_CA")
    handlers = [NoRedirect, urllib.request.ProxyHandler({})]
    if authority:
        handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=authority)))
    return harness.ask(URL, method, path, body, token, headers, basic, urllib.request.build_opener(*handlers).open)


def command(*arguments, env=None, cwd=None, input=None, ok=True, timeout=120):
    """Runs a command; its two outputs as one text. ok=False: it must fail."""
    result = subprocess.run([str(a) for a in arguments], env={**os.environ, **(env or {})}, cwd=cwd, input=input, stdin=None if input else subprocess.DEVNULL,
                            capture_output=True, text=True, timeout=timeout)
    text = result.stdout + result.stderr
    if ok != (result.returncode == 0):
        shown = text if len(text) < 2000 else text[:900] + " … " + text[-900:]
        raise AssertionError(f"`{' '.join(map(str, arguments))}` ended with {result.returncode}: {shown}")
    command.out = result.stdout
    return text


def here(name):
    return pathlib.Path(__file__).resolve().parent / name


if __name__ == "__main__":
    sys.exit("this is a library of the client matrix; ./dev e2e clients runs it")
