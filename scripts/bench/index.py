"""Time search in a large index and in the index that autofaiss chooses, in one run.

    python scripts/bench/index.py                        1,000,000 x 512, clusters and hard vectors
    python scripts/bench/index.py --rows 200000 --kinds hard

Clusters are 1,000 centers with noise; hard vectors have eigenvalues that fall as 1 / i, as those
of pictures do, and no clusters. Every query is a row of the index, itself left out, searched alone,
and recall is measured against exact search over the vectors as they are stored. Memory is what a
process that loads one index has added after all queries; p50 and p99 are wall-clock times, cpu is
the CPU time of a query, which other work on the machine changes less. The peer is what autofaiss
builds with its defaults (--peer names an interpreter that has it, as it needs another numpy), read
as clip-retrieval reads it.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_info

from artsim.datatypes import Fit, Passport, Preprocessing, TapInfo
from artsim.index import Goals, build_index, open_index, unit
from artsim.store import Manifest, Store, part_schema, round_to_half

PART = 16384
K = 10
PEER = """
import json, sys, time
from autofaiss import build_index
clock = time.perf_counter()
_, found = build_index(sys.argv[1], sys.argv[2], sys.argv[2] + ".json", metric_type="ip",
                       verbose=30)
seconds = round(time.perf_counter() - clock, 1)
print(json.dumps({k: found[k] for k in ("index_key", "index_param")} | {"seconds": seconds}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dims", type=int, default=512)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument(
        "--kinds", nargs="+", choices=["clusters", "hard"], default=["clusters", "hard"]
    )
    parser.add_argument("--recall", type=float, default=0.98)
    parser.add_argument(
        "--folder", type=Path, help="for temporary files of several GB; it must exist"
    )
    parser.add_argument("--peer", metavar="PYTHON", help="an interpreter that has autofaiss")
    options = parser.parse_args()
    describe()
    for kind in options.kinds:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            bench(kind, options, Path(folder))


def bench(kind: str, options: argparse.Namespace, folder: Path) -> None:
    rows, dims = options.rows, options.dims
    print(f"\n{kind}: {rows:,} x {dims}, {options.queries} queries, k = {K}", flush=True)
    clock = time.perf_counter()
    store = made_store(folder / "index", kind, rows, dims)
    print(f"made in {time.perf_counter() - clock:.0f} s", flush=True)
    chosen = np.random.default_rng(7).choice(rows, options.queries, replace=False)
    queries, last = truth(store, chosen)
    np.savez(folder / "queries.npz", chosen=chosen, queries=queries, last=last)

    seconds, info = timed(lambda: build_index(store, "v", Goals(recall=options.recall)))
    shown = ("kind", "k_factor", "recall_at_10", "latency", "why")
    kept = {key: value for key, value in vars(info).items() if key in shown}
    print(f"artsim chose {json.dumps(kept)}", flush=True)
    report("artsim", seconds, in_process(search_artsim, folder), rows, dims)
    seconds, _ = timed(lambda: build_index(store, "v"))
    print(f"  built again, every part known: {seconds:.1f} s", flush=True)
    if options.peer:
        peer = build_peer(store, folder, options.peer)
        print(f"autofaiss chose {peer}")
        report(
            "autofaiss", json.loads(peer)["seconds"], in_process(search_peer, folder), rows, dims
        )


def made_store(
    path: Path, kind: str, rows: int, dims: int, passport: Passport | None = None
) -> Store:
    """Write an index of generated vectors, as if from the network of a passport if one is given."""
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((1000, dims), dtype=np.float32)
    turn = np.linalg.qr(rng.standard_normal((dims, dims)))[0].astype(np.float32)
    scale = (1 / np.sqrt(np.arange(1, dims + 1))).astype(np.float32)
    square = Preprocessing(
        size=(8, 8), scale=(8, 8), fit=Fit.SQUASH, interpolation="bilinear", mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0), fill=(0, 0, 0), scaled_decoding=0,
    )  # fmt: skip
    passport = passport or Passport(
        spec="made:vectors", weights_sha256="0" * 64, weights_source="none", preprocessing=square,
        taps=(TapInfo(name="v", layer="", pooling="none", dim=dims),), backend="none",
        compute_dtype="float32", versions={},
    )  # fmt: skip
    store = Store.create(
        path, Manifest(name="made", reader="", source="", root="", fields=(), passport=passport)
    )
    schema = part_schema([], passport.taps)
    for start in range(0, rows, PART):
        n = min(PART, rows - start)
        noise = rng.standard_normal((n, dims), dtype=np.float32)
        if kind == "clusters":
            vectors = centers[rng.integers(0, len(centers), n)] + 0.7 * noise
        else:
            vectors = (noise * scale) @ turn
        names = [str(row) for row in range(start, start + n)]
        values = pa.array(round_to_half(vectors).ravel())
        tap = schema.field(passport.taps[0].name)
        column = pa.FixedSizeListArray.from_arrays(values, type=tap.type)
        store.append(pa.table([names, names, names, *([[1] * n] * 4), column], schema=schema))
    store.finish()
    return store


def truth(store: Store, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the queries and the cosine of the last of the K true neighbors of each."""
    taken = store.take(chosen.tolist(), ["v"]).column("v").combine_chunks().flatten()
    queries = unit(taken.to_numpy().reshape(-1, store.tap("v").dim))
    best = np.full((len(chosen), K + 1), -np.inf, dtype=np.float32)
    for block in store.iter_vectors("v"):
        scores, _ = faiss.knn(queries, unit(block), K + 1, faiss.METRIC_INNER_PRODUCT)
        best = -np.sort(-np.concatenate([best, scores], axis=1), axis=1)[:, : K + 1]
    return queries, best[:, -1]


def build_peer(store: Store, folder: Path, python: str) -> str:
    """Let autofaiss build its index with its defaults; return what it chose."""
    (folder / "vectors").mkdir()
    np.save(folder / "vectors" / "0.npy", unit(store.vectors("v")))
    done = subprocess.run(
        [python, "-c", PEER, str(folder / "vectors"), str(folder / "peer.index")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout.splitlines()[-1]


def search_artsim(folder: Path) -> dict[str, Any]:
    """Load artsim's index and search it."""
    store = Store.open(folder / "index")
    before = resident()
    seconds, index = timed(lambda: open_index(store, "v"))
    return searched(folder, seconds, index.search) | {"before": before}


def search_peer(folder: Path) -> dict[str, Any]:
    """Load the peer's index and search it, as clip-retrieval does."""
    flags = faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY
    before = resident()
    seconds, index = timed(lambda: faiss.read_index(str(folder / "peer.index"), flags))
    return searched(folder, seconds, index.search) | {"before": before}


def searched(folder: Path, load: float, search: Callable[..., Any]) -> dict[str, Any]:
    """Search every query alone, and compare with the truth."""
    with np.load(folder / "queries.npz") as saved:
        chosen, queries, last = saved["chosen"], saved["queries"], saved["last"]
    for query in queries[:20]:
        search(query[None], K + 1)
    seconds, recalls, started = [], [], time.process_time()
    for row, query, least in zip(chosen, queries, last, strict=True):
        took, (scores, rows) = timed(lambda query=query: search(query[None], K + 1))
        seconds.append(took)
        recalls.append(min(K, int((scores[0][rows[0] != row] >= least - 1e-6).sum())) / K)
    cpu = (time.process_time() - started) / len(seconds)
    clock = time.perf_counter()
    search(queries, K + 1)
    return {
        "cpu": cpu,
        "load": load,
        "p50": np.percentile(seconds, 50),
        "p99": np.percentile(seconds, 99),
        "recall": np.mean(recalls),
        "batch": len(queries) / (time.perf_counter() - clock),
        "resident": resident(),
    }


def report(name: str, build: float, found: dict[str, Any], rows: int, dims: int) -> None:
    """Print one line of the table."""
    added = found["resident"] - found["before"]
    milliseconds = "  ".join(f"{key} {1000 * found[key]:.2f} ms" for key in ("p50", "p99", "cpu"))
    print(
        f"{name}: recall@10 {found['recall']:.4f}  {milliseconds}  "
        f"together {found['batch']:.0f}/s\n"
        f"  built in {build:.1f} s, loaded in {found['load']:.3f} s; resident "
        f"{found['resident'] / 1e6:.0f} MB, {added / 1e6:.0f} MB of it the index: "
        f"{added / (2 * rows * dims):.2f} x the vectors in fp16; load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


def in_process(function: Callable[[Path], dict[str, Any]], folder: Path) -> dict[str, Any]:
    """Run in a separate process, whose memory is only this index's and Python's."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, (folder,))


def resident() -> int:
    """Return the bytes that this process has in memory, including mapped files."""
    text = Path("/proc/self/status").read_text()
    return 1024 * int(text.partition("VmRSS:")[2].split()[0])


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    clock = time.perf_counter()
    found = function()
    return time.perf_counter() - clock, found


def describe() -> None:
    libraries = sorted({f"{each['internal_api']} {each['version']}" for each in threadpool_info()})
    print(f"faiss {faiss.__version__} ({faiss.get_compile_options().strip()}), {libraries}")
    coretype, threads = os.environ.get("OPENBLAS_CORETYPE"), faiss.omp_get_max_threads()
    print(f"OPENBLAS_CORETYPE={coretype}, {threads} threads, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
