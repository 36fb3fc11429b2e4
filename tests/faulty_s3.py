"""A server of S3 (moto) that fails and waits as it is set to: ``python faulty_s3.py PORT``.

``PUT /_faults`` with JSON: ``every`` n-th request of an object is answered 503, reads take
``slow_s`` seconds, ``lost`` objects are never answered. ``GET /_log`` gives the requests since
then, and how many reads were in flight at most. A request with a header ``X-Look`` is none of them.
"""

import json
import sys
import threading
import time

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

ERROR = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


class Faulty:
    def __init__(self, app):
        self.app, self.lock = app, threading.Lock()
        self.faults, self.log, self.reads, self.most = {}, [], 0, 0

    def __call__(self, environ, start):
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if path == "/_faults":
            size = int(environ.get("CONTENT_LENGTH") or 0)
            with self.lock:
                self.faults, self.log, self.most = (
                    json.loads(environ["wsgi.input"].read(size)),
                    [],
                    0,
                )
            return self.answer(start, b"{}")
        if path == "/_log":
            with self.lock:
                return self.answer(start, json.dumps({"log": self.log, "most": self.most}).encode())
        if "HTTP_X_LOOK" in environ:
            return self.app(environ, start)
        is_object = path.count("/") > 1
        with self.lock:
            self.log.append([method, path, environ.get("HTTP_RANGE", "")])
            number = len(self.log)
        every = self.faults.get("every")
        lost = any(part in path for part in self.faults.get("lost", []))
        if is_object and (lost or (every and number % every == 0)):
            size = int(environ.get("CONTENT_LENGTH") or 0)
            environ["wsgi.input"].read(size)
            return self.answer(start, b"" if method == "HEAD" else ERROR, "503 Slow Down")
        if method == "GET" and is_object:
            with self.lock:
                self.reads += 1
                self.most = max(self.most, self.reads)
            time.sleep(self.faults.get("slow_s", 0))
            with self.lock:
                self.reads -= 1
        return self.app(environ, start)

    def answer(self, start, data, status="200 OK"):
        start(status, [("Content-Length", str(len(data))), ("Content-Type", "application/xml")])
        return [data]


if __name__ == "__main__":
    app = Faulty(DomainDispatcherApplication(create_backend_app))
    run_simple("127.0.0.1", int(sys.argv[1]), app, threaded=True)
