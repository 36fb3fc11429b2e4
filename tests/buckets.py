"""A bucket of a real server of S3 for tests, which fails and waits as it is set to."""

import json
import os
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from databases import free_port, running

SECRET = "Wq7secretZx9"
KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIAARTSIMTEST",
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_SESSION_TOKEN": SECRET,
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ALLOW_HTTP": "true",
}


class Bucket:
    """The bucket ``museum`` of a server."""

    def __init__(self, url):
        self.url = url
        self.address = "s3://museum"

    def faults(self, **faults):
        """Set the faults, and forget the requests."""
        self._call("PUT", "_faults", json.dumps(faults).encode())

    def log(self):
        """Return the requests since the faults were set, as method, path and range."""
        return json.loads(self._call("GET", "_log"))["log"]

    def most_reads(self):
        """Return how many reads were in flight at most."""
        return json.loads(self._call("GET", "_log"))["most"]

    def put(self, folder, prefix):
        """Upload a folder; its files get the times that they have in the bucket."""
        import fsspec

        files = fsspec.filesystem("s3", use_listings_cache=False)
        here = [file for file in sorted(folder.rglob("*")) if file.is_file()]
        for file in here:
            files.pipe_file(
                f"museum/{prefix}/{file.relative_to(folder).as_posix()}", file.read_bytes()
            )
        for name, info in files.find(f"museum/{prefix}", detail=True).items():
            time_ = round(info["LastModified"].timestamp() * 1e3) * 10**6
            os.utime(folder / name.removeprefix(f"museum/{prefix}/"), ns=(time_, time_))
        return f"{self.address}/{prefix}"

    def names(self, prefix):
        """List the files below a prefix."""
        import fsspec

        files = fsspec.filesystem("s3", use_listings_cache=False)
        start = f"museum/{prefix}/"
        return [name.removeprefix(start) for name in files.find(start.rstrip("/"))]

    def look(self, name):
        """Return the bytes of a file, without a fault; None where there is none."""
        try:
            return self._call("GET", f"museum/{name}")
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return None

    def _call(self, method, path, data=None):
        url, headers = f"{self.url}/{path}", {"X-Look": "yes", "Authorization": "AWS x:y"}
        request = urllib.request.Request(url, data=data, headers=headers, method=method)
        with urllib.request.urlopen(request) as answer:
            return answer.read()


@contextmanager
def serving_bucket():
    """Serve a bucket, and name it and its keys in the environment."""
    fsspec = pytest.importorskip("fsspec")
    pytest.importorskip("moto")
    pytest.importorskip("s3fs")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    script = Path(__file__).with_name("faulty_s3.py")
    with pytest.MonkeyPatch.context() as patch, running([sys.executable, script, str(port)], port):
        for name, value in {**KEYS, "AWS_ENDPOINT_URL": url, "AWS_ENDPOINT": url}.items():
            patch.setenv(name, value)
        fsspec.filesystem("s3").clear_instance_cache()  # those of another server
        bucket = Bucket(url)
        bucket._call("PUT", "museum")
        yield bucket
