"""The index that is tortured, and the commands that write to it."""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from safetensors.numpy import load_file
from trials import run_command

MODEL = ("-m", "timm:test_resnet.random", "--backend", "torch", "--part-rows", "16")
PICTURES = 60
INDEX = "indexes/museum"
PUBLISHED = "lance:published"

# Moments, durations, and checksums of what has them: all that two equal runs may differ in.
_CHANGING = {
    "created",
    "updated",
    "file_mtime_ns",
    "mtime_ns",
    "sha256",
    "bytes",
    "checksum",
    "latency",
    "at",  # of a review
    "attempts",  # of a download
    "time",
    "next_part",
}
# Files with moments in them, or drawn from others.
_PASSING = {".ckpt", ".html", ".log", ".md", ".png", ".txt"}
_DIGITS = re.compile(r"(\.\d{5})\d+")  # those after the fifth are noise of the processor's cores
_OTHERS = ("museum/", "published/")  # pictures, and files of a database
_OURS = {".lock", ".fetch.lock"}


_TRAINING = (
    *("--set", "label=style", "--set", "split=stored", "--set", "epochs=2"),
    *("--set", "backbone=timm:test_resnet.random"),
)


@dataclass(frozen=True)
class Job:
    """A command that writes, and what it needs before."""

    name: str
    command: tuple[str, ...]
    start: str = "embedded"  # the folder of the museum that a trial begins with a copy of
    finished: str = ""  # what the second run says, and fails, if the first one had finished
    asks: tuple[str, ...] = ()  # a command that shows what was written, where files do not
    resumes: str = ""  # a folder with which the second run is 'train --resume', once it exists

    def second(self, folder: Path) -> tuple[str, ...]:
        """Return the command that finishes what this one has begun."""
        if self.resumes and (folder / self.resumes / "config.json").exists():
            return ("train", "--resume", self.resumes)
        return self.command


_SPLIT = ("--label", "style", "--split", "stored")
JOBS = (  # every command that writes; their results do not change when they are run twice
    Job("sample", ("sample", "drawn/", "--pictures", "8"), finished="is not empty"),
    Job("fetch", ("fetch", "web.csv", "fetched/", "--allow-private", "--delay", "0")),
    Job("embed", ("embed", "museum/", *MODEL), start="fresh"),
    Job("embed again", ("embed", "museum/", *MODEL), start="changed"),
    Job("repair", ("repair",), start="damaged"),
    Job("index", ("index", "--kind", "ivf")),
    Job(
        "publish",
        ("publish", INDEX, PUBLISHED),
        asks=("similar", "--id", "msw-0001", "-k", "60", "--index", PUBLISHED, "--json"),
    ),
    Job("label", ("label", "century = floor(year / 100) + 1")),
    Job("split", ("split", "--name", "drawn", "--stratify", "style", "--replace")),
    Job(
        "import-vectors",
        ("import-vectors", "vectors.csv", "--id-column", "id"),
        finished="is an index already",
    ),
    Job("dupes", ("dupes",)),
    Job("leaks", ("leaks", "--split", "stored")),
    Job("knn-eval", ("knn-eval", *_SPLIT, "--predictions", "knn.csv")),
    Job("probe", ("probe", *_SPLIT)),
    Job("retrieval-eval", ("retrieval-eval", "--label", "style")),
    Job("leaderboard", ("leaderboard", *_SPLIT, "--csv", "taps.csv")),
    Job("predict", ("predict", "museum/images", "-o", "predicted.csv"), start="probed"),
    Job("review", ("review", "guess", "-o", "to-review.csv"), start="predicted"),
    Job("review read", ("review", "guess", "--read", "review.csv"), start="predicted"),
    Job("similar", ("similar", "museum/images", "-k", "5", "-o", "found.csv")),
    Job("sheet", ("similar", "--id", "msw-0001", "--sheet", "found.png")),
    Job("inspect", ("inspect", "museum/", "--hashes", "--html", "museum.html")),
    Job("report", ("report", *_SPLIT, "--csv", "figures.csv")),
    Job("map", ("map",)),
    Job(
        "train",
        ("train", "finetune", "--index", INDEX, *_TRAINING, "-o", "runs/trained"),
        resumes="runs/trained",
    ),
)


def build_museum(folder: Path) -> Path:
    """Make the folders that trials copy: without an index, with one, and with changed files."""
    fresh = folder / "fresh"
    fresh.mkdir()
    _must(fresh, ["sample", "museum/", "--pictures", str(PICTURES)])
    _write_vectors(fresh / "vectors.csv")
    _write_addresses(fresh / "web.csv", _serve_files(fresh / "museum" / "images"))

    embedded = folder / "embedded"
    shutil.copytree(fresh, embedded)
    for command in (
        ["embed", "museum/", *MODEL],
        ["split", "--name", "stored", "--stratify", "style", "--fractions", "60/20/20"],
    ):
        _must(embedded, command)

    probed = folder / "probed"
    shutil.copytree(embedded, probed)
    _must(probed, ["probe", *_SPLIT])

    predicted = folder / "predicted"
    shutil.copytree(embedded, predicted)
    _predict(predicted)
    _must(predicted, ["review", "guess", "-o", "review.csv"])
    review = (predicted / "review.csv").read_text(encoding="utf-8-sig")
    (predicted / "review.csv").write_text(review.replace(",,", ",accept,", 40), encoding="utf-8")

    damaged = folder / "damaged"
    shutil.copytree(embedded, damaged)
    for file in ("parts/000001.parquet", "manifest.json"):
        data = bytearray((damaged / INDEX / file).read_bytes())
        data[len(data) // 2] ^= 1
        (damaged / INDEX / file).write_bytes(data)

    changed = folder / "changed"
    shutil.copytree(embedded, changed)
    pictures = sorted((changed / "museum").rglob("*.jpg"))
    for old, new in zip(pictures[:10], pictures[20:30], strict=True):
        shutil.copyfile(new, old)
    return folder


def start(museum: Path, job: Job, scratch: Path) -> Path:
    """Copy the folder that a job begins with, with the same file times."""
    if scratch.exists():
        shutil.rmtree(scratch)
    shutil.copytree(museum / job.start, scratch, copy_function=shutil.copy2)
    return scratch


def result(job: Job, folder: Path) -> dict[str, Any]:
    """Read what a job has written, and what the command shows that reads it."""
    found = contents(folder)
    if job.asks:
        found[" ".join(job.asks)] = _DIGITS.sub(r"\1", run_command(folder, job.asks).output)
    return found


def contents(folder: Path) -> dict[str, Any]:
    """Read what a command has written, without moments and durations.

    The rows of an index are compared and not its parts, whose names and sizes depend on how often
    a run was resumed; nor the order of rows, as a picture that failed once comes last. Search files
    are compared if the order is the same.
    """
    found: dict[str, Any] = {}
    for file in sorted(each for each in folder.rglob("*") if each.is_file()):
        name = str(file.relative_to(folder))
        if file.suffix in _PASSING or file.name in _OURS or name.startswith(_OTHERS):
            continue
        if file.parent.name != "parts":
            found |= _content(file, name)
        if file.name == "manifest.json":
            listed = json.loads(file.read_text(encoding="utf-8")).get("parts", [])
            rows = [_rows(file.parent / "parts" / part["file"]) for part in listed]
            found[str(file.parent.relative_to(folder) / "parts")] = list(chain(*rows))
    return found


def _content(file: Path, name: str) -> dict[str, Any]:
    if file.suffix == ".parquet":
        rows = sorted(_rows(file)) if file.name == "hashes.parquet" else _rows(file)
        return {name: rows} if rows or file.name != "failures.parquet" else {}  # may be missing
    if file.suffix == ".safetensors":
        return {name: {key: array.tobytes() for key, array in load_file(file).items()}}
    if file.suffix not in (".json", ".jsonl", ".csv"):
        return {name: file.read_bytes()}
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".csv":
        return {name: _DIGITS.sub(r"\1", text)}
    if file.suffix == ".json":
        return dict(_values(name, json.loads(text)))
    # A line for each fetched picture, in the order of their arrival.
    rows = map(json.loads, text.splitlines())
    return dict(pair for row in rows for pair in _values(f"{name}: {row['id']}", row))


def _rows(file: Path) -> list[str]:
    table = pq.read_table(file)
    rows = table.drop_columns(list(_CHANGING & set(table.column_names))).to_pylist()
    return [repr(row) for row in rows]


def _values(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Give each value of a JSON file a name of its own."""
    if not isinstance(value, dict):
        yield name, value
        return
    for key, inner in value.items():
        if key not in _CHANGING and key != "parts" and "seconds" not in key:
            yield from _values(f"{name}: {key}", inner)


def _predict(folder: Path) -> None:
    """Store a column of predictions, in a process of its own: this one may start no threads."""
    child = os.fork()
    if child == 0:
        try:
            from artsim.prediction import save_predictions
            from artsim.store import Store

            store = Store.open(folder / INDEX)
            guesses = ["ab"[row % 2] for row in range(store.rows)]
            save_predictions(
                store, "guess", guesses, np.linspace(0, 1, store.rows), {"by": "chance"}
            )
            os._exit(0)
        finally:
            os._exit(1)
    if os.waitpid(child, 0)[1]:
        raise SystemExit("predictions cannot be stored")


def _write_vectors(file: Path) -> None:
    vectors = np.random.default_rng(0).standard_normal((40, 4))
    rows = [f"v{row},{','.join(f'{x:.6f}' for x in v)}" for row, v in enumerate(vectors)]
    file.write_text("\n".join(["id,f0,f1,f2,f3", *rows]) + "\n", encoding="utf-8")


def _write_addresses(file: Path, address: str) -> None:
    """Write a table of pictures on the web, two of which are not there."""
    names = [
        *sorted(each.name for each in (file.parent / "museum/images").iterdir())[:20],
        "a",
        "b",
    ]
    rows = [f"w{row},{address}/{name}" for row, name in enumerate(names)]
    file.write_text("\n".join(["id,image", *rows]) + "\n", encoding="utf-8")


def _serve_files(folder: Path) -> str:
    """Serve a folder on this machine, in a process that ends with this one; return its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    parent = os.getpid()
    if os.fork() == 0:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(0)
    server.socket.close()
    return f"http://127.0.0.1:{server.server_port}"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


def _must(folder: Path, command: list[str]) -> None:
    outcome = run_command(folder, command)
    if outcome.code != 0:
        raise SystemExit(f"artsim {' '.join(command)} failed:\n{outcome.errors}")
