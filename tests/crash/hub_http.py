"""What the crash tests ask of a hub over HTTP: one small client that tells an answer from silence, and the uploads of a real client."""
import base64
import hashlib
import http.client
import json
import random
import re
import urllib.parse


class Refused(Exception):
    """The hub said that it did not do it: a 4xx, or 507 (no space)."""

    def __init__(self, status, text):
        super().__init__(f"{status} {text[:300]}")
        self.status, self.text = status, text


class Unknown(Exception):
    """No answer, or a 5xx that promises nothing: it may have happened or not."""


class Http:
    """One connection at a time to whichever address `url` is. Not for several threads."""

    def __init__(self, url, token, timeout=20):
        self.url, self.token, self.timeout = url, token, timeout
        self.connection = None
        self.link = ""       # header of the last answer

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def call(self, method, path, body=None, kind="application/json", authorised=True):
        """The body of a 2xx. `path` may be a whole address of the same server. JSON goes in as an object."""
        if path.startswith("http"):
            path = "/" + path.split("/", 3)[3]
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        headers = {"Content-Type": kind} if body is not None else {}
        if authorised:
            headers["Authorization"] = "Bearer " + self.token
        try:
            if self.connection is None:
                host = urllib.parse.urlsplit(self.url)
                self.connection = http.client.HTTPConnection(host.hostname, host.port, timeout=self.timeout)
            self.connection.request(method, path, body, headers)
            answer = self.connection.getresponse()
            content = answer.read()
            self.link = answer.getheader("Link", "")
            if answer.will_close:
                self.close()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Unknown(f"{method} {path}: {error!r}") from None
        if answer.status < 300:
            return content
        text = content.decode(errors="replace")
        if answer.status < 500 or answer.status == 507:
            raise Refused(answer.status, text)
        raise Unknown(f"{method} {path}: {answer.status} {text[:300]}")

    def get(self, path):
        return json.loads(self.call("GET", path))

    def get_pages(self, path):
        """The items of a list, page after page."""
        out = []
        while path:
            out += self.get(path)
            found = re.search(r'<([^>]+)>;\s*rel="next"', self.link)
            path = found[1] if found else None
        return out

    def post(self, path, body):
        return json.loads(self.call("POST", path, body))

    def exists(self, name):
        """Whether a model of exactly this name is there (a redirect leads to another name)."""
        try:
            return self.get("/api/models/" + name)["id"] == name
        except Refused as error:
            if error.status in (301, 307, 308, 404):
                return False
            raise


class Content:
    """Bytes of a file, made again from their number whenever they are needed."""

    def __init__(self, number, size, large):
        self.number, self.size, self.large = number, size, large
        data = self.bytes()
        self.sha256 = hashlib.sha256(data).hexdigest()
        self.oid = hashlib.sha1(b"blob %d\0" % size + data).hexdigest()

    def bytes(self):
        return random.Random(self.number).randbytes(self.size)

    def pointer(self):
        return f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {self.size}\n".encode()


def upload_large(http_client, repo, content):
    """Git LFS, basic transfer."""
    ask = {"operation": "upload", "transfers": ["basic"], "hash_algo": "sha256", "objects": [{"oid": content.sha256, "size": content.size}]}
    answer = json.loads(http_client.call("POST", f"/{repo}.git/info/lfs/objects/batch", ask, "application/vnd.git-lfs+json"))
    if error := answer["objects"][0].get("error"):
        if error["code"] < 500 or error["code"] == 507:
            raise Refused(error["code"], error["message"])
        raise Unknown(error["message"])
    action = answer["objects"][0].get("actions", {}).get("upload")
    if action:
        http_client.call("PUT", action["href"], content.bytes(), "application/octet-stream", authorised=False)


def commit_lines(title, files):
    """The NDJSON of a commit that adds `files` (path -> Content); the large ones have been uploaded."""
    lines = [{"key": "header", "value": {"summary": title, "description": ""}}]
    for path, content in files.items():
        if content.large:
            lines.append({"key": "lfsFile", "value": {"path": path, "algo": "sha256", "oid": content.sha256, "size": content.size}})
        else:
            lines.append({"key": "file", "value": {"path": path, "encoding": "base64", "content": base64.b64encode(content.bytes()).decode()}})
    return "\n".join(map(json.dumps, lines)).encode()


def commit_files(http_client, repo, title, files, query=""):
    for content in files.values():
        if content.large:
            upload_large(http_client, repo, content)
    return json.loads(http_client.call("POST", f"/api/models/{repo}/commit/main{query}", commit_lines(title, files), "application/x-ndjson"))
