"""The server's connections: slow visitors, too many, other websites and broken requests."""

import errno
import io
import json
import select
import socket
import threading
import time
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx2
import pytest
from PIL import Image
from search_toys import at, make_store
from serving import serving

from artsim.cli.serve import _listen
from artsim.search import IndexEncoder
from artsim.server import Limits, Museum, make_app

QUICK = Limits(header_seconds=0.5, idle_seconds=1, connections=8)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(
        tmp_path_factory.mktemp("museum") / "index", ["a", "b", "c"], {"compass": at(0, 9, 80)}
    )


@pytest.fixture(scope="module")
def address(store):
    with serving(make_app(Museum([store], IndexEncoder)), QUICK) as address:
        yield address


def test_the_body_of_an_answer_does_not_wait_for_its_headers():
    with (
        _listen("127.0.0.1", 0) as listening,
        socket.create_connection(listening.getsockname()),
        listening.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def connect(address):
    parts = urlsplit(address)
    connection = socket.create_connection((parts.hostname, parts.port), timeout=20)
    connection.settimeout(20)
    return connection


def received(connection):
    """Return all that comes until the server closes the connection."""
    found = b""
    try:
        while some := connection.recv(1 << 16):
            found += some
    except ConnectionResetError:
        pass
    return found


def error_of(answer):
    """Return the status of a raw answer, and its error."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/json" in head.lower()
    return int(head.split()[1]), json.loads(body)["error"]


def test_a_header_that_is_sent_too_slowly_is_answered_with_408(address):
    with connect(address) as slow:
        slow.sendall(b"GET /api/indexes HTTP/1.1\r\nHost: x\r\n")
        assert error_of(received(slow)) == (408, "no whole header after 0.5 s")


def test_a_line_of_header_now_and_then_does_not_hold_a_connection(address):
    with connect(address) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\n")
        lines = 0
        while not select.select([slow], [], [], 0.1)[0]:
            slow.sendall(b"X-a: b\r\n")
            lines += 1
            assert lines < 600  # a minute, on a loaded machine
        assert error_of(received(slow))[0] == 408


def test_a_connection_without_a_request_is_closed_silently(address):
    with connect(address) as idle:
        assert received(idle) == b""


def test_the_second_header_of_a_connection_is_limited_too(address):
    with connect(address) as slow:
        slow.sendall(b"GET /api/indexes HTTP/1.1\r\nHost: x\r\n\r\n")
        assert slow.recv(1 << 16).startswith(b"HTTP/1.1 200")
        slow.sendall(b"GET /api/indexes HTTP/1.1\r\n")
        assert error_of(received(slow)) == (408, "no whole header after 0.5 s")


def test_a_visitor_who_does_not_read_is_let_go():
    over = threading.Event()

    async def long(scope, receive, send):
        assert scope["type"] == "http"
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(400):
                body = {"type": "http.response.body", "body": b"0" * (1 << 17), "more_body": True}
                await send(body)
            await send({"type": "http.response.body", "body": b"the end"})
        finally:
            over.set()

    with serving(long, Limits(idle_seconds=0.5)) as address, connect(address) as deaf:
        deaf.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert over.wait(60), "the visitor is still waited for"
        assert b"the end" not in received(deaf)


def test_many_slow_visitors_never_shut_others_out(address):
    with ExitStack() as stack:
        for _ in range(60):
            slow = stack.enter_context(connect(address))
            slow.sendall(b"GET / HTTP/1.1\r\n")
        for _ in range(3):
            assert httpx2.get(f"{address}/api/indexes", timeout=20).status_code == 200


def slow_upload(address, sent=b"GIF89a"):
    """Begin an upload of which most never comes."""
    connection = connect(address)
    head = "POST /api/index/uploads HTTP/1.1\r\nHost: x\r\nContent-Type: image/gif\r\n"
    connection.sendall(f"{head}Content-Length: 1000000\r\n\r\n".encode() + sent)
    return connection


def upload(address):
    """Upload a picture of a pixel; return the answer's status."""
    dot = io.BytesIO()
    Image.new("RGB", (1, 1)).save(dot, "PNG")
    kind = {"content-type": "image/png"}
    return httpx2.post(
        f"{address}/api/index/uploads", content=dot.getvalue(), headers=kind, timeout=20
    ).status_code


def test_of_too_many_connections_the_one_that_waits_longest_is_closed(store):
    limits = Limits(header_seconds=60, connections=3)
    with serving(make_app(Museum([store], IndexEncoder)), limits) as address, ExitStack() as stack:
        first, *others = [stack.enter_context(connect(address)) for _ in range(3)]
        assert httpx2.get(f"{address}/api/indexes").status_code == 200
        assert received(first) == b""
        for connection in others:
            assert not select.select([connection], [], [], 0)[0]


def test_slow_uploads_keep_nobody_from_uploading(store, monkeypatch):
    monkeypatch.setattr("artsim.server.pictures.Uploads.add", lambda *_: ("key", 1, 1))
    with (
        serving(make_app(Museum([store], IndexEncoder), limits=Limits(uploads=4))) as address,
        ExitStack() as stack,
    ):
        for _ in range(32):
            stack.enter_context(slow_upload(address))
        time.sleep(0.2)
        assert [upload(address) for _ in range(3)] == [200, 200, 200]


def test_uploads_that_take_too_much_memory_end_the_oldest(store, monkeypatch):
    monkeypatch.setattr("artsim.server.pictures.Uploads.add", lambda *_: ("key", 1, 1))
    limits = Limits(coming_bytes=300_000)
    with (
        serving(make_app(Museum([store], IndexEncoder), limits=limits)) as address,
        slow_upload(address, bytes(200_000)) as first,
        slow_upload(address, bytes(200_000)) as second,
    ):
        (ended,), _, _ = select.select([first, second], [], [], 20)
        refusal = (503, "too much is being uploaded; try again")
        answer = ended.recv(1 << 16)
        while not answer.endswith(b"}"):
            more = ended.recv(1 << 16)
            assert more, answer
            answer += more
        assert error_of(answer) == refusal
        assert upload(address) == 200
        (other,) = {first, second} - {ended}
        assert not select.select([other], [], [], 0.1)[0]


def test_many_visitors_who_never_send_a_whole_body_never_shut_others_out(store, caplog):
    with (
        serving(make_app(Museum([store], IndexEncoder)), QUICK) as address,
        ExitStack() as stack,
    ):
        for _ in range(30):
            stack.enter_context(slow_upload(address))
        for _ in range(3):
            assert httpx2.get(f"{address}/api/indexes", timeout=20).status_code == 200
    assert "Traceback" not in caplog.text


def test_a_server_without_free_files_accepts_again(address, monkeypatch):
    """As asyncio does: it waits a second and goes on."""
    accept, failed = socket.socket.accept, []

    def fail(self):
        if len(failed) < 3:
            failed.append(self)
            raise OSError(errno.EMFILE, "Too many open files")
        return accept(self)

    monkeypatch.setattr(socket.socket, "accept", fail)
    assert httpx2.get(f"{address}/api/indexes", timeout=20).status_code == 200
    assert len(failed) == 3


def test_what_is_no_http_is_refused_in_json(address):
    with connect(address) as odd:
        odd.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert error_of(received(odd)) == (400, "Invalid HTTP request received.")


def test_a_request_that_turns_out_to_be_broken_is_answered_once(address, caplog):
    with connect(address) as odd:
        odd.sendall(
            b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n"
            b"transfer-encoding: chunked\r\n\r\nno chunk\r\n"
        )
        assert error_of(received(odd)) == (400, "Invalid HTTP request received.")
    assert httpx2.get(f"{address}/api/indexes").status_code == 200
    assert "Exception in ASGI application" not in caplog.text


BODY = {"terms": [{"id": "a"}]}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),  # no browser
        ({"origin": "http://HOST"}, 200),
        ({"origin": "https://HOST"}, 200),  # a proxy ends TLS
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://localhost:1"}, 403),  # another server of this machine
        ({"origin": "null"}, 403),  # a file, a sandboxed frame
        ({"origin": "http://HOST.evil.example"}, 403),
        ({"origin": "https://museum.example", "sec-fetch-site": "same-origin"}, 200),
        ({"origin": "http://HOST", "sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
    ],
)
def test_only_the_servers_own_page_sends_queries(address, headers, status):
    host = address.partition("://")[2]
    headers = {name: value.replace("HOST", host) for name, value in headers.items()}
    answer = httpx2.post(f"{address}/api/index/search", json=BODY, headers=headers)
    assert answer.status_code == status, answer.text
    assert ("error" in answer.json()) == (status != 200)
    assert httpx2.get(f"{address}/api/indexes", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("range_", "status"),
    [("bytes=abc", 400), ("lines=1-2", 400), ("bytes=99999999-", 416), ("bytes=5-1", 400)],
)
def test_a_range_that_makes_no_sense_is_refused_in_json(address, range_, status):
    answer = httpx2.get(f"{address}/page/app.js", headers={"range": range_})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
    assert answer.json()["error"]
    part = httpx2.get(f"{address}/page/app.js", headers={"range": "bytes=0-3"})
    assert (part.status_code, len(part.content)) == (206, 4)


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", "/api/indexes"), ("PUT", "/page/app.js"), ("GET", "/page/none")]
)
def test_every_error_is_json(address, method, path):
    answer = httpx2.request(method, address + path)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["error"]


def test_a_bug_is_an_error_in_json_without_its_text(address, monkeypatch):
    def fail(*_):
        raise RuntimeError("/home/ada/secret")

    monkeypatch.setattr("artsim.server.room.Room.browse", fail)
    answer = httpx2.post(f"{address}/api/index/browse", json={})
    assert (answer.status_code, answer.json()) == (500, {"error": "Internal Server Error"})
