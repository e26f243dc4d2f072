"""Clients that work on the hub until they are told to wait: each a thread with a repository of its own, or one that several share."""
import itertools
import json
import os
import pathlib
import random
import subprocess
import threading
import time

from hub_http import Content, Http, Refused, Unknown, commit_files, upload_large
from ledger import ACKNOWLEDGED, REFUSED, Change, Ledger

numbers = itertools.count(1)
FILES_MAX = 400  # then a new repository, so that checking stays cheap


class Gate:
    """Lets the driver stop all actors between two operations."""

    def __init__(self):
        self.condition = threading.Condition()
        self.open, self.ended, self.working = False, False, 0

    def enter(self):
        with self.condition:
            self.condition.wait_for(lambda: self.open or self.ended)
            if not self.ended:
                self.working += 1
            return not self.ended

    def leave(self):
        with self.condition:
            self.working -= 1
            self.condition.notify_all()

    def resume(self):
        with self.condition:
            self.open = True
            self.condition.notify_all()

    def shut(self):
        with self.condition:
            self.open = False

    def wait(self, seconds):
        """True: nobody is at work any more."""
        with self.condition:
            return self.condition.wait_for(lambda: self.working == 0, seconds)

    def end(self):
        with self.condition:
            self.ended = True
            self.condition.notify_all()


class Tally:
    """Counts, from any thread."""

    def __init__(self):
        self.lock = threading.Lock()
        self.commits, self.others, self.refused, self.unsettled = 0, 0, 0, 0
        self.statuses, self.surprises = {}, []

    def add(self, **counts):
        with self.lock:
            for name, count in counts.items():
                setattr(self, name, getattr(self, name) + count)

    def note_refusal(self, what, error):
        with self.lock:
            self.refused += 1
            self.statuses[error.status] = self.statuses.get(error.status, 0) + 1
            # 409, 412: others wrote meanwhile; 423, 429: come again; 507: full. Anything else is the tests' or the hub's mistake.
            if error.status not in (409, 412, 423, 429, 507):
                self.surprises.append(f"{what}: {error}")


class Actor(threading.Thread):
    def __init__(self, world, gate, tally, seed, name, shared=None, xet=None):
        super().__init__(daemon=True)
        self.world, self.gate, self.tally, self.chance = world, gate, tally, random.Random(seed)
        self.label, self.xet = name, xet
        self.http = Http(world.url(), world.token)
        self.is_alone = shared is None
        self.ledger = shared
        self.work = None

    # --- the loop -------------------------------------------------------------------------------------------------------------------------
    def run(self):
        while self.gate.enter():
            idle = True
            try:
                if self.http.url != (url := self.world.url()):
                    self.http.close()
                    self.http.url = url
                idle = not self.step()
            finally:
                self.gate.leave()
            if idle:
                time.sleep(0.02)

    def step(self):
        """False: nothing to do, or the hub does not answer."""
        ledger = self.ledger
        if ledger and ledger.busy():
            return False
        if self.is_alone and (ledger is None or not ledger.alive or len(ledger.files) > FILES_MAX):
            return self.new_repo()
        alone = ((self.branch, 8), (self.tag, 5), (self.remove_ref, 4), (self.pull, 7), (self.merge, 8), (self.comment, 4), (self.move, 3), (self.squash, 2), (self.delete, 1))
        chosen, weights = zip((self.commit, 50), (self.commit_small, 10), (self.push, 6), (self.commit_xet, 4), *(alone if self.is_alone else ()))
        return self.chance.choices(chosen, weights)[0]()

    def attempt(self, change, action, is_commit=False):
        """Runs the request and records how it ended. True: acknowledged."""
        self.ledger.begin(change)
        try:
            action()
        except Refused as error:
            change.state = REFUSED
            self.tally.note_refusal(f"{change.kind} {change.title}", error)
            return False
        except Unknown:
            self.tally.add(unsettled=1)
            return False
        change.state = ACKNOWLEDGED
        self.tally.add(**({"commits": 1} if is_commit else {"others": 1}))
        return True

    # --- what clients do ------------------------------------------------------------------------------------------------------------------
    def pair(self, large=True):
        """Two or three files that belong together."""
        number = next(numbers)
        sizes = self.chance
        files = {f"notes-{number}.txt": Content(number * 3, sizes.randint(1, 3000), False)}
        if large:
            files[f"weights-{number}.bin"] = Content(number * 3 + 1, sizes.randint(1000, 200_000), True)
        if self.chance.random() < 0.3:
            files[f"deep/er/more-{number}.json"] = Content(number * 3 + 2, sizes.randint(1, 500), False)
        return f"change {number}", files

    def commit_with(self, title, files):
        change = Change("files", title, files)

        def send():
            change.commit = commit_files(self.http, self.ledger.name, title, files)["commitOid"]
        return self.attempt(change, send, is_commit=True)

    def commit(self):
        return self.commit_with(*self.pair())

    def commit_small(self):
        return self.commit_with(*self.pair(large=False))

    def commit_xet(self):
        if self.xet is None or not self.xet.active or self.xet.lock.locked():
            return self.commit()
        title, files = self.pair()
        change = Change("files", title, files)

        def send():
            change.commit = self.xet.commit(self.http.url, self.http.token, self.ledger.name, title, files)
        return self.attempt(change, send, is_commit=True)

    def head(self):
        return self.http.get(f"/api/models/{self.ledger.name}/refs")["branches"][0]["targetCommit"]

    def make_ref(self, make):
        try:
            head = self.head()
        except (Refused, Unknown):
            return False
        name = f"r{next(numbers)}"
        return make(name, head)

    def branch(self):
        def make(name, head):
            return self.attempt(Change("ref", name, ref="refs/heads/" + name, target=head),
                                lambda: self.http.call("POST", f"/api/models/{self.ledger.name}/branch/{name}", {"startingPoint": head}))
        return self.make_ref(make)

    def tag(self):
        def make(name, head):
            return self.attempt(Change("ref", name, ref="refs/tags/" + name, target=head),
                                lambda: self.http.call("POST", f"/api/models/{self.ledger.name}/tag/{head}", {"tag": name}))
        return self.make_ref(make)

    def remove_ref(self):
        if not self.ledger.refs:
            return self.commit()
        ref = self.chance.choice(sorted(self.ledger.refs))
        if any(change.ref == ref for change in self.ledger.changes):
            return self.commit()
        kind, name = ref.split("/")[1:]
        return self.attempt(Change("ref", "remove " + name, ref=ref), lambda: self.http.call("DELETE", f"/api/models/{self.ledger.name}/{'branch' if kind == 'heads' else 'tag'}/{name}"))

    def pull(self):
        title, files = self.pair()
        change = Change("pull", title, files)

        def send():
            change.number = int(commit_files(self.http, self.ledger.name, title, files, "?create_pr=1")["pullRequestUrl"].rsplit("/", 1)[1])
        return self.attempt(change, send, is_commit=True)

    def merge(self):
        waiting = [pull for pull in self.ledger.pulls.values() if not pull.merged and not any(c.kind == "merge" and c.number == pull.number for c in self.ledger.changes)]
        if not waiting:
            return self.pull()
        pull = self.chance.choice(waiting)
        change = Change("merge", f"merge {pull.number}", pull.files)
        change.number = pull.number

        def send():
            change.commit = self.http.post(f"/api/models/{self.ledger.name}/discussions/{pull.number}/merge", {})["mergeCommitId"]
        return self.attempt(change, send, is_commit=True)

    def comment(self):
        if not self.ledger.pulls:
            return self.commit()
        number, text = self.chance.choice(sorted(self.ledger.pulls)), f"comment {next(numbers)}"

        def send():
            self.http.post(f"/api/models/{self.ledger.name}/discussions/{number}/comment", {"comment": text})
            self.ledger.comments[number].add(text)
        return self.attempt(Change("comment", text), send)

    def squash(self):
        change = Change("squash", "squash")

        def send():
            change.commit = self.http.post(f"/api/models/{self.ledger.name}/super-squash/main", {"message": "squashed"})["commitOid"]
        return self.attempt(change, send, is_commit=True)

    # --- the repository itself --------------------------------------------------------------------------------------------------------------
    def new_repo(self):
        name = f"admin/{self.label}-{next(numbers)}"
        try:
            self.http.post("/api/repos/create", {"name": name.split("/")[1], "organization": "admin", "type": "model"})
        except Unknown:
            return False  # the next one has another name
        except Refused as error:
            self.tally.note_refusal("create " + name, error)
            return False
        self.tally.add(others=1)
        self.ledger = self.world.add_ledger(Ledger(name))
        return True

    def move(self):
        ledger = self.ledger
        ledger.other_name = to = f"admin/{self.label}-{next(numbers)}"
        try:
            self.http.call("POST", "/api/repos/move", {"fromRepo": ledger.name, "toRepo": to, "type": "model"})
        except Unknown:
            self.tally.add(unsettled=1)
            return False  # where it is now, the next check finds out
        except Refused as error:
            self.tally.note_refusal("move", error)
        else:
            ledger.name = to
            self.tally.add(others=1)
        ledger.other_name = None
        return True

    def delete(self):
        ledger = self.ledger
        ledger.alive = None
        try:
            self.http.call("DELETE", "/api/repos/delete", {"name": ledger.name.split("/")[1], "organization": "admin", "type": "model"})
        except Unknown:
            self.tally.add(unsettled=1)
            return False
        except Refused as error:
            ledger.alive = True
            self.tally.note_refusal("delete", error)
            return False
        ledger.alive = False
        self.tally.add(others=1)
        return True

    # --- git ----------------------------------------------------------------------------------------------------------------------------------
    def git(self, *arguments, input=None):
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
        command = ["git", "-c", "http.extraHeader=Authorization: Bearer " + self.http.token, "-C", str(self.work), *arguments]
        try:
            return subprocess.run(command, env=environment, input=input, capture_output=True, timeout=60)
        except subprocess.TimeoutExpired:
            raise Unknown("git " + arguments[0] + " took a minute") from None

    def push(self):
        """git push of a commit with a large file (uploaded before, as git-lfs does) and a small one."""
        if self.work is None:
            self.work = pathlib.Path(self.world.driver_folder) / f"git-{self.label}"
            self.work.mkdir()
            self.git("init", "-q", "--bare")
        title, files = self.pair()
        change, url = Change("files", title, files), f"{self.http.url}/{self.ledger.name}"

        def send():
            if self.git("fetch", "-q", "--depth=1", url, "+refs/heads/main:refs/heads/base").returncode != 0:
                raise Unknown("git fetch")
            for content in files.values():
                if content.large:
                    upload_large(self.http, self.ledger.name, content)
            if self.git("fast-import", "--quiet", "--force", input=self.import_stream(title, files)).returncode != 0:
                raise RuntimeError("git fast-import failed")
            pushed = self.git("push", "-q", url, "refs/heads/out:refs/heads/main")
            if pushed.returncode != 0:
                raise Unknown("git push: " + pushed.stderr.decode(errors="replace")[:300])
            change.commit = self.git("rev-parse", "refs/heads/out").stdout.decode().strip()
        return self.attempt(change, send, is_commit=True)

    @staticmethod
    def import_stream(title, files):
        out = [f"reset refs/heads/out\nfrom refs/heads/base\n\ncommit refs/heads/out\ncommitter t <t@x> {int(time.time())} +0000\ndata {len(title)}\n{title}\nfrom refs/heads/base\n".encode()]
        for path, content in files.items():
            data = content.pointer() if content.large else content.bytes()
            out.append(f"M 100644 inline {path}\ndata {len(data)}\n".encode() + data + b"\n")
        return b"".join(out)


class XetClient:
    """huggingface_hub with hf_xet in a process of its own, because a crash must not leave its retries running in ours."""

    SCRIPT = pathlib.Path(__file__).with_name("xet_worker.py")

    def __init__(self, python, home):
        self.python, self.home, self.lock, self.process = python, home, threading.Lock(), None
        self.active = True  # a crash that meets it costs a new process, so the campaign lets it work now and then only

    def commit(self, url, token, repo, title, files):
        ask = {"url": url, "token": token, "repo": repo, "title": title, "files": [[path, c.number, c.size] for path, c in files.items()]}
        with self.lock:
            if self.process is None:
                environment = dict(os.environ, HF_HOME=str(self.home), HF_HUB_DISABLE_PROGRESS_BARS="1", HF_HUB_DISABLE_TELEMETRY="1")
                self.process = subprocess.Popen([self.python, str(self.SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, text=True)
            try:
                self.process.stdin.write(json.dumps(ask) + "\n")
                self.process.stdin.flush()
                answer = json.loads(self.process.stdout.readline() or "null")
            except (OSError, ValueError):
                answer = None
            if answer is None:
                raise Unknown("the Xet client was ended")
        if "error" in answer:
            raise Unknown(answer["error"])
        return answer["commit"]

    def give_up(self):
        """After a crash: its retries would hold everybody up."""
        process, self.process = self.process, None
        if process:
            process.kill()
            process.wait()
