"""Compare fetching from a local server, whole and killed halfway, with img2dataset.

    python scripts/bench/fetch.py                               # artsim alone
    python scripts/bench/fetch.py --peer OTHER/bin/img2dataset  # from an environment of its own
    python scripts/bench/fetch.py --latency-ms 0 --pictures 2000

Both get the same list, send 16 requests at a time without a delay, keep the files as they are,
hash them and retry up to four times; the peer runs in its incremental mode, with shards of 100.
Every tenth picture fails once. A killed run gets SIGKILL when half of the pictures were requested,
and is then run again. Seconds are those of the whole command. A picture that is requested again
after a kill was either in transit, or had arrived and was not yet recorded as finished.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

AT_ONCE = 16  # requests
RETRIES = 4
SHARD = 100  # pictures a shard of the peer, which a kill can lose


def main() -> None:
    """Compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--latency-ms", type=float, default=20.0, help="before each answer")
    parser.add_argument("--rounds", type=int, default=3, help="whole runs; the median is printed")
    parser.add_argument("--peer", type=Path, help="the command img2dataset")
    args = parser.parse_args()
    print(f"{args.pictures} pictures, {args.latency_ms:g} ms before each answer\n")
    print(f"{'':22}{'s':>7}{'CPU s':>7}{'img/s':>7}{'again':>13}", end="")
    print(f"{'though finished':>17}{'rows lost':>11}")
    with Museum(args.pictures, args.latency_ms / 1000) as museum:
        found = tools(args.peer)
        whole: dict[str, list[Result]] = {name: [] for name in found}
        for number in range(args.rounds):  # in turn, as the machine may have other work
            for name in list(found)[:: -1 if number % 2 else 1]:
                whole[name].append(run(found[name], museum, kill=False))
        for name, tool in found.items():
            results = sorted(whole[name], key=lambda result: result.seconds)
            line(name, results[len(results) // 2], args)
            line(f"{name}, killed", run(tool, museum, kill=True), args)


@dataclass
class Tool:
    """A command that fetches, and how to read what it has fetched."""

    command: Callable[[Path, Path], list[str]]  # from the list and the folder
    finished: Callable[[Path], list[str]]  # addresses with a row, from the folder


@dataclass
class Result:
    """Times, requests and rows of a run."""

    seconds: float
    cpu_s: float
    requests: Counter[str] = field(default_factory=Counter)  # by address
    finished: set[str] = field(default_factory=set)  # when it was killed
    rows: list[str] = field(default_factory=list)  # in the end


def tools(peer: Path | None) -> dict[str, Tool]:
    """Return the commands by name."""
    found = {"artsim": Tool(artsim_command, artsim_rows)}
    if peer is not None:
        found["img2dataset"] = Tool(lambda *args: peer_command(peer, *args), peer_rows)
    return found


def artsim_command(source: Path, out: Path) -> list[str]:
    limits = ("--concurrency", str(AT_ONCE), "--per-host", str(AT_ONCE), "--delay", "0")
    command = [sys.executable, "-m", "artsim", "fetch", f"urls:{source}", str(out)]
    return [*command, "--allow-private", "--retries", str(RETRIES), *limits]


def artsim_rows(out: Path) -> list[str]:
    file = out / "status.jsonl"
    lines = file.read_bytes().split(b"\n")[:-1] if file.exists() else []
    rows = {row["url"]: row["status"] for row in map(json.loads, lines)}
    return [url for url, status in rows.items() if status == "ok"]


def peer_command(peer: Path, source: Path, out: Path) -> list[str]:
    options = {
        "url_list": source,
        "output_folder": out,
        "thread_count": AT_ONCE,
        "processes_count": 1,
        "retries": RETRIES,
        "timeout": 60,
        "number_sample_per_shard": SHARD,
        "disable_all_reencoding": True,
        "incremental_mode": "incremental",
    }
    return [str(peer), *(f"--{name}={value}" for name, value in options.items())]


def peer_rows(out: Path) -> list[str]:
    """List the addresses in finished shards, as its incremental mode does."""
    rows = []
    for stats in out.glob("*_stats.json"):
        shard = pq.read_table(stats.with_name(stats.name.replace("_stats.json", ".parquet")))
        status = zip(shard["url"].to_pylist(), shard["status"].to_pylist(), strict=True)
        rows += [url for url, verdict in status if verdict == "success"]
    return rows


def run(tool: Tool, museum: Museum, *, kill: bool) -> Result:
    """Fetch once, or until a kill and once more."""
    museum.reset()
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "list.txt"), Path(folder, "out")
        source.write_text("".join(f"{url}\n" for url in museum.urls))
        command = tool.command(source, out)
        started, cpu_s = time.perf_counter(), children_cpu_s()
        finished: set[str] = set()
        if kill:
            process = start(command)
            while len(museum.requests) < len(museum.urls) / 2:
                time.sleep(0.002)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            finished = {*tool.finished(out)}
        if start(command).wait():
            raise SystemExit(f"{command[0]} failed")
        seconds = time.perf_counter() - started
        cpu_s = children_cpu_s() - cpu_s
        return Result(seconds, cpu_s, museum.requests.copy(), finished, tool.finished(out))


def children_cpu_s() -> float:
    """Return the CPU time of the child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def start(command: list[str]) -> subprocess.Popen[bytes]:
    quiet = os.environ | {"NO_ALBUMENTATIONS_UPDATE": "1"}
    return subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=quiet,
    )


def line(name: str, result: Result, args: argparse.Namespace) -> None:
    """Print a row; the retry of a picture that fails once is not counted."""
    again = {
        url: times - 1 - is_unsteady(int(url.rpartition("/")[2]))
        for url, times in result.requests.items()
    }
    lost = args.pictures - len(set(result.rows))
    print(f"{name:22}{result.seconds:7.2f}{result.cpu_s:7.2f}", end="")
    print(f"{args.pictures / result.seconds:7.0f}{sum(again.values()):13}", end="")
    print(f"{sum(again[url] for url in result.finished):17}{lost:11}")


def is_unsteady(number: int) -> bool:
    """Return whether a picture fails at first."""
    return number % 10 == 7


class Museum:
    """A server of different pictures that counts requests; a context manager."""

    def __init__(self, pictures: int, latency_s: float) -> None:
        museum = self
        self.latency_s = latency_s
        self.requests: Counter[str] = Counter()
        self.lock = threading.Lock()
        self.bodies = [picture(seed) for seed in range(20)]

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                museum.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, *_: object) -> None:
                pass  # the client was killed

        self.server = Server(("127.0.0.1", 0), Handler)
        address = f"http://127.0.0.1:{self.server.server_port}"
        self.urls = [f"{address}/{number}" for number in range(pictures)]

    def __enter__(self) -> Museum:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def reset(self) -> None:
        """Forget all requests."""
        self.requests.clear()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Send a picture, or an error."""
        if request.path == "/robots.txt":
            request.send_error(404)
            return
        number = int(request.path[1:])
        with self.lock:
            self.requests[self.urls[number]] += 1
            is_first = self.requests[self.urls[number]] == 1
        time.sleep(self.latency_s)
        body = self.bodies[number % len(self.bodies)]
        if is_first and is_unsteady(number):
            request.send_response(500)
            body = b""
        else:
            request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)


def picture(seed: int) -> bytes:
    """Draw a picture of 512 x 400, about 40 KB."""
    small = np.random.default_rng(seed).integers(0, 256, (100, 128, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(small).resize((512, 400)).save(stream, "JPEG", quality=85)
    return stream.getvalue()


if __name__ == "__main__":
    main()
