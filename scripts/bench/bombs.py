"""Send many bombs at once to a running `artsim serve`; measure its memory and other visitors.

    artsim serve indexes/paintings --port 8765 &
    python scripts/bench/bombs.py $! paintings ID FILE...

The files are sent --bombs times in turn, all at once, while another visitor searches by ID.
"""

from __future__ import annotations

import argparse
import itertools
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pid", type=int)
    parser.add_argument("index")
    parser.add_argument("id")
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--bombs", type=int, default=50)
    parser.add_argument("--port", type=int, default=8765)
    options = parser.parse_args()
    address = f"http://127.0.0.1:{options.port}/api/{options.index}"
    over, memory, searches = threading.Event(), [resident(options.pid)], Counter[int]()
    slowest = 0.0

    def watch() -> None:
        while not over.wait(0.02):
            memory.append(resident(options.pid))

    def search() -> None:
        nonlocal slowest
        while not over.wait(0.1):
            began = time.monotonic()
            found = httpx2.post(
                f"{address}/search", json={"terms": [{"id": options.id}]}, timeout=60
            )
            searches[found.status_code] += 1
            slowest = max(slowest, time.monotonic() - began)

    def send(file: Path) -> int:
        data = file.read_bytes()
        headers = {"content-type": "image/png"}
        return httpx2.post(
            f"{address}/uploads", content=data, headers=headers, timeout=300
        ).status_code

    others = [threading.Thread(target=watch), threading.Thread(target=search)]
    for thread in others:
        thread.start()
    with ThreadPoolExecutor(options.bombs) as pool:
        files = itertools.islice(itertools.cycle(options.files), options.bombs)
        answers = Counter(pool.map(send, files))
    over.set()
    for thread in others:
        thread.join()
    print(f"bombs by status: {dict(answers)}; searches: {dict(searches)}, slowest {slowest:.1f} s")
    print(f"memory: {memory[0]} MB idle, {max(memory)} at most, +{max(memory) - memory[0]}")


def resident(pid: int) -> int:
    """Return the memory of a process and its children in MB."""
    total = 0
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    for each in [pid, *(int(child) for task in tasks for child in read(task).split())]:
        lines = read(Path(f"/proc/{each}/status")).splitlines()
        total += sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
    return total // 1024


def read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:  # it has ended
        return ""


if __name__ == "__main__":
    main()
