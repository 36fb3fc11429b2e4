"""Fetching, from a server on this machine that misbehaves in every way it can."""

import asyncio
import dataclasses
import gc
import gzip
import hashlib
import io
import json
import os
import random
import re
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpcore2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from conftest import started, wait_until
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from artsim import __version__
from artsim.cli import cli
from artsim.embedding import embed_collection
from artsim.errors import FetchError, ReaderError, StoreError
from artsim.fetch import (
    Choice,
    FetchSettings,
    Outcome,
    Status,
    fetch_picture,
    fetch_pictures,
    forecast,
    network,
    read_addresses,
    run,
)
from artsim.fetch.choice import choose_rows
from artsim.fetch.hosts import Turns, backoff_s, retry_after_s
from artsim.fetch.names import file_stems, suffix_of
from artsim.fetch.network import is_public
from artsim.fetch.status import StatusFile, Wanted
from artsim.readers import ReaderOptions, read_collection
from artsim.store import Store, only_one, write_whole

FAST = FetchSettings(
    allow_private=True,
    delay_s=0,
    backoff_s=0.01,
    retries=2,
    timeout_s=0.9,
    silence_s=0.4,
    max_bytes=20_000,
    give_up_after=1000,
)


def picture(color=(200, 30, 30), format_="JPEG", size=(40, 30)):
    stream = io.BytesIO()
    Image.new("RGB", size, color).save(stream, format_)
    return stream.getvalue()


RED = picture()


# --- the server ---------------------------------------------------------------------------


class Museum(ThreadingHTTPServer):
    """Answers a path by the function registered for it, a red picture by default; counts."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = {}
        self.robots = lambda request: request.send(404)
        self.robots_asked = 0
        self.asked = Counter()  # path: times
        self.times = defaultdict(list)  # path: when, in seconds
        self.headers = {}  # path: headers of the last request
        self.lock = threading.Lock()
        self.busy = self.most_busy = 0
        self.over = threading.Event()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        pass  # the other side hung up


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        museum = self.server
        if self.path == "/robots.txt":
            museum.robots_asked += 1
            museum.robots(self)
            return
        with museum.lock:
            museum.asked[self.path] += 1
            museum.times[self.path].append(time.monotonic())
            museum.headers[self.path] = dict(self.headers)
            museum.busy += 1
            museum.most_busy = max(museum.most_busy, museum.busy)
        try:
            museum.answers.get(self.path, good)(self)
        finally:
            with museum.lock:
                museum.busy -= 1

    def log_message(self, *_):
        pass

    def send(self, code, body=b"", **headers):
        self.send_response(code)
        for name, value in ({"content_length": len(body)} | headers).items():
            if value is not None:
                self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        with suppress(ConnectionError):
            self.wfile.write(body)

    @property
    def times_asked(self):
        return self.server.asked[self.path]


def good(request):
    request.send(200, RED)


def answer(code, body=b"", **headers):
    return lambda request: request.send(code, body, **headers)


def redirect(to):
    return answer(302, location=to)


def first(times, bad, then=good):
    return lambda request: (bad if request.times_asked <= times else then)(request)


def drip(request):
    request.send(200, b"", content_length=len(RED))
    with suppress(ConnectionError):
        for byte in RED:
            if request.server.over.wait(0.1):
                break
            request.wfile.write(bytes([byte]))
    request.close_connection = True


def silent(request):
    request.server.over.wait(5)
    request.close_connection = True


def breaks_off(request):
    request.send(200, RED[:100], content_length=len(RED))
    request.close_connection = True


def hangs_up(request):
    request.close_connection = True


def endless(request):
    request.send(200, b"", content_length=None, transfer_encoding="chunked")
    with suppress(ConnectionError):
        while not request.server.over.is_set():
            request.wfile.write(b"1000\r\n" + bytes(4096) + b"\r\n")
    request.close_connection = True


@pytest.fixture
def museum():
    server = Museum()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def listed(tmp_path, museum):
    """Write a table of ids and paths (or addresses), and read it."""

    def read(images, **columns):
        urls = [i if i is None or "://" in i else museum.url + i for i in images.values()]
        table = pa.table({"id": list(images), "image": pa.array(urls, pa.string()), **columns})
        pq.write_table(table, tmp_path / "list.parquet")
        return read_addresses(tmp_path / "list.parquet")

    return read


def statuses(path):
    lines = (path / "status.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["id"]: row for row in map(json.loads, lines)}


def fetched(path):
    """The table of what is there: id and file."""
    table = pq.read_table(path / "objects.parquet")
    return dict(zip(table["id"].to_pylist(), table["image"].to_pylist(), strict=True))


# --- whole runs ---------------------------------------------------------------------------


def test_every_picture_has_one_row_with_its_result(museum, listed, tmp_path):
    html = b"<!doctype html><title>Sorry</title>"
    museum.answers |= {
        "/png.jpg": answer(200, picture(format_="PNG")),
        "/gone": answer(404, html),
        "/dear": answer(402),
        "/busy": first(1, answer(429, retry_after=0)),
        "/always-busy": answer(429, retry_after=0),
        "/stumbles": first(2, answer(500)),
        "/broken": answer(500, html),
        "/drip": drip,
        "/silent": silent,
        "/breaks-off": breaks_off,
        "/breaks-off-once": first(1, breaks_off),
        "/torn": answer(200, RED[:-200]),
        "/hangs-up": hangs_up,
        "/html": answer(200, html, content_type="image/jpeg"),
        "/empty": answer(200),
        "/large": answer(200, bytes(20_001)),
        "/endless": endless,
        "/moved": redirect("/new"),
        "/loop": redirect("/loop"),
        "/to-ftp": redirect("ftp://127.0.0.1/x.jpg"),
        "/to-nothing": redirect("http://[x"),
        "/nowhere": answer(302),
    }
    images = {path[1:]: path for path in ("/fine", *museum.answers)} | {
        "ftp": "ftp://127.0.0.1/x.jpg",
        "file": "file:///etc/passwd",
        "hostless": "http:///x.jpg",
        "torn-address": "http://[127.0.0.1/x.jpg",
        "far-port": "http://127.0.0.1:99999/x.jpg",
        "no-server": "http://127.0.0.1:1/x.jpg",
        "no-host": "http://no-such-host.invalid/x.jpg",
        "a/b": "/slash",
        "nothing": None,
    }
    summary = fetch_pictures(listed(images), tmp_path / "out", settings=FAST)
    rows = statuses(tmp_path / "out")
    assert {
        id_: (row["status"], row["http_code"], row["attempts"]) for id_, row in rows.items()
    } == {
        "fine": ("ok", None, 1),
        "png.jpg": ("ok", None, 1),
        "gone": ("http", 404, 1),
        "dear": ("http", 402, 1),
        "busy": ("ok", None, 2),
        "always-busy": ("http", 429, 3),
        "stumbles": ("ok", None, 3),
        "broken": ("http", 500, 3),
        "drip": ("timeout", None, 3),
        "silent": ("timeout", None, 3),
        "breaks-off": ("connection", None, 3),
        "breaks-off-once": ("ok", None, 2),
        "torn": ("not_an_image", None, 1),
        "hangs-up": ("connection", None, 3),
        "html": ("not_an_image", None, 1),
        "empty": ("not_an_image", None, 1),
        "large": ("too_large", None, 1),
        "endless": ("too_large", None, 1),
        "moved": ("ok", None, 1),
        "loop": ("redirects", None, 1),
        "to-ftp": ("refused", None, 1),
        "to-nothing": ("refused", None, 1),
        "nowhere": ("http", 302, 1),
        "ftp": ("refused", None, 1),
        "file": ("refused", None, 1),
        "hostless": ("refused", None, 1),
        "torn-address": ("refused", None, 1),
        "far-port": ("refused", None, 1),
        "no-server": ("connection", None, 3),
        "no-host": ("connection", None, 3),
        "a/b": ("ok", None, 1),
    }
    reasons = {id_: rows[id_]["reason"] for id_ in ("gone", "drip", "silent", "large", "endless")}
    assert reasons == {
        "gone": "404 Not Found",
        "drip": "incomplete after 0.9 s",
        "silent": "no answer for 0.4 s",
        "large": "20,001 bytes, more than 20,000",
        "endless": "more than 20,000 bytes",
    }
    assert rows["html"]["reason"].startswith("not a picture: the file begins with '<!doctype html")
    assert rows["fine"]["sha256"] == hashlib.sha256(RED).hexdigest()
    assert museum.asked["/loop"] == FAST.max_redirects + 1
    expected = {
        "fine": "images/fine.jpg",
        "png.jpg": "images/png.png",
        "busy": "images/busy.jpg",
        "stumbles": "images/stumbles.jpg",
        "breaks-off-once": "images/breaks-off-once.jpg",
        "moved": "images/moved.jpg",
        "a/b": next(f for f in fetched(tmp_path / "out").values() if "a_b" in f),
    }
    assert fetched(tmp_path / "out") == expected
    assert {f"images/{f.name}" for f in (tmp_path / "out/images").iterdir()} == {*expected.values()}
    assert (tmp_path / "out/images/fine.jpg").read_bytes() == RED
    assert (summary.chosen, summary.fetched, summary.failures, summary.left) == (31, 7, 24, 0)
    assert (summary.unaddressed, summary.rows) == (1, 7)
    assert summary.reasons["timeout"] == 2


def test_an_answer_in_a_packed_form_is_unpacked_or_refused(museum, listed, tmp_path):
    museum.answers |= {
        "/gzip": answer(200, gzip.compress(RED), content_encoding="gzip"),
        "/zstd": answer(200, RED, content_encoding="zstd"),
        "/twice": answer(200, RED, content_encoding="gzip, br"),
    }
    fetch_pictures(
        listed({"g": "/gzip", "z": "/zstd", "t": "/twice"}), tmp_path / "out", settings=FAST
    )
    lines = (tmp_path / "out" / "status.jsonl").read_text(encoding="utf-8").splitlines()
    found = {row["id"]: (row["status"], row["reason"]) for row in map(json.loads, lines)}
    assert found == {
        "g": ("ok", None),
        "z": ("not_an_image", "encoded as 'zstd', which was not requested"),
        "t": ("not_an_image", "encoded as 'gzip, br', which was not requested"),
    }


def test_fetched_pictures_are_a_collection_to_embed(museum, listed, tmp_path, toy):
    museum.answers |= {"/blue": answer(200, picture((10, 10, 250))), "/gone": answer(404)}
    columns = {
        "title": ["One", "Two", "Three"],
        "school": pa.array([["Dutch", "Flemish"], None, ["French"]]),
        "years": pa.array(
            [{"begin": 1600, "end": 1610}, None, None],
            pa.struct([("begin", pa.int32()), ("end", pa.int32())]),
        ),
        "height_cm": [1.5, None, 3.0],
    }
    catalog = listed({"r": "/red", "g": "/gone", "b": "/blue"}, **columns)
    fetch_pictures(catalog, tmp_path / "out", settings=FAST)
    back = read_collection(tmp_path / "out")
    rows = pa.Table.from_batches(back.batches(), back.schema).to_pylist()
    assert rows == [
        {"id": "r", "image": "images/r.jpg", "title": "One", "school": ["Dutch", "Flemish"]}
        | {"years": {"begin": 1600, "end": 1610}, "height_cm": 1.5},
        {"id": "b", "image": "images/b.jpg", "title": "Three", "school": ["French"]}
        | {"years": None, "height_cm": 3.0},
    ]
    summary = embed_collection(back, tmp_path / "index", toy)
    assert (summary.rows, summary.failures) == (2, 0)
    vectors = Store.open(tmp_path / "index").read(["rgb"]).column("rgb").to_pylist()
    np.testing.assert_allclose(vectors[1], [10, 10, 250], atol=3)


def test_a_second_run_requests_nothing_and_retry_failed_only_the_failures(museum, listed, tmp_path):
    museum.answers |= {"/b": first(1, answer(404))}
    catalog = listed({"a": "/a", "b": "/b"})
    one = fetch_pictures(catalog, tmp_path / "out", settings=FAST)
    two = fetch_pictures(catalog, tmp_path / "out", settings=FAST)
    assert (one.fetched, one.kept, one.failures) == (1, 0, 1)
    assert (two.fetched, two.kept, two.failures) == (0, 1, 1)
    assert museum.asked == {"/a": 1, "/b": 1}
    three = fetch_pictures(catalog, tmp_path / "out", settings=FAST, retry_failed=True)
    assert (three.fetched, three.kept, three.failures) == (1, 1, 0)
    assert museum.asked == {"/a": 1, "/b": 2}
    assert fetched(tmp_path / "out") == {"a": "images/a.jpg", "b": "images/b.jpg"}


def test_a_picture_is_fetched_again_if_its_file_or_address_changed(museum, listed, tmp_path):
    museum.answers |= {"/new": answer(200, picture(format_="PNG"))}
    catalog = listed({"a": "/a", "b": "/b", "c": "/c"})
    fetch_pictures(catalog, tmp_path / "out", settings=FAST)
    (tmp_path / "out/images/a.jpg").unlink()
    (tmp_path / "out/images/b.jpg").write_bytes(RED[:50])
    catalog = listed({"a": "/a", "b": "/b", "c": "/new"})
    fetch_pictures(catalog, tmp_path / "out", settings=FAST)
    assert museum.asked == {"/a": 2, "/b": 2, "/c": 1, "/new": 1}
    assert sorted(f.name for f in (tmp_path / "out/images").iterdir()) == [
        "a.jpg",
        "b.jpg",
        "c.png",
    ]


def test_the_table_has_the_pictures_of_all_runs_by_their_current_address(museum, listed, tmp_path):
    everything = listed({"a": "/a", "b": "/b", "c": "/c"})
    fetch_pictures(everything, tmp_path / "out", settings=FAST, choice=Choice(where="id = 'c'"))
    summary = fetch_pictures(everything, tmp_path / "out", settings=FAST, choice=Choice(limit=1))
    assert (summary.chosen, summary.fetched, summary.rows) == (1, 1, 2)
    assert fetched(tmp_path / "out") == {"a": "images/a.jpg", "c": "images/c.jpg"}
    other = listed({"a": "/other", "c": "/c"})
    fetch_pictures(other, tmp_path / "out", settings=FAST, choice=Choice(where="id = 'c'"))
    assert fetched(tmp_path / "out") == {"c": "images/c.jpg"}


def test_rows_without_an_id_or_with_a_repeated_one_are_counted(museum, tmp_path):
    table = pa.table(
        {"id": ["a", None, "a", "b"], "image": [f"{museum.url}/{i}" for i in range(4)]}
    )
    pq.write_table(table, tmp_path / "list.parquet")
    summary = fetch_pictures(
        read_addresses(tmp_path / "list.parquet"), tmp_path / "out", settings=FAST
    )
    assert (summary.chosen, summary.unnamed) == (2, 2)
    assert museum.asked == {"/0": 1, "/3": 1}


def test_requests_name_artsim(museum, listed, tmp_path):
    settings = FetchSettings(allow_private=True, contact="me@example.org")
    fetch_pictures(listed({"a": "/a"}), tmp_path / "out", settings=settings)
    sent = museum.headers["/a"]
    assert sent["User-Agent"] == f"artsim/{__version__} (me@example.org)"
    assert (sent["Accept"], sent["Accept-Encoding"]) == ("image/*", "identity")
    with pytest.raises(FetchError, match="cannot be sent"):
        FetchSettings(contact="me\r\nX-Evil: 1")


def test_progress_ends_at_the_total(museum, listed, tmp_path):
    museum.answers |= {"/b": answer(404)}
    seen = []
    catalog = listed({"a": "/a", "b": "/b"})
    fetch_pictures(catalog, tmp_path / "out", settings=FAST, progress=lambda *n: seen.append(n))
    assert seen[-1] == (2, 2, 1)


def test_fetch_works_in_a_running_event_loop(museum, listed, tmp_path):
    async def cell():
        return fetch_pictures(listed({"a": "/a"}), tmp_path / "out", settings=FAST)

    assert asyncio.run(cell()).fetched == 1


def test_no_host_gets_more_requests_at_once_than_allowed(museum, listed, tmp_path):
    def slow(request):
        request.server.over.wait(0.05)
        good(request)

    museum.answers |= {f"/{i}": slow for i in range(12)}
    settings = FetchSettings(allow_private=True, delay_s=0, per_host=3, concurrency=8)
    fetch_pictures(
        listed({str(i): f"/{i}" for i in range(12)}), tmp_path / "out", settings=settings
    )
    assert museum.most_busy == 3


def test_requests_to_a_host_are_spaced(museum, listed, tmp_path):
    settings = FetchSettings(allow_private=True, delay_s=0.05)
    fetch_pictures(listed({str(i): f"/{i}" for i in range(6)}), tmp_path / "out", settings=settings)
    started = [times[0] for times in museum.times.values()]
    assert max(started) - min(started) > 4 * 0.05


def test_hosts_that_redirect_to_each_other_do_not_deadlock(museum, listed, tmp_path):
    here, there = museum.url, museum.url.replace("127.0.0.1", "localhost")
    images = {}
    for i in range(20):
        museum.answers |= {f"/a{i}": redirect(f"{there}/x{i}"), f"/b{i}": redirect(f"{here}/y{i}")}
        images |= {f"a{i}": f"{here}/a{i}", f"b{i}": f"{there}/b{i}"}
    settings = FetchSettings(allow_private=True, delay_s=0, per_host=2, concurrency=2)
    assert fetch_pictures(listed(images), tmp_path / "out", settings=settings).fetched == 40


def test_a_requested_pause_applies_to_the_whole_host(museum, listed, tmp_path):
    museum.answers |= {"/0": first(1, answer(429, retry_after=1))}
    settings = FetchSettings(allow_private=True, delay_s=0.02, per_host=1)
    images = {str(i): f"/{i}" for i in range(4)}
    assert fetch_pictures(listed(images), tmp_path / "out", settings=settings).fetched == 4
    asked = museum.times["/0"][0]
    later = [museum.times["/0"][1], *(museum.times[f"/{i}"][0] for i in range(1, 4))]
    assert min(later) - asked >= 1


def test_a_host_that_requests_a_long_pause_is_left_for_another_run(museum, listed, tmp_path):
    museum.answers |= {"/0": first(1, answer(503, retry_after=3600))}
    settings = FetchSettings(allow_private=True, delay_s=0, per_host=1)
    catalog = listed({str(i): f"/{i}" for i in range(4)})
    summary = fetch_pictures(catalog, tmp_path / "out", settings=settings)
    assert museum.asked == {"/0": 1}
    assert (summary.left, summary.failures) == (4, 0)
    assert summary.left_why == ["127.0.0.1 requests a pause of 3,600 s"]
    assert statuses(tmp_path / "out") == {}
    assert fetch_pictures(catalog, tmp_path / "out", settings=settings).fetched == 4


def test_a_host_that_went_down_is_left_for_another_run(museum, listed, tmp_path):
    museum.answers |= {f"/{i}": hangs_up for i in range(5, 40)} | {"/4": answer(404)}
    settings = FetchSettings(allow_private=True, delay_s=0, per_host=1, retries=0, give_up_after=3)
    catalog = listed({str(i): f"/{i}" for i in range(40)})
    summary = fetch_pictures(catalog, tmp_path / "out", settings=settings)
    assert (summary.fetched, summary.failures, summary.left) == (4, 4, 32)
    assert summary.left_why == ["127.0.0.1 failed 3 times in a row"]


def test_other_pictures_are_requested_while_one_waits_for_a_retry(museum, listed, tmp_path):
    museum.answers |= {"/0": first(1, answer(500))}
    settings = FetchSettings(allow_private=True, delay_s=0, per_host=1, backoff_s=0.4)
    fetch_pictures(listed({str(i): f"/{i}" for i in range(4)}), tmp_path / "out", settings=settings)
    times = [(moment, path) for path, moments in museum.times.items() for moment in moments]
    assert [path for _, path in sorted(times)] == ["/0", "/1", "/2", "/3", "/0"]


def drain(turns):
    """The ids of all turns that come without waiting."""

    async def take():
        ids = []
        with suppress(TimeoutError):
            while (turn := await asyncio.wait_for(turns.next(), 0.05)) is not None:
                ids.append(turn.wanted.id)
                turns.put_back(turn, 3600)
        return ids

    return asyncio.run(take())


def test_a_host_that_always_fails_is_given_up():
    turns = Turns([Wanted(str(n), f"http://a/{n}", str(n)) for n in range(100)])
    assert drain(turns) == [str(n) for n in range(32)]


def test_due_retries_come_before_new_pictures():
    async def take():
        turns = Turns([Wanted(id_, id_, id_) for id_ in "abc"])
        a, b = await turns.next(), await turns.next()
        turns.put_back(a, 0.02)
        turns.put_back(b, 0)
        taken = [await turns.next() for _ in range(3)]
        return [(turn.wanted.id, turn.attempt) for turn in taken], await turns.next()

    assert asyncio.run(take()) == ([("b", 2), ("c", 1), ("a", 2)], None)


# --- robots.txt and dry runs -----------------------------------------------------------------

ROBOTS = b"""User-agent: *
Disallow: /private/
Disallow: /*.tif$
Allow: /private/press/

User-agent: greedybot
Disallow: /
"""


def test_what_robots_txt_disallows_is_one_row_and_the_rest_is_fetched(museum, listed, tmp_path):
    museum.robots = answer(200, ROBOTS)
    museum.answers["/moved"] = redirect("/private/b.jpg")
    paths = ("/a.jpg", "/private/a.jpg", "/private/press/a.jpg", "/a.tif", "/a.tif.jpg", "/moved")
    catalog = listed({path: path for path in paths})
    summary = fetch_pictures(catalog, tmp_path / "out", settings=FAST)
    rows = statuses(tmp_path / "out")
    assert {path: rows[path]["status"] for path in paths} == {
        "/a.jpg": "ok",
        "/private/a.jpg": "robots",
        "/private/press/a.jpg": "ok",
        "/a.tif": "robots",
        "/a.tif.jpg": "ok",
        "/moved": "robots",
    }
    assert rows["/a.tif"]["reason"] == "the robots.txt of 127.0.0.1 disallows it"
    assert summary.reasons == {"robots": 3}
    assert museum.asked.keys() == {"/a.jpg", "/private/press/a.jpg", "/a.tif.jpg", "/moved"}
    assert museum.robots_asked == 1

    again = fetch_pictures(
        catalog, tmp_path / "out", settings=dataclasses.replace(FAST, robots=False)
    )
    assert (again.fetched, again.kept, again.failures) == (3, 3, 0)
    assert museum.robots_asked == 1


@pytest.mark.parametrize(
    ("robots", "fetched"),
    [
        (lambda request: request.send(404), 1),
        (lambda request: request.send(403), 1),
        (lambda request: request.send(200, bytes(range(256))), 1),
        (lambda request: request.send(200, b"#" * 600_000 + b"\nUser-agent: *\nDisallow: /"), 1),
        (lambda request: request.send(200, b"\xef\xbb\xbfUser-agent: Artsim\nDisallow: /"), 0),
        (lambda request: request.send(301, location="/rules"), 0),
    ],
    ids=["absent", "forbidden", "garbage", "endless", "by name", "moved"],
)
def test_a_robots_txt_that_is_no_rule_allows_everything(museum, listed, tmp_path, robots, fetched):
    museum.robots = robots
    museum.answers["/rules"] = answer(200, b"User-agent: *\nDisallow: /a\n")
    summary = fetch_pictures(listed({"a": "/a"}), tmp_path / "out", settings=FAST)
    assert summary.fetched == fetched


def test_pictures_wait_while_robots_txt_cannot_be_read(museum, listed, tmp_path):
    museum.robots = answer(500)
    fetch_pictures(listed({"a": "/a"}), tmp_path / "out", settings=FAST)
    row = statuses(tmp_path / "out")["a"]
    assert (row["status"], row["http_code"], row["attempts"]) == ("http", 500, 3)
    assert row["reason"] == "its robots.txt cannot be read: 500 Internal Server Error"
    assert museum.asked == {}


def test_the_pause_of_robots_txt_is_kept(museum, listed, tmp_path):
    museum.robots = answer(200, b"User-agent: *\nCrawl-delay: 0.1")
    catalog = listed({str(i): f"/{i}" for i in range(4)})
    fetch_pictures(catalog, tmp_path / "out", settings=FAST)
    started = sorted(times[0] for times in museum.times.values())
    assert started[-1] - started[0] > 2 * 0.1
    museum.robots = answer(200, b"User-agent: *\nCrawl-delay: 86400")
    summary = fetch_pictures(listed({"new": "/new"}), tmp_path / "out", settings=FAST)
    assert (summary.left, summary.fetched) == (1, 0)
    assert "requests 86,400 s between two requests" in summary.left_why[0]


def test_a_picture_that_a_person_names_needs_no_robots_txt(museum):
    museum.robots = answer(200, b"User-agent: *\nDisallow: /")
    assert fetch_picture(f"{museum.url}/a.jpg", FAST) == RED
    assert museum.robots_asked == 0


def test_a_dry_run_counts_requests_bytes_and_time_and_writes_nothing(museum, listed, tmp_path):
    museum.robots = answer(200, ROBOTS + b"Crawl-delay: 9\n")  # of the other robot
    museum.answers["/1"] = answer(404)
    museum.answers["/2"] = lambda request: request.send(
        200, RED, content_length=None, connection="close"
    )  # no length: it is counted
    images = {str(i): f"/{i}" for i in range(30)} | {"no": "/private/a.jpg", "bad": "ftp://x/a"}
    found = forecast(listed(images), tmp_path / "out", settings=FAST)
    assert (found.chosen, found.kept, found.failed, found.requests) == (32, 0, 0, 30)
    assert [(host.host, host.requests, host.disallowed) for host in found.hosts] == [
        ("127.0.0.1", 30, 1),
        ("x", 0, 0),
    ]
    assert found.sizes == (len(RED),) * 19
    assert found.faults == {"404 Not Found": 1}
    assert found.bytes == 30 * 19 * len(RED) / 20
    assert not (tmp_path / "out").exists()
    assert sum(museum.asked.values()) == 20

    fetch_pictures(listed(images), tmp_path / "out", settings=FAST)
    before = sorted((file, file.stat().st_mtime_ns) for file in (tmp_path / "out").rglob("*"))
    found = forecast(listed(images), tmp_path / "out", settings=FAST)
    assert (found.kept, found.failed, found.requests, found.bytes) == (29, 2, 0, None)
    assert before == sorted(
        (file, file.stat().st_mtime_ns) for file in (tmp_path / "out").rglob("*")
    )


def test_a_dry_run_prints_a_line_for_each_host(museum, listed, tmp_path):
    museum.robots = answer(200, ROBOTS)
    listed({str(i): f"/{i}" for i in range(30)} | {"no": "/private/a.jpg"})
    out = tmp_path / "out"
    code, output = fetch(
        tmp_path / "list.parquet", out, "--dry-run", "--allow-private", "--delay", "0.01"
    )
    assert code == 0
    lines = [" ".join(line.split()) for line in output.splitlines() if line.strip(" ─")]
    assert lines == [
        "list: 30 of 31 pictures to request, 0 already there",
        "host requests disallowed at least",
        "127.0.0.1 30 1 0 s",
        "disallowed: by the server's robots.txt; see --ignore-robots",
        f"about {30 * len(RED) / 1e3:.3g} kB, by the first 20 pictures "
        f"({len(RED)} bytes to {len(RED)} bytes each)",
        "at least 0 s, by the pauses between requests to a host",
    ]
    assert not out.exists()


# --- kills --------------------------------------------------------------------------------


def start_fetch(source, out, *options):
    command = [sys.executable, "-m", "artsim", "fetch", source, out, "--allow-private", *options]
    return started(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def many(museum, tmp_path):
    """A list of 120 pictures, the last 40 of which take a minute, so that no run ends by itself.

    Until ``museum.over``: then they all come at once.
    """

    def slow(request):
        request.server.over.wait(0.01 if int(request.path[1:]) < 80 else 60)
        good(request)

    museum.answers |= {f"/{i}": slow for i in range(120)}
    (tmp_path / "list.txt").write_text("".join(f"{museum.url}/{i}\n" for i in range(120)))
    return tmp_path / "list.txt"


def wait_for_statuses(out, count, process):
    file = out / "status.jsonl"
    wait_until(
        f"{count} statuses", lambda: file.exists() and len(statuses_so_far(out)) >= count, process
    )


@pytest.mark.skipif(os.name == "nt", reason="kills with SIGKILL")
def test_a_killed_run_continues_without_requesting_finished_pictures(museum, tmp_path):
    source, out = many(museum, tmp_path), tmp_path / "out"
    with start_fetch(source, out, "--delay", 0) as process:
        wait_for_statuses(out, 40, process)
        process.send_signal(signal.SIGKILL)
    museum.over.set()
    finished = statuses_so_far(out)
    assert 40 <= len(finished) < 120
    fetch_pictures(read_addresses(source), out, settings=FAST)
    assert {museum.asked[re.sub(".*/", "/", id_)] for id_ in finished} == {1}
    assert sum(museum.asked.values()) <= 120 + 4  # those that were on their way
    rows = statuses(out)
    assert len(rows) == 120
    assert {row["status"] for row in rows.values()} == {"ok"}
    files = fetched(out).values()
    assert len(set(files)) == 120
    assert {f"images/{file.name}" for file in (out / "images").iterdir()} == set(files)
    fetch_pictures(read_addresses(source), tmp_path / "straight", settings=FAST)
    assert contents(out) == contents(tmp_path / "straight")


def contents(out):
    """What a folder holds for embed: every picture's bytes, and the table."""
    files = {file.name: file.read_bytes() for file in (out / "images").iterdir()}
    return files, pq.read_table(out / "objects.parquet").to_pylist()


def statuses_so_far(out):
    lines = (out / "status.jsonl").read_bytes().split(b"\n")[:-1]
    return {json.loads(line)["id"] for line in lines}


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT and SIGTERM")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_keeps_finished_pictures_and_says_how_to_continue(museum, tmp_path, sent):
    source, out = many(museum, tmp_path), tmp_path / "out"
    with start_fetch(source, out) as process:
        wait_for_statuses(out, 5, process)
        process.send_signal(sent)
        stdout, stderr = process.communicate()
    assert (process.returncode, stdout) == (130, "")
    assert stderr == f"\nStopped; finished pictures are in {out}. Run the same command to resume.\n"
    assert fetched(out).keys() == statuses_so_far(out)
    assert len({*(out / "images").iterdir()}) == len(fetched(out))  # and nothing unfinished


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_after_ctrl_c_the_table_waits_for_pending_pictures(museum, listed, tmp_path, monkeypatch):
    def interrupts(request):
        os.kill(os.getpid(), signal.SIGINT)
        good(request)

    def late_write(path, write):  # lines that are written meanwhile would not be in the table
        time.sleep(0.3)
        write_whole(path, write)

    monkeypatch.setattr("artsim.fetch.plan.write_whole", late_write)
    museum.answers["/0"] = first(1, interrupts)
    catalog = listed({str(i): f"/{i}" for i in range(200)})
    gc.disable()  # what strikes in a callback of the collector, hypothesis has one, is lost
    try:
        with pytest.raises(KeyboardInterrupt):
            fetch_pictures(catalog, tmp_path / "out", settings=FAST)
    finally:
        gc.enable()
    assert fetched(tmp_path / "out").keys() == statuses(tmp_path / "out").keys()


def test_a_kill_between_a_pictures_line_and_its_name_loses_nothing(museum, listed, tmp_path):
    catalog = listed({"a": "/a", "b": "/b", "c": "/c"})
    fetch_pictures(catalog, tmp_path / "out", settings=FAST)
    images = tmp_path / "out/images"
    (images / "a.jpg").rename(images / ".a.jpg.part")
    (images / "b.jpg").unlink()
    (images / ".b.jpg.part").write_bytes(RED[:70])  # not what its line tells of
    (images / ".x.jpg.part").write_bytes(RED)  # of no line
    fetch_pictures(catalog, tmp_path / "out", settings=FAST)
    assert museum.asked == {"/a": 1, "/b": 2, "/c": 1}
    assert sorted(file.name for file in images.iterdir()) == ["a.jpg", "b.jpg", "c.jpg"]
    assert {file.read_bytes() for file in images.iterdir()} == {RED}


def test_a_full_disk_ends_the_run_with_one_line(museum, listed, tmp_path, monkeypatch):
    append = StatusFile.append

    def fails_at_third(self, status):
        if len(self.rows) == 2:
            raise OSError(28, "No space left on device")
        append(self, status)

    monkeypatch.setattr(StatusFile, "append", fails_at_third)
    catalog = listed({str(i): f"/{i}" for i in range(9)})
    with pytest.raises(StoreError, match=r"No space left on device; what is finished is safe"):
        fetch_pictures(catalog, tmp_path / "out", settings=FAST)
    assert len(fetched(tmp_path / "out")) == 2
    monkeypatch.undo()
    assert fetch_pictures(catalog, tmp_path / "out", settings=FAST).kept == 2


def test_two_runs_do_not_write_to_one_folder(museum, listed, tmp_path):
    catalog = listed({"a": "/a"})
    busy = pytest.raises(StoreError, match="another 'artsim fetch'")
    with only_one(tmp_path / "out" / run._LOCK, "locked here"), busy:
        fetch_pictures(catalog, tmp_path / "out", settings=FAST)


# --- the status file ----------------------------------------------------------------------


def test_a_torn_line_is_dropped_and_the_last_line_of_an_id_counts(tmp_path):
    (tmp_path / "images").mkdir()
    old = Status(id="a", url="u", status=Outcome.TIMEOUT, reason="late")
    new = Status(id="a", url="u", status=Outcome.OK, file="a.jpg", file_bytes=3, sha256="0")
    other = Status(id="b", url="v", status=Outcome.HTTP, http_code=404)
    lines = old.to_json() + b"not json\n" + other.to_json() + new.to_json() + b'{"id": "c", "ur'
    (tmp_path / "status.jsonl").write_bytes(lines)
    status = StatusFile(tmp_path)
    third = Status(id="c", url="w", status=Outcome.REFUSED)
    status.append(third)
    status.close()
    written = (tmp_path / "status.jsonl").read_bytes()
    assert written == new.to_json() + other.to_json() + third.to_json()


@given(id_=st.text(), url=st.text(), reason=st.none() | st.text(), code=st.none() | st.integers())
def test_a_status_is_read_back_from_its_line(id_, url, reason, code):
    id_, url = (text.encode(errors="ignore").decode() for text in (id_, url))
    reason = reason and reason.encode(errors="ignore").decode()
    status = Status(id=id_, url=url, status=Outcome.HTTP, reason=reason, http_code=code)
    line = status.to_json()
    assert line.count(b"\n") == 1
    assert Status.from_json(line) == status


# --- local addresses ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::5db8:d822", True),  # 93.184.216.34 as IPv6-only networks write it
        ("127.0.0.1", False),
        ("127.8.8.8", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("192.0.2.1", False),
        ("198.18.0.1", False),
        ("224.0.0.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("::127.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b:1::7f00:1", False),
        ("2002:7f00:1::", False),  # 127.0.0.1 in 6to4
        ("2001:0:0:0:0:0:0:1", False),
        ("2001:db8::1", False),
        ("fe80::1%1", False),
        ("fec0::1", False),
        ("fc00::1", False),
        ("ff0e::1", False),
    ],
)
def test_only_internet_addresses_are_public(address, public):
    assert is_public(address) is public


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0177.0.0.1", "0x7f.1", "127.1", "[::1]"]
)
@pytest.mark.parametrize("way", ["named", "sent on to"])
def test_no_spelling_of_this_machine_is_fetched_from(museum, listed, tmp_path, pretend, host, way):
    address = f"http://{host}:{museum.server_port}/secret"
    museum.answers |= {"/away": redirect(address)}
    given = address if way == "named" else "http://museum.example/away"
    fetch_pictures(listed({"a": given}), tmp_path / "out", settings=FetchSettings(retries=0))
    row = statuses(tmp_path / "out")["a"]
    # some of these are no addresses to some systems, which is as good
    assert row["status"] in ("refused", "redirects") or "cannot be looked up" in row["reason"]
    if host in ("127.0.0.1", "localhost", "2130706433"):
        assert "not a public address; pass --allow-private" in row["reason"]
    assert "/secret" not in museum.asked
    assert set(pretend.connected) <= {"93.184.216.34"}


class Pretend:
    """Hosts that seem to be elsewhere: all connections to public addresses end at the museum."""

    def __init__(self, museum):
        self.museum = museum
        self.hosts = {"museum.example": [["93.184.216.34"]]}  # answers in turn, the last for good
        self.connected = []
        self.look_up = network._look_up

    async def fake_look_up(self, host, port):
        if host not in self.hosts:
            return await self.look_up(host, port)
        answers = self.hosts[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async def fake_connect(self, address, port, timeout):
        self.connected.append(address)
        if address == "203.0.114.1":
            raise httpcore2.ConnectError("no route")
        return await httpcore2.AnyIOBackend().connect_tcp(
            "127.0.0.1", self.museum.server_port, timeout=timeout
        )


@pytest.fixture
def pretend(museum, monkeypatch):
    pretend = Pretend(museum)
    monkeypatch.setattr(network, "_look_up", pretend.fake_look_up)
    monkeypatch.setattr(network, "_connect", pretend.fake_connect)
    return pretend


def test_the_connection_goes_to_the_address_that_was_checked(museum, listed, tmp_path, pretend):
    fetch_pictures(listed({"a": "http://museum.example/a"}), tmp_path / "out")
    assert pretend.connected == ["93.184.216.34"]
    assert museum.headers["/a"]["Host"] == "museum.example"
    assert fetched(tmp_path / "out") == {"a": "images/a.jpg"}


def test_a_name_that_resolves_to_a_local_address_later_is_refused(
    museum, listed, tmp_path, pretend
):
    pretend.hosts["museum.example"] = [["93.184.216.34"], ["127.0.0.1"]]
    museum.answers |= {"/a": answer(200, RED, connection="close")}
    images = {"a": "http://museum.example/a", "b": "http://museum.example/b"}
    settings = FetchSettings(per_host=1)
    fetch_pictures(listed(images), tmp_path / "out", settings=settings)
    rows = statuses(tmp_path / "out")
    assert {id_: row["status"] for id_, row in rows.items()} == {"a": "ok", "b": "refused"}
    assert museum.asked == {"/a": 1}


def test_refused_addresses_are_fetched_when_allowed(museum, listed, tmp_path):
    catalog = listed({"a": "/a.jpg"})
    refused = fetch_pictures(catalog, tmp_path / "out")
    assert (refused.fetched, refused.failures) == (0, 1)
    allowed = fetch_pictures(catalog, tmp_path / "out", settings=FetchSettings(allow_private=True))
    assert (allowed.fetched, allowed.failures) == (1, 0)
    assert fetched(tmp_path / "out") == {"a": "images/a.jpg"}


def test_a_redirect_to_a_name_with_a_local_address_is_refused(museum, listed, tmp_path, pretend):
    pretend.hosts["inside.example"] = [["10.0.0.7"]]
    museum.answers |= {"/a": redirect("http://inside.example/a")}
    fetch_pictures(listed({"a": "http://museum.example/a"}), tmp_path / "out")
    assert statuses(tmp_path / "out")["a"]["reason"] == (
        "inside.example is at 10.0.0.7, which is not a public address; pass --allow-private to "
        "fetch from it"
    )
    assert pretend.connected == ["93.184.216.34"]


def test_of_several_addresses_the_public_ones_are_tried_in_turn(listed, tmp_path, pretend):
    pretend.hosts["museum.example"] = [["10.0.0.7", "203.0.114.1", "93.184.216.34", "::1"]]
    fetch_pictures(listed({"a": "http://museum.example/a"}), tmp_path / "out")
    assert pretend.connected == ["203.0.114.1", "93.184.216.34"]
    assert fetched(tmp_path / "out") == {"a": "images/a.jpg"}


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
def test_certificates_are_checked_against_the_name_and_not_the_address(
    museum, listed, tmp_path, pretend, monkeypatch
):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = ("-subj", "/CN=museum.example", "-addext", "subjectAltName=DNS:museum.example")
    files = ("-keyout", str(key), "-out", str(certificate))
    subprocess.run([*command.split(), *names, *files], check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    asked_for = []
    server.sni_callback = lambda _socket, name, _context: asked_for.append(name)
    museum.socket = server.wrap_socket(museum.socket, server_side=True)
    trusting = ssl.create_default_context(cafile=certificate)
    monkeypatch.setattr(network.httpx2, "create_ssl_context", lambda: trusting)
    pretend.hosts["other.example"] = [["93.184.216.34"]]
    images = {"a": "https://museum.example/a", "b": "https://other.example/b"}
    fetch_pictures(listed(images), tmp_path / "out", settings=FetchSettings(retries=0))
    rows = statuses(tmp_path / "out")
    assert {id_: row["status"] for id_, row in rows.items()} == {"a": "ok", "b": "connection"}
    assert "certificate is not valid for 'other.example'" in rows["b"]["reason"]
    assert sorted(asked_for) == ["museum.example", "other.example"]
    assert museum.asked == {"/a": 1}


# --- small parts --------------------------------------------------------------------------


def test_retry_after_is_seconds_or_a_date():
    now = datetime(2015, 10, 21, 7, 27, 30, tzinfo=UTC)
    read = {
        text: retry_after_s(text, now)
        for text in ("120", " 0 ", "Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2015 07:00:00 GMT")
    }
    assert [*read.values()] == [120.0, 0.0, 30.0, 0.0]
    assert [retry_after_s(text, now) for text in (None, "", "soon", "-1", "1.5", "²")] == [None] * 6


def test_pauses_double_and_are_the_same_for_a_seed():
    settings = FetchSettings(backoff_s=1, max_backoff_s=10)
    pauses = [backoff_s(attempt, settings, random.Random(7)) for attempt in range(1, 7)]
    assert pauses == [backoff_s(attempt, settings, random.Random(7)) for attempt in range(1, 7)]
    for pause, longest in zip(pauses, [1, 2, 4, 8, 10, 10], strict=True):
        assert longest / 2 <= pause <= longest


def test_ids_become_names_valid_on_every_file_system():
    ids = [
        "12.5-b",
        "1937.1.56.a",
        "a1.JPG",
        "Straße 7",
        "../../etc/passwd",
        "con",
        "NUL.x",
        ".hid",
    ]
    ids += ["A", "a", "b.jpg", "B", "日本", "x" * 300, "", "-rf", "a\x00b", "end.", "q-" + "0" * 16]
    stems = file_stems(ids)
    marked = {id_: re.sub("-[0-9a-f]{16}$", "~", stem) for id_, stem in stems.items()}
    assert marked == {
        "12.5-b": "12.5-b",
        "1937.1.56.a": "1937.1.56.a",
        "a1.JPG": "a1",
        "Straße 7": "Stra_e_7~",
        "../../etc/passwd": "etc_passwd~",
        "con": "_con~",
        "NUL.x": "_NUL.x~",
        ".hid": "hid~",
        "A": "A~",
        "a": "a~",
        "b.jpg": "b~",
        "B": "B~",
        "日本": "_~",
        "x" * 300: "x" * 96 + "~",
        "": "_~",
        "-rf": "rf~",
        "a\x00b": "a_b~",
        "end.": "end~",
        "q-" + "0" * 16: "q-" + "0" * 16 + "~",
    } | {"q-" + "0" * 16: "q-0000000000000000~"}


def test_a_name_on_the_disk_is_kept_and_never_reused_for_another_id():
    assert file_stems(["A", "b"], [("A", "A"), ("gone", "B")])["A"] == "A"
    assert re.fullmatch("b-[0-9a-f]{16}", file_stems(["A", "b"], [("gone", "B")])["b"])


@given(st.lists(st.text(max_size=8) | st.sampled_from(["a", "A", "con", "á", "a.jpg", "a.png"])))
def test_names_are_unique_safe_and_the_same_in_any_order(ids):
    ids = [id_.encode(errors="ignore").decode() for id_ in ids]
    stems = file_stems(ids)
    assert stems == file_stems(reversed(ids))
    assert stems.keys() == set(ids)
    assert len({stem.lower() for stem in stems.values()}) == len(stems)
    for stem in stems.values():
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,120}", stem)
        assert stem.partition(".")[0].lower() not in ("con", "nul", "aux", "prn", "com1", "lpt1")


@pytest.mark.parametrize(
    ("format_", "suffix"),
    [
        *(("JPEG", "jpg"), ("PNG", "png"), ("GIF", "gif"), ("WEBP", "webp"), ("TIFF", "tif")),
        *(("BMP", "bmp"), ("JPEG2000", "jp2"), ("AVIF", "avif"), ("PPM", "ppm")),
    ],
)
def test_a_file_is_named_after_the_format_it_has(format_, suffix):
    assert suffix_of(picture(format_=format_)) == suffix


# --- which rows ---------------------------------------------------------------------------

WORKS = pa.table(
    {
        "id": [*"abcdefgh"],
        "image": ["u1", "u2", None, "u4", "u5", "u6", "u7", "u8"],
        "medium": ["oil", "oil", "oil", "ink", "oil", "ink", None, "oil"],
        "school": [["D"], ["D", "F"], ["D"], None, ["F"], [], ["D"], ["D"]],
        "years": [{"begin": year, "end": year + 5} for year in range(1600, 1680, 10)],
        "row": [8, 7, 6, 5, 4, 3, 2, 1],
    }
)


def chosen(**choice):
    return "".join(WORKS["id"].take(choose_rows(WORKS, Choice(**choice))).to_pylist())


def test_rows_are_chosen_by_condition_class_and_number():
    assert chosen() == "abdefgh"
    assert chosen(limit=2) == "ab"
    assert chosen(where="medium = 'oil'") == "abeh"
    assert chosen(where="medium = 'oil' OR row = 2") == "abegh"
    assert chosen(where="list_contains(school, 'F') AND years.begin < 1640") == "b"
    assert chosen(where="school = 'F' AND years.begin < 1640") == "b"
    assert chosen(where="false") == ""
    assert chosen(where="medium = 'oil'", limit=3) == "abe"
    twins = WORKS.append_column("Medium", WORKS["id"])
    assert choose_rows(twins, Choice(where="Medium = 'a' or row = 2")).tolist() == [0, 6]
    assert chosen(per_class=("medium", 99)) == "abdefh"
    assert chosen(per_class=("school", 99)) == "abegh"


def test_classes_are_drawn_at_random_and_the_same_for_a_seed():
    draws = {chosen(per_class=("medium", 1), seed=seed) for seed in range(40)}
    assert draws == {"".join(sorted(oil + ink)) for oil in "abeh" for ink in "df"}
    assert chosen(per_class=("medium", 1), seed=3) == chosen(per_class=("medium", 1), seed=3)
    media = WORKS["medium"].take(choose_rows(WORKS, Choice(per_class=("medium", 2)))).to_pylist()
    assert Counter(media) == {"oil": 2, "ink": 2}


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"where": "color = 1"}, "'color = 1' cannot be evaluated: .*the columns are id, image"),
        ({"where": "true; DROP TABLE x"}, "cannot be evaluated"),
        ({"where": "EXISTS (FROM read_csv('/etc/passwd'))"}, "cannot be evaluated"),
        ({"where": "EXISTS (FROM WORKS)"}, "cannot be evaluated"),
        ({"per_class": ("color", 2)}, "no column 'color'; the columns are id, image, medium"),
        ({"per_class": ("years", 2)}, "holds ranges of years"),
    ],
)
def test_an_impossible_choice_gives_a_one_line_error(choice, message):
    with pytest.raises(FetchError, match=message) as caught:
        chosen(**choice)
    assert "\n" not in str(caught.value)


# --- catalogs of addresses --------------------------------------------------------------


def addresses(source, **options):
    catalog = read_addresses(source, **options)
    table = pa.Table.from_batches(catalog.batches(), catalog.schema)
    return dict(zip(table["id"].to_pylist(), table["image"].to_pylist(), strict=True))


def test_a_text_file_lists_one_address_a_line(tmp_path):
    (tmp_path / "list.txt").write_bytes(
        b"\xef\xbb\xbfhttps://x.org/1.jpg\r\n\n# a note\n  http://x.org/2.jpg \nhttps://x.org/1.jpg"
    )
    expected = {url: url for url in ("https://x.org/1.jpg", "http://x.org/2.jpg")}
    assert addresses(tmp_path / "list.txt") == expected
    (tmp_path / "list").write_bytes((tmp_path / "list.txt").read_bytes())
    assert addresses(f"urls:{tmp_path / 'list'}") == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"# nothing\n", "lists no addresses"),
        (b"http://x/\xff", "not UTF-8 text .byte 9"),
        (None, "re"),
    ],
)
def test_a_list_that_cannot_be_read_says_why(tmp_path, content, message):
    if content is not None:
        (tmp_path / "list").write_bytes(content)
    with pytest.raises(ReaderError, match=message):
        read_addresses(f"urls:{tmp_path / 'list'}")


def test_a_column_named_url_has_the_addresses(tmp_path):
    (tmp_path / "list.csv").write_text("id,title,url\n1,One,http://x.org/1.jpg\n")
    assert addresses(f"urls:{tmp_path / 'list.csv'}") == {"1": "http://x.org/1.jpg"}
    pq.write_table(pa.table({"URL": ["http://x.org/1.jpg"]}), tmp_path / "list.parquet")
    assert [*addresses(f"urls:{tmp_path / 'list.parquet'}").values()] == ["http://x.org/1.jpg"]
    (tmp_path / "both.csv").write_text("id,url,image url\n1,http://x.org/,http://x.org/1.jpg\n")
    assert addresses(f"urls:{tmp_path / 'both.csv'}") == {"1": "http://x.org/1.jpg"}
    options = ReaderOptions(image_column="title")
    assert addresses(f"urls:{tmp_path / 'list.csv'}", options=options) == {"1": "One"}


def test_a_collection_on_the_disk_is_not_fetched(tmp_path, colors):
    with pytest.raises(FetchError, match="has no pictures on the web"):
        fetch_pictures(read_addresses(colors), tmp_path / "out")


def test_iiif_images_are_requested_at_a_size(tmp_path):
    lines = {
        "https://x.org/iiif/a/full/max/0/default.jpg": "/iiif/a/full/!99,99/0/default.jpg",
        "https://x.org/b%2Fc/full/full/0/native.jpg?k=1": "/b%2Fc/full/!99,99/0/native.jpg?k=1",
        "https://x.org/c/1,2,3,4/!200,200/90/default.png": "/c/1,2,3,4/!99,99/90/default.png",
        "https://x.org/d/square/pct:50/!0/gray.jpg": "/d/square/!99,99/!0/gray.jpg",
        "https://x.org/e/full/^800,/0/default.jpg": "/e/full/!99,99/0/default.jpg",
        "https://x.org/full/12/0/f.jpg": "/full/12/0/f.jpg",
    }
    (tmp_path / "list.txt").write_text("\n".join(lines))
    sized = addresses(tmp_path / "list.txt", size="99")
    assert [url.removeprefix("https://x.org") for url in sized.values()] == [*lines.values()]
    whole = addresses(tmp_path / "list.txt", size="max")
    assert [*whole.values()][2] == "https://x.org/c/1,2,3,4/max/90/default.png"
    assert [*addresses(tmp_path / "list.txt").values()] == [*lines]


def test_a_size_without_a_iiif_address_is_refused(tmp_path):
    (tmp_path / "list.txt").write_text("https://x.org/1.jpg\n")
    with pytest.raises(FetchError, match="--size 512 is for IIIF addresses"):
        read_addresses(tmp_path / "list.txt", size="512")
    with pytest.raises(FetchError, match="no size 'big'"):
        read_addresses(tmp_path / "list.txt", size="big")


@pytest.fixture
def nga(tmp_path, museum):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "objects.csv").write_text(
        "objectid,beginyear,endyear,classification\n"
        "1,1888,1888,Painting\n2,1890,1890,Print\n3,1900,1901,Painting\n"
    )
    views = "".join(
        f"{uuid},{museum.url}/iiif/{uuid},primary,0,{width},{width},{id_}\n"
        for uuid, width, id_ in (("u-1", 4000, 1), ("u-2", 4000, 2), ("u-3", 300, 3))
    )
    (folder / "published_images.csv").write_text(
        "uuid,iiifurl,viewtype,sequence,width,height,depictstmsobjectid\n" + views
    )
    return folder


def test_nga_pictures_are_requested_at_the_chosen_size(nga, museum):
    prefix = f"{museum.url}/iiif/"
    assert [a.removeprefix(prefix) for a in addresses(nga, size="400").values()] == [
        "u-1/full/!400,400/0/default.jpg",
        "u-2/full/!400,400/0/default.jpg",
        "u-3/full/!300,300/0/default.jpg",
    ]
    assert addresses(f"nga:{nga}", size="400") == addresses(nga, size="400")


# --- the command --------------------------------------------------------------------------


def fetch(*args):
    result = CliRunner().invoke(cli, ["fetch", *map(str, args)], catch_exceptions=False)
    return result.exit_code, re.sub(r"in \d+\.\d s \(\d+/s\)", "in T", result.output)


def test_the_command_fetches_and_names_the_next_step(nga, museum, tmp_path):
    museum.answers |= {"/iiif/u-3/full/!300,300/0/default.jpg": answer(404)}
    out = tmp_path / "nga"
    args = (f"nga:{nga}", out, "--where", "classification = 'Painting'", "--allow-private")
    code, output = fetch(*args)
    assert code == 0
    assert output == (
        f"{out}: 1 of 2 pictures\n"
        f"  1 fetched in T, {len(RED) / 1e6:.1f} MB; 0 already there\n"
        f"  1 failed (1 http 404): see {out / 'status.jsonl'}, retry with --retry-failed\n"
        f"  next: artsim embed {out}\n"
    )
    assert museum.asked.keys() == {
        f"/iiif/u-{i}/full/!{s},{s}/0/default.jpg" for i, s in ((1, 512), (3, 300))
    }
    assert fetch(*args, "--strict")[0] == 1
    assert fetch(*args, "--retry-failed")[0] == 0
    assert museum.asked["/iiif/u-3/full/!300,300/0/default.jpg"] == 2


def test_the_command_refuses_this_machine_and_exits_with_1_without_a_picture(nga, museum, tmp_path):
    code, output = fetch(nga, tmp_path / "out", "--limit", 2, "--delay", 0)
    assert code == 1
    assert "2 failed (2 refused)" in output
    assert museum.asked == {}


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--per-class", "medium"), "'medium' is not COLUMN=N"),
        (("--per-class", "medium=0"), "'medium=0' is not COLUMN=N"),
        (("--where", "nonsense ="), "Error: the condition 'nonsense =' cannot be evaluated"),
        (("--contact", "Zoë"), "Error: the contact 'Zoë' cannot be sent"),
    ],
)
def test_a_wrong_command_gives_a_one_line_error(nga, tmp_path, args, message):
    code, output = fetch(nga, tmp_path / "out", *args)
    assert code != 0
    assert message in output
    assert not (tmp_path / "out").exists()


def test_a_missing_client_names_the_package_to_install(nga, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx2", None)
    assert fetch(nga, tmp_path / "out") == (
        1,
        "Error: fetching needs httpx2; pip install 'artsim[fetch]'\n",
    )


def test_the_command_reads_a_catalog_as_embed_does(monkeypatch, tmp_path):
    def read(source, *, options, size):
        raise ReaderError(f"null {options.null}, exclude {options.exclude}")

    monkeypatch.setattr("artsim.fetch.read_addresses", read)
    args = ["fetch", "works.csv", str(tmp_path), "--null", "?", "--exclude", "thumbs"]
    assert "null ('?',), exclude ('thumbs',)" in CliRunner().invoke(cli, args).output
