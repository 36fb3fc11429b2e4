"""A server with the few end points of the Hugging Face hub that reading and writing files needs.

It keeps datasets in memory. Every file is committed as a regular one; the hub takes large files by
other ways (LFS, Xet), which are those of its own package.

    python hub.py PORT
"""

import base64
import hashlib
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

FILES = {}  # bytes by repository and path


def entry(path, data):
    """Return what the hub says of a file."""
    oid = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    return {"type": "file", "path": path, "size": len(data), "oid": oid}


class Hub(BaseHTTPRequestHandler):
    """Answers requests for ``datasets/OWNER/NAME``."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        """Give what is known of a repository, a listing, or a file."""
        kind, *rest = unquote(urlsplit(self.path).path).strip("/").split("/")
        if kind == "datasets":
            owner, name, _, _, *path = rest
            return self._file(f"{owner}/{name}", "/".join(path))
        _, owner, name, *more = rest
        repository = f"{owner}/{name}"
        if more[:1] == ["tree"]:
            return self._tree(repository, "/".join(more[2:]))
        about = {"id": repository, "sha": "0" * 40, "siblings": [], "tags": [], "private": False}
        return self._say({**about, "downloads": 0, "likes": 0})

    do_HEAD = do_GET

    def do_POST(self):
        """Say which of some paths there are, how files are to be sent, or commit them."""
        _, _, owner, name, what, *_ = urlsplit(self.path).path.strip("/").split("/")
        repository = f"{owner}/{name}"
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if what == "paths-info":
            return self._say(self._known(repository, parse_qs(body).get("paths", [])))
        if what == "preupload":
            paths = [file["path"] for file in json.loads(body)["files"]]
            plain = {"uploadMode": "regular", "shouldIgnore": False}
            return self._say({"files": [{"path": path, **plain} for path in paths]})
        for line in map(json.loads, body.splitlines()):
            place = repository, line["value"].get("path")
            if line["key"] == "file":
                FILES[place] = base64.b64decode(line["value"]["content"])
            elif line["key"] == "deletedFile":
                FILES.pop(place, None)
        url = f"http://{self.headers['Host']}/datasets/{repository}/commit/1"
        return self._say({"commitUrl": url, "commitOid": "1" * 40})

    def _file(self, repository, path):
        data = FILES.get((repository, path))
        if data is None:
            return self._say({"error": "Entry not found"}, 404, {"X-Error-Code": "EntryNotFound"})
        headers = {"ETag": f'"{entry(path, data)["oid"]}"', "X-Repo-Commit": "0" * 40}
        if "Range" not in self.headers:
            return self._send(data, 200, headers)
        first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
        end = min(int(last or len(data)) + 1, len(data))
        headers["Content-Range"] = f"bytes {first}-{end - 1}/{len(data)}"
        return self._send(data[int(first) : end], 206, headers)

    def _tree(self, repository, folder):
        is_recursive = "recursive=True" in self.path or "recursive=true" in self.path
        start = f"{folder}/" if folder else ""
        found = {}
        for (owner, path), data in sorted(FILES.items()):
            if owner == repository and path.startswith(start):
                below = path.removeprefix(start).split("/")
                for depth in range(1, len(below)):
                    name = start + "/".join(below[:depth])
                    found[name] = {"type": "directory", "path": name, "size": 0, "oid": "d" * 40}
                found[path] = entry(path, data)
        if not found and folder:
            return self._say({"error": "not found"}, 404, {"X-Error-Code": "EntryNotFound"})
        every = found.values()
        here = [each for each in every if is_recursive or "/" not in each["path"][len(start) :]]
        return self._say(here)

    def _known(self, repository, paths):
        found = [(path, FILES[repository, path]) for path in paths if (repository, path) in FILES]
        folders = [
            {"type": "directory", "path": path, "size": 0, "oid": "d" * 40}
            for path in paths
            if any(name[0] == repository and name[1].startswith(f"{path}/") for name in FILES)
        ]
        return [entry(*each) for each in found] + folders

    def _say(self, value, status=200, headers=None):
        self._send(json.dumps(value).encode(), status, headers or {})

    def _send(self, data, status, headers):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_):
        """Say nothing."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Hub).serve_forever()
