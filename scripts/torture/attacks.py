"""Attack a running `artsim serve` through raw sockets, while other visitors use it."""

from __future__ import annotations

import http.client
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
from museum import INDEX
from trials import Findings

SLOW = 600  # connections that never finish, more than the server keeps
_TIMEOUT = 60  # seconds in which any other visitor must have an answer
_PATHS = re.compile(rb"/(?:tmp|home|root|usr|work|var)/")
_POST = b"POST /api/museum/%s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %s\r\n"
_SEARCH = _POST % (b"search", b"application/json")
_UPLOAD = _POST % (b"uploads", b"image/png")
_GET = b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n"
_QUERY = b'{"terms": [{"id": "msw-0001"}]}'

REQUESTS = (  # each is sent as it is and mutated
    _SEARCH + b"Content-Length: %d\r\n\r\n" % len(_QUERY) + _QUERY,
    _SEARCH + b"Content-Length: -1\r\n\r\n" + _QUERY,
    _SEARCH + b"Content-Length: 99999999999999999999\r\n\r\n" + _QUERY,
    _SEARCH + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + _QUERY,
    _SEARCH + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    _SEARCH + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n" + _QUERY,
    _SEARCH + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + _QUERY,
    _SEARCH + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    _UPLOAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
    _UPLOAD + b"Expect: 100-continue\r\nContent-Length: 30000000\r\n\r\n",
    _GET % (b"/", b""),
    _GET % (b"/api/museum/picture?id=msw-0001&side=320", b""),
    _GET % (b"/api/museum/picture?id=../../etc/passwd", b""),
    _GET % (b"/page/../../../../etc/passwd", b""),
    _GET % (b"/page/%2e%2e/%2e%2e/app.py", b""),
    _GET % (b"/page/app.js%00.txt", b""),
    _GET % (b"/page/" + b"a" * 300, b""),
    _GET % (b"/page/app.js", b"Range: bytes=-\r\n"),
    _GET % (b"/page/app.js", b"Range: bytes=9-1,0-0,-0,99999999999999999999-\r\n"),
    _GET % (b"/page/app.js", b"Range: bytes=%s\r\n" % b",".join([b"0-1"] * 2_000)),
    _GET % (b"/page/app.js", b"If-Modified-Since: never\r\nIf-None-Match: \xff\r\n"),
    _GET % (b"/?" + b"a" * 70_000, b""),
    _GET % (b"/", b"".join(b"X-%d: y\r\n" % number for number in range(3_000))),
    _GET % (b"/", b"Cookie: " + b"a=b; " * 10_000 + b"\r\n"),
    _GET % (b"http://evil.example/", b""),
    _GET % (b"/", b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"),
    b"CONNECT evil.example:1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
    (_GET % (b"/api/indexes", b"")) * 50,  # pipelined
)
SLOWNESS = (  # the beginnings of connections that are then left open
    b"",
    b"GET / HTTP/1.1\r\nHost:",
    _SEARCH + b"Content-Length: 900\r\n\r\n{",
    _UPLOAD + b"Content-Length: 20000000\r\n\r\n" + bytes(1_000),
    _UPLOAD + b"Transfer-Encoding: chunked\r\n\r\nfffff\r\nabc",
    (_GET % (b"/page/app.js", b"")) * 100,  # never read
)


def attack_server(museum: Path, trials: int, seed: int) -> Findings:
    """Send mutated requests to a server that many slow connections hold, and watch other visitors.

    Faults: an answer of 500, a path in an answer, an error that another visitor sees, a traceback
    in the log, and a server that ends.
    """
    findings, rng = Findings(), np.random.default_rng(seed)
    log = museum / "server.log"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with log.open("w") as stream:
        command = [sys.executable, "-m", "artsim", "serve", INDEX, "--port", str(port)]
        command += ["--name", "museum.example"]  # not all visitors are on this machine
        server = subprocess.Popen(command, cwd=museum / "embedded", stdout=stream, stderr=stream)
    try:
        _wait(port)
        over, seen = threading.Event(), Counter[str]()
        pictures = sorted((museum / "embedded/museum/images").glob("*.jpg"))
        other = threading.Thread(target=_visit, args=(port, pictures[0], over, seen))
        other.start()
        with ExitStack() as stack:
            for number in range(SLOW):
                stack.enter_context(_begin(port, SLOWNESS[number % len(SLOWNESS)]))
            for number in range(trials):
                if number % 20 == 0:  # those that were closed are replaced
                    stack.enter_context(_begin(port, SLOWNESS[number // 20 % len(SLOWNESS)]))
                request = _mutate(REQUESTS[number % len(REQUESTS)], rng)
                answer = _send(port, request, ends=rng.random() < 0.7)
                findings.counts[_status(answer)] += 1
                findings.add(_faults(answer, request))
            over.set()
            other.join()
        findings.counts["answers to another visitor"] = seen.total()
        findings.add([f"another visitor: {what}" for what in seen if what != "200"])
        if server.poll() is not None:
            findings.add([f"the server ended with {server.returncode}"])
        text = log.read_text(encoding="utf-8", errors="replace")
        if "Traceback" in text:
            start = text.index("Traceback")
            findings.add([f"a traceback in the log: {text[start : start + 4000]}"])
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()
    return findings


def _faults(answer: bytes, request: bytes) -> list[str]:
    found = []
    if _status(answer).startswith("5") and _status(answer) != "503":
        found.append(f"{_status(answer)} to {request[:200]!r}")
    if (path := _PATHS.search(answer)) and path[0] not in request:
        found.append(f"a path in the answer to {request[:200]!r}: {answer[:300]!r}")
    return found


def _status(answer: bytes) -> str:
    """Return the status of an answer's first line, as text."""
    return answer[9:12].decode("latin-1") if answer.startswith(b"HTTP/1.") else "no answer"


def _visit(port: int, picture: Path, over: threading.Event, seen: Counter[str]) -> None:
    """Search, look and upload as visitors do; count the statuses."""
    requests = (
        ("POST", "search", _QUERY, {"content-type": "application/json"}),
        ("GET", "picture?id=msw-0001", None, {}),
        ("POST", "uploads", picture.read_bytes(), {"content-type": "image/jpeg"}),
    )
    while not over.wait(0.05):
        for method, path, body, headers in requests:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT)
            try:
                connection.request(method, f"/api/museum/{path}", body, headers)
                answer = connection.getresponse()
                answer.read()
                seen[str(answer.status)] += 1
            except (OSError, http.client.HTTPException) as error:
                seen[f"{path}: {error!r}"] += 1
            finally:
                connection.close()


def _begin(port: int, data: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT)
    with suppress(OSError):
        connection.sendall(data)
    return connection


def _send(port: int, request: bytes, *, ends: bool) -> bytes:
    """Send a request, and read what comes within a moment."""
    answer = b""
    with suppress(OSError), _begin(port, request) as connection:
        if ends:
            connection.shutdown(socket.SHUT_WR)
        connection.settimeout(0.5 if ends else 0.2)
        while len(answer) < 1 << 20 and (some := connection.recv(1 << 16)):
            answer += some
    return answer


def _mutate(request: bytes, rng: np.random.Generator) -> bytes:
    """Change up to three bytes or pieces of a request; sometimes nothing."""
    mutant = bytearray(request)
    for _ in range(int(rng.integers(0, 4))):
        at = int(rng.integers(len(mutant))) if mutant else 0
        match int(rng.integers(4)):
            case 0:
                mutant[at : at + 1] = rng.bytes(1)
            case 1:
                mutant[at:at] = bytes(rng.choice(list(b"\0\t\n\r :%/\xff"), 1).astype(np.uint8))
            case 2:
                del mutant[at : at + int(rng.integers(1, 9))]
            case _:
                mutant[at:at] = mutant[max(at - 20, 0) : at]
    return bytes(mutant)


def _wait(port: int) -> None:
    for _ in range(600):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.2)
    raise SystemExit("the server does not start")
