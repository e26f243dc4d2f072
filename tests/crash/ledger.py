"""What the hub acknowledged, kept outside of it, and the check that it holds.

Each repository has one Ledger. An operation is a Change: begun before its request is sent, and then acknowledged, refused, or left
unsettled when no answer told. An acknowledged change must be there, whole; a refused one must not; an unsettled one is there whole or not
at all, which check() finds out. Problems are counted as `lost` (acknowledged and gone), `half` (a part of a change is visible) and
`corrupt` (other bytes than were sent, things that nobody sent, an answer that makes no sense).
"""
import collections
import hashlib
import threading
import urllib.parse

from hub_http import Refused

UNSETTLED, ACKNOWLEDGED, REFUSED = "unsettled", "acknowledged", "refused"
OWN_FILES = (".gitattributes", "README.md")


class Change:
    """Files that come together in one commit on main (`files`), a ref (`ref`, `target`; target None: removed), or what `kind` says."""

    def __init__(self, kind, title, files=None, ref=None, target=None):
        self.kind, self.title, self.files, self.ref, self.target = kind, title, files or {}, ref, target
        self.state, self.commit, self.number = UNSETTLED, None, None


class Problems:
    def __init__(self):
        self.lost, self.half, self.corrupt = [], [], []

    def __bool__(self):
        return bool(self.lost or self.half or self.corrupt)

    def counts(self):
        return {"lost": len(self.lost), "half visible": len(self.half), "corrupt": len(self.corrupt)}

    def lines(self):
        return [f"{kind}: {text}" for kind in ("lost", "half", "corrupt") for text in getattr(self, kind)]


class Ledger:
    """One repository. Several threads may begin and end changes; check() runs while none does."""

    def __init__(self, name):
        self.lock = threading.Lock()
        self.name, self.other_name = name, None   # other_name: where an unsettled move may have taken it
        self.alive = True                         # None: an unsettled deletion
        self.changes = []                         # not yet settled, or new since the last check
        self.files = {}                           # path -> Content, settled
        self.commits = set()                      # acknowledged, reachable from main
        self.refs = {}                            # branch or tag -> commit
        self.pulls = {}                           # number -> Change of the commit, with .merged
        self.comments = collections.defaultdict(set)  # number -> texts

    def begin(self, change):
        with self.lock:
            self.changes.append(change)
        return change

    def busy(self):
        """An operation on the whole repository is unsettled, so that what follows could not be told apart."""
        return self.alive is None or self.other_name is not None or any(c.kind == "squash" and c.state == UNSETTLED for c in self.changes)

    # --- the check ----------------------------------------------------------------------------------------------------------------------
    def check(self, http, problems, everything=False):
        if not self.settle_place(http, problems) or not self.alive:
            return
        tree, commits = self.read_tree(http), self.read_commits(http)
        fresh = [change for change in self.changes if change.files]
        for change in self.changes:
            self.settle(change, http, tree, problems)
        self.changes = []
        self.check_tree(tree, problems)
        self.check_commits(commits, problems)
        self.check_refs(http, problems)
        self.check_comments(http, problems)
        wanted = self.files if everything else {p: c for change in fresh[-3:] if change.state == ACKNOWLEDGED and change.kind != "pull" for p, c in change.files.items()}
        for path, content in wanted.items():
            self.check_bytes(http, path, content, problems)

    def settle_place(self, http, problems):
        if self.other_name:
            here, there = http.exists(self.name), http.exists(self.other_name)
            if here == there:
                problems.half.append(f"{self.name}: moving it to {self.other_name} left {'both' if here else 'neither'} behind")
                return False
            self.name, self.other_name = (self.other_name if there else self.name), None
        elif self.alive is None:
            self.alive = http.exists(self.name)
        elif http.exists(self.name) != self.alive:
            (problems.lost if self.alive else problems.corrupt).append(f"{self.name}: {'acknowledged, and gone' if self.alive else 'deleted, and there again'}")
            return False
        return True

    def read_tree(self, http):
        out, at = {}, f"/api/models/{self.name}/tree/main?recursive=true&limit=1000"
        for entry in http.get_pages(at):
            out[entry["path"]] = entry
        return out

    def read_commits(self, http):
        out, page = [], 0
        while True:
            items = http.get(f"/api/models/{self.name}/commits/main?limit=1000&p={page}")
            out += [item["id"] for item in items]
            if len(items) < 1000:
                return out
            page += 1

    def settle(self, change, http, tree, problems):
        if change.kind == "pull":
            return self.settle_pull(change, http, problems)
        if change.kind == "merge":
            return self.settle_merge(change, http, tree, problems)
        if change.kind == "ref":
            return self.settle_ref(change, http)
        if change.kind == "squash":
            return self.settle_squash(change, http)
        return self.settle_files(change, tree, problems)

    def settle_files(self, change, tree, problems):
        present = [path for path in change.files if path in tree]
        if change.state == ACKNOWLEDGED:
            self.files.update(change.files)
            if change.commit:
                self.commits.add(change.commit)
        elif present and change.state == REFUSED:
            problems.corrupt.append(f"{self.name}: \"{change.title}\" was refused, and {present} is there")
        elif 0 < len(present) < len(change.files):
            problems.half.append(f"{self.name}: of \"{change.title}\" only {present} is there")
        elif present:
            change.state = ACKNOWLEDGED
            self.files.update(change.files)

    def settle_squash(self, change, http):
        if change.state == ACKNOWLEDGED:
            self.commits = {change.commit}
        elif change.state == UNSETTLED:
            there = self.read_commits(http)
            if len(there) == 1:
                self.commits &= set(there)

    def settle_ref(self, change, http):
        if change.state == UNSETTLED:
            change.state = ACKNOWLEDGED if self.read_refs(http).get(change.ref) == change.target else REFUSED
        if change.state == REFUSED:
            return
        if change.target:
            self.refs[change.ref] = change.target
        else:
            self.refs.pop(change.ref, None)

    def settle_pull(self, change, http, problems):
        if change.state == REFUSED:
            return
        if change.state == UNSETTLED:
            found = [d for d in http.get(f"/api/models/{self.name}/discussions")["discussions"] if d["title"] == change.title]
            if not found:
                return
            change.number = found[0]["num"]
        try:
            tree = {e["path"] for e in http.get_pages(f"/api/models/{self.name}/tree/{urllib.parse.quote(f'refs/pr/{change.number}', safe='')}?recursive=true&limit=1000")}
        except Refused as error:
            problems.lost.append(f"{self.name}: pull request {change.number}: {error}")
            return
        present = [path for path in change.files if path in tree]
        if len(present) < len(change.files):
            whole = change.state == ACKNOWLEDGED and not present
            (problems.lost if whole else problems.half).append(f"{self.name}: pull request {change.number} (\"{change.title}\", {change.state}) shows {present} of {list(change.files)}")
            return
        change.merged = False
        self.pulls[change.number] = change

    def settle_merge(self, change, http, tree, problems):
        if change.state == REFUSED:
            return
        merged = http.get(f"/api/models/{self.name}/discussions/{change.number}")["status"] == "merged"
        present = [path for path in change.files if path in tree]
        if len(present) not in (0, len(change.files)) or merged != bool(present):
            problems.half.append(f"{self.name}: pull request {change.number} is {'merged' if merged else 'open'}, and main has {present} of {list(change.files)}")
        elif change.state == ACKNOWLEDGED and not merged:
            problems.lost.append(f"{self.name}: the merge of pull request {change.number}")
        if merged:
            self.pulls[change.number].merged = True
            self.files.update(change.files)
            if change.commit:
                self.commits.add(change.commit)

    def check_tree(self, tree, problems):
        for path, content in self.files.items():
            entry = tree.get(path)
            if entry is None:
                problems.lost.append(f"{self.name}: {path}")
            elif entry["size"] != content.size or (entry["lfs"]["oid"] != content.sha256 if "lfs" in entry else entry["oid"] != content.oid):
                problems.corrupt.append(f"{self.name}: {path} is {entry}")
        for path, entry in tree.items():
            if path not in self.files and path not in OWN_FILES and entry["type"] == "file":
                problems.corrupt.append(f"{self.name}: nobody acknowledged or sent {path}")

    def check_commits(self, commits, problems):
        for commit in self.commits - set(commits):
            problems.lost.append(f"{self.name}: commit {commit} is not in main's history")

    def read_refs(self, http):
        refs = http.get(f"/api/models/{self.name}/refs")
        return {item["ref"]: item["targetCommit"] for group in ("branches", "tags") for item in refs[group]}

    def check_refs(self, http, problems):
        refs = self.read_refs(http)
        for ref, target in self.refs.items():
            if refs.get(ref) != target:
                problems.lost.append(f"{self.name}: {ref} is {refs.get(ref)}, not {target}")
        for ref in set(refs) - set(self.refs) - {"refs/heads/main"}:
            problems.corrupt.append(f"{self.name}: {ref} is there, and was removed or never made")

    def check_comments(self, http, problems):
        for number, texts in self.comments.items():
            events = http.get(f"/api/models/{self.name}/discussions/{number}")["events"]
            there = {e["data"]["latest"]["raw"] for e in events if e["type"] == "comment"}
            for text in texts - there:
                problems.lost.append(f"{self.name}: comment \"{text}\" of discussion {number}")
            texts.clear()

    def check_bytes(self, http, path, content, problems):
        try:
            data = http.call("GET", f"/{self.name}/resolve/main/{path}")
        except Refused as error:
            problems.lost.append(f"{self.name}: {path}: {error}")
            return
        if hashlib.sha256(data).hexdigest() != content.sha256:
            problems.corrupt.append(f"{self.name}: {path} has {len(data)} bytes with another SHA-256 than was uploaded")
