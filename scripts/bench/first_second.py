"""Measure what a user waits for, as whole processes: with the network kept, and without.

    .venv/bin/python scripts/bench/first_second.py                  # real paintings, lite0
    .venv/bin/python scripts/bench/first_second.py --runs 9

Each command runs in turn with the cache as an earlier command left it, and as before there was one:
with torch (`--backend torch`), or with an empty cache. Medians of the runs; processor seconds and
memory are those of the process. On a busy machine look at the processor seconds and the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parent.parent.parent
DATA = Path(os.environ.get("ARTSIM_DATA", ROOT / "../shared/data"))
Spent = tuple[float, float, float]  # seconds, processor seconds, peak memory in MB
ARTSIM = [sys.executable, "-m", "artsim"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--model", default="lite0")
    parser.add_argument("--label", default="style", help="of the probe that predicts")
    options = parser.parse_args()
    print(f"{platform.processor()} {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        compare(folder, options)
        serve(folder / "paintings")


def compare(folder: Path, options: argparse.Namespace) -> None:
    files = sorted((DATA / "paintings/images").iterdir())
    ten, query, index = folder / "ten", folder / "query.jpg", folder / "paintings"
    ten.mkdir()
    for file in files[:10]:
        shutil.copy(file, ten)
    with Image.open(files[77]) as picture:  # not byte for byte a picture of the index
        picture.convert("RGB").resize((900, 1200)).save(query, quality=90)
    embed = ["embed", str(DATA / "paintings"), "-o", str(index), "-m", options.model]
    run(embed)
    run(["probe", str(index), "--label", options.label])
    similar = ["similar", str(query), "--index", str(index)]
    predict = ["predict", str(query), "--index", str(index)]
    few = ["embed", str(ten), "-o", str(folder / "few"), "-m", options.model]
    torch = ["--backend", "torch"]
    print(f"\n{'':34}{'wall s':>8}{'ratio':>7}{'CPU s':>8}{'ratio':>7}{'peak MB':>9}")
    show("similar PICTURE", options.runs, similar, [*similar, *torch])
    show("predict PICTURE", options.runs, predict, [*predict, *torch])
    show("embed, nothing new", options.runs, embed, embed, empty=True)
    show("embed, ten pictures", options.runs, few, few, empty=True, remove=folder / "few")


def show(
    name: str,
    runs: int,
    now: list[str],
    before: list[str],
    *,
    empty: bool = False,
    remove: Path | None = None,
) -> None:
    """Run two commands alternately and print the medians; ``before`` with an empty cache."""
    found: dict[str, list[Spent]] = {"kept": [], "before": []}
    for _ in range(runs):
        for which, command in (("kept", now), ("before", before)):
            if remove is not None:
                shutil.rmtree(remove, ignore_errors=True)
            with tempfile.TemporaryDirectory() as cache:
                other = {"XDG_CACHE_HOME": cache} if empty and which == "before" else {}
                found[which].append(run(command, other))
    wall, cpu, memory = (statistics.median(each) for each in zip(*found["kept"], strict=True))
    wall0, cpu0, memory0 = (statistics.median(each) for each in zip(*found["before"], strict=True))
    what = "empty cache" if empty else "--backend torch"
    print(f"{name:34}{wall:8.2f}{wall0 / wall:7.1f}{cpu:8.2f}{cpu0 / cpu:7.1f}{memory:9.0f}")
    print(f"{'  ' + what:34}{wall0:8.2f}{1:7.1f}{cpu0:8.2f}{1:7.1f}{memory0:9.0f}", flush=True)


def run(
    command: list[str], environment: dict[str, str] | None = None
) -> tuple[float, float, float]:
    """Run a command of artsim; return what it took."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [*ARTSIM, *command], stdout=subprocess.DEVNULL, env={**os.environ, **(environment or {})}
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    seconds = time.perf_counter() - began
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def serve(index: Path) -> None:
    """Print when a new server answers its first query by picture, and its first why."""
    picture = index.parent / "query.jpg"
    command = [*ARTSIM, "serve", str(index), "--port", "0"]
    began = time.perf_counter()
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        address = next(line for line in server.stderr if "http://" in line)
        address = address.split(" at ")[1].split()[0]
        opened = time.perf_counter()
        upload = post(f"{address}api/{index.name}/uploads", picture.read_bytes(), "image/jpeg")
        query = {"terms": [{"upload": upload["upload"]}], "k": 5}
        body = json.dumps(query).encode()
        answer = post(f"{address}api/{index.name}/search", body, "application/json")
        first = time.perf_counter()
        body = json.dumps(query | {"match": answer["matches"][0]["id"]}).encode()
        post(f"{address}api/{index.name}/why", body, "application/json")
        why = time.perf_counter()
    finally:
        server.terminate()
        server.wait()
    print(f"\nserve: port open after {opened - began:.2f} s, first answer by picture")
    print(f"{first - opened:.2f} s later, first why {why - first:.2f} s after that")


def post(address: str, body: bytes, kind: str) -> dict:
    request = urllib.request.Request(address, body, {"content-type": kind})
    with urllib.request.urlopen(request, timeout=120) as response:
        return json.load(response)


if __name__ == "__main__":
    main()
