"""Embed on a Ray cluster of two nodes on this machine while workers, nodes and runs are killed.

    .venv/bin/python scripts/bench/cluster.py                # 20 of each kind, real paintings
    .venv/bin/python scripts/bench/cluster.py --times 2 --pictures 60
    .venv/bin/python scripts/bench/cluster.py --speed 3 --pictures 1200

Each run embeds with the same chunks as a run in one process with one thread; at a random moment a
worker, a node or the run itself is ended by SIGKILL (a run is started again then). The index must
have the same bytes. With --speed nothing is killed: whole runs on one node and on both are timed in
turn, each with one thread a node. That needs two free cores.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
# A node that has gone is noticed within seconds.
os.environ |= {"RAY_health_check_period_ms": "500", "RAY_health_check_failure_threshold": "4"}

from ray.cluster_utils import Cluster

ROOT = Path(__file__).parent.parent.parent
SECOND = "127.0.0.2"  # of the second node: runs connect to the first, which stays
DATA = Path(os.environ.get("ARTSIM_DATA", ROOT / "../shared/data"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=20, help="of each kind")
    parser.add_argument("--kinds", default="worker,node,run", help="of what is killed")
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--model", default="lite0")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--speed", type=int, default=0, help="time so many pairs of runs")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "museum").mkdir()
        for file in sorted((DATA / "paintings/images").iterdir())[: options.pictures]:
            shutil.copy(file, folder / "museum")
        embed = [sys.executable, "-m", "artsim", "embed", "museum", "-m", options.model]
        embed += ["--part-rows", "16", "--threads", "1"]
        if options.speed:
            compare_speed(folder, embed, options.speed)
            return
        subprocess.run([*embed, "-o", "one"], cwd=folder, check=True)
        wrong = compare(folder, embed, options.kinds.split(","), options.times, rng)
    sys.exit(1 if wrong else 0)


def compare(
    folder: Path, embed: list[str], kinds: list[str], times: int, rng: random.Random
) -> int:
    """Embed with each kind of accident; return how many indexes are not as they should be."""
    cluster = Cluster(initialize_head=True, head_node_args=node(), connect=False)
    cluster.add_node(**node(), node_ip_address=SECOND)
    command = [*embed, "--engine", f"ray:{cluster.address}"]
    wrong = 0
    try:
        started = time.monotonic()
        wrong += attempt(folder, [*command, "-o", "plain"], None, 0.0)
        seconds = time.monotonic() - started
        accidents: dict[str, Callable[[subprocess.Popen[Any]], None]] = {
            "worker": lambda run: kill_worker(rng),
            "node": lambda run: replace_node(cluster),
            "run": lambda run: run.kill(),
        }
        for kind in kinds:
            right = 0
            for n in range(times):
                after = rng.uniform(0.2, 0.9) * seconds
                failed = attempt(folder, [*command, "-o", f"{kind}{n}"], accidents[kind], after)
                right += not failed
                wrong += failed
            print(f"{kind:8} killed: {right} of {times} indexes are equal byte for byte")
    finally:
        cluster.shutdown()
    return wrong


def compare_speed(folder: Path, embed: list[str], pairs: int) -> None:
    """Time embedding on one node and on two, in turn; print seconds and the ratio of medians."""
    took: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(pairs):
        for nodes, seconds in took.items():
            cluster = Cluster(initialize_head=True, head_node_args=node(), connect=False)
            try:
                for _ in range(nodes - 1):
                    cluster.add_node(**node(), node_ip_address=SECOND)
                command = [*embed, "--engine", f"ray:{cluster.address}", "-o", "timed"]
                began = time.monotonic()
                subprocess.run(command, cwd=folder, check=True, capture_output=True)
                seconds.append(time.monotonic() - began)
            finally:
                cluster.shutdown()
            shutil.rmtree(folder / "timed")
            print(f"{nodes} node{'s' * (nodes > 1)}: {seconds[-1]:.1f} s", flush=True)
    one, two = (statistics.median(took[nodes]) for nodes in took)
    print(f"two nodes are {one / two:.2f} x as fast as one (load {os.getloadavg()[0]:.1f})")


def node() -> dict[str, Any]:
    return {"num_cpus": 1, "object_store_memory": 128 << 20, "include_dashboard": False}


def attempt(
    folder: Path,
    command: list[str],
    accident: Callable[[subprocess.Popen[Any]], None] | None,
    after: float,
) -> bool:
    """Embed, with an accident after some seconds; return whether the index differs."""
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as run:
        if accident:
            time.sleep(after)
            accident(run)
        output = run.communicate()[0]
    if run.returncode == -signal.SIGKILL:
        again = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        output += again.stdout + again.stderr
    index = folder / command[-1]
    differs = parts(index) != parts(folder / "one") or (index / "staging").exists()
    if differs:
        print(output)
    if not accident:
        print(output.strip())
    shutil.rmtree(index, ignore_errors=True)
    return differs


def parts(index: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (index / "parts").glob("*")}


def kill_worker(rng: random.Random) -> None:
    """End a process of an actor, if there is one."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            title = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if title.startswith(b"ray::RayWorker"):
            found.append(int(folder.name))
    if found:
        os.kill(rng.choice(found), signal.SIGKILL)


def replace_node(cluster: Cluster) -> None:
    """End the node that is not the head, with all that runs on it, and add another."""
    cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
    for _ in range(5):  # Ray waits 30 s for it, which may be too few on a busy machine
        with suppress(Exception):
            cluster.add_node(**node(), node_ip_address=SECOND)
            return
    raise RuntimeError("no node has started in five tries")


if __name__ == "__main__":
    main()
