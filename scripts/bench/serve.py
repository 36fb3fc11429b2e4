"""Load `artsim serve` with many visitors at once; measure its answers and its memory.

    python scripts/bench/serve.py                        50 visitors, 2 minutes, 100,000 x 512
    python scripts/bench/serve.py --pause 0 --seconds 30

Every visitor searches by the id of a work, waits for the answer, pauses for --pause seconds and
searches by one of the matches. In the last quarter of the time, eight more visitors upload pictures
one after another, each embedded by the network. Times are from sending a request to receiving the
whole answer.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import random
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import httpx2
import numpy as np
from index import describe, made_store
from PIL import Image

from artsim.datatypes import parse_spec
from artsim.index import build_index
from artsim.models import load_extractor

SPEC = "timm:resnet18.random"  # 512 values, as slow as a trained one, no download
Times = dict[str, list[float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--visitors", type=int, default=50)
    parser.add_argument("--uploaders", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument(
        "--pause", type=float, default=1.0, help="seconds between a visitor's searches"
    )
    parser.add_argument("--port", type=int, default=8765)
    options = parser.parse_args()
    describe()
    with tempfile.TemporaryDirectory() as folder:
        passport = load_extractor(parse_spec(SPEC)).passport
        dims = passport.taps[0].dim
        store = made_store(Path(folder) / "made", "clusters", options.rows, dims, passport)
        print(build_index(store, passport.taps[0].name).kind, f"{options.rows:,} x {dims}")
        command = [sys.executable, "-m", "artsim", "serve", str(store.path)]
        server = subprocess.Popen([*command, "--port", str(options.port)])
        try:
            asyncio.run(visit(options, server.pid))
        finally:
            server.terminate()
            server.wait()


async def visit(options: argparse.Namespace, pid: int) -> None:
    """Run all visitors and print times, errors and memory."""
    address = f"http://127.0.0.1:{options.port}/api/made"
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(base_url=address, limits=limits, timeout=60) as client:
        await wait_for(client)
        for warm in range(3):
            await client.post("/search", json={"terms": [{"id": str(warm)}]})
        await send_picture(client, 0, defaultdict(list), [])
        times: Times = defaultdict(list)
        errors: list[str] = []
        memory = [resident(pid)]
        until = time.monotonic() + options.seconds
        later = until - options.seconds / 4
        first_works = np.random.default_rng(0).integers(0, options.rows, options.visitors)
        visitors = [
            browse(client, str(row), until, later, options.pause, times, errors)
            for row in first_works
        ]
        uploaders = [
            upload(client, n, later, until, times, errors) for n in range(options.uploaders)
        ]
        watch = asyncio.create_task(remember(pid, memory))
        await asyncio.gather(*visitors, *uploaders)
        watch.cancel()
    for name, took in times.items():
        p50, p99 = 1e3 * np.percentile(took, [50, 99])
        rate = len(took) / options.seconds
        print(f"{name}: {len(took)} answers, {rate:.0f}/s, p50 {p50:.0f} ms, p99 {p99:.0f} ms")
    print(f"errors: {len(errors)} {errors[:3]}")
    quarter = len(memory) // 4
    print(
        f"memory of the server: {memory[0]} MB when warm, {memory[quarter]} after a quarter, "
        f"{memory[2 * quarter]} at half, {memory[-1]} at the end"
    )


async def browse(
    client: httpx2.AsyncClient,
    id_: str,
    until: float,
    later: float,
    pause: float,
    times: Times,
    errors: list[str],
) -> None:
    await asyncio.sleep(random.random() * pause)
    while time.monotonic() < until:
        began = time.monotonic()
        try:
            answer = await client.post("/search", json={"terms": [{"id": id_}], "k": 24})
            matches = answer.json()["matches"]
        except Exception as error:  # any error is counted
            errors.append(repr(error))
            continue
        name = "by id" if began < later else "by id, beside uploads"
        times[name].append(time.monotonic() - began)
        id_ = random.choice(matches)["id"]
        await asyncio.sleep(pause)


async def upload(
    client: httpx2.AsyncClient,
    number: int,
    since: float,
    until: float,
    times: Times,
    errors: list[str],
) -> None:
    await asyncio.sleep(max(0, since - time.monotonic()))
    while time.monotonic() < until:
        await send_picture(client, number, times, errors)


async def send_picture(
    client: httpx2.AsyncClient, number: int, times: Times, errors: list[str]
) -> None:
    rng = np.random.default_rng([number, time.monotonic_ns()])
    small = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    out = io.BytesIO()
    small.resize((1200, 900), Image.Resampling.BICUBIC).save(out, "JPEG", quality=90)
    began = time.monotonic()
    try:
        sent = await client.post(
            "/uploads", content=out.getvalue(), headers={"content-type": "image/jpeg"}
        )
        term = {"upload": sent.json()["upload"]}
        answer = await client.post("/search", json={"terms": [term], "k": 24})
        assert len(answer.json()["matches"]) == 24
    except Exception as error:
        errors.append(repr(error))
        return
    times["by upload"].append(time.monotonic() - began)


async def wait_for(client: httpx2.AsyncClient) -> None:
    for _ in range(600):
        try:
            await client.get("/../indexes")
            return
        except httpx2.TransportError:
            await asyncio.sleep(0.2)
    raise SystemExit("the server did not start")


async def remember(pid: int, memory: list[int]) -> None:
    while True:
        await asyncio.sleep(1)
        memory.append(resident(pid))


def resident(pid: int) -> int:
    """Return the memory of a process in MB, without mapped files."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) // 1024
    raise SystemExit("no RssAnon in /proc; run this on Linux")


if __name__ == "__main__":
    main()
